"""A device key that hands over to the next: both are one device, and neither the old key alone nor
the authority alone makes the next one its own."""

from typing import Any

import pytest

from drivers.c37118.wire import Layout
from evidence import cose, rotation
from evidence.anchor import Authority
from evidence.classification import Finding
from evidence.code import Cause, Class, Reason, Typ
from evidence.leap import NS
from evidence.refusal import EvidenceError
from record.cli import main
from record.known import Known, MissingError, alone
from record.lookup import Lookup, NotFoundError, Sought
from record.reach import heads_of
from tests.record.authority import Book
from tests.record.gateway import START, Gateway, GatewayRun, Statement, frame, key
from tests.record.test_audit import anchors_text
from tests.record.test_book import SECOND, trusting
from tests.record.test_revocation import CLONE, LATER, UNCHECKED, heard, reasons, revoke, worth
from tests.record.upstream import AUTHORITY, BOTH, NOW, STRANGER, Upstream

pytestmark = BOTH


def refused(upstream: Upstream, statement: Statement) -> Reason:
    with pytest.raises(EvidenceError) as caught:
        upstream.send(statement)
    return caught.value.reason


def wanted(upstream: Upstream, statement: Statement) -> list[tuple[int, bytes]]:
    with pytest.raises(MissingError) as caught:
        upstream.send(statement)
    return caught.value.names


def rotated(upstream: Upstream, gateway: Gateway) -> None:
    """The gateway takes its next key, and the record knows."""
    upstream.send(gateway.rotate(), gateway.statement)


def verified(place: Any, tmp_path: Any) -> bool:
    (tmp_path / "anchors.toml").write_text(anchors_text())
    return main(["verify", str(place), "--anchors", str(tmp_path / "anchors.toml")]) == 0


def test_what_a_later_key_needs_is_asked_for(upstream: Upstream, cfg: bytes):
    gateway = Gateway("gw-1", AUTHORITY)
    first = gateway.statement
    over = gateway.rotate()
    run = gateway.start()
    assert wanted(upstream, run.statement) == [(Typ.CREDENTIAL, gateway.statement.name)]
    assert wanted(upstream, gateway.statement) == [(Typ.ROTATION, over.name)]
    assert wanted(upstream, over) == [(Typ.CREDENTIAL, first.name)]
    upstream.send(first, over, gateway.statement)
    upstream.start(run, cfg, 1)


def test_both_keys_are_one_device(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout, place: Any,
    tmp_path: Any, capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    """Leftovers of the run under the old key are cut by the run under the new one; the record says
    the same of both keys; a sample is found by either name."""
    upstream.push(heard(run, layout, 1))
    before = gateway.device.public.kid
    run.observe(1, frame(layout, 120), tai=START + 2 * NS)  # in no batch yet
    rotated(upstream, gateway)
    later = gateway.start(run, started=START + 3 * NS)
    upstream.start(later, cfg, 1)
    later.observe(1, frame(layout, 240), tai=START + 4 * NS)
    assert reasons(upstream.push(later.cut([run]))) == {UNCHECKED}
    assert not upstream.findings()
    kid = gateway.device.public.kid
    told = [heads_of(upstream.store, one) for one in (before, kid)]
    assert told[0] == told[1]
    (head,) = told[0]
    assert (head.run, head.measured) == (later.name, START + 4 * NS)
    lookup = Lookup(upstream.store, Known(upstream.store))
    for name in ("gw-1", before.hex(), kid.hex()):
        assert [one.name for one in lookup.runs_of(name)] == [later.name, run.name]
        assert lookup.sample(Sought(name, "1", 1)).run.name == later.name
    found = lookup.runs_of("gw-1")[0]
    earlier = lookup.before(found)
    assert earlier is not None and earlier.name == run.name
    assert verified(place, tmp_path)
    assert main(["show", str(place)]) == 0
    assert f"device        {kid.hex()}: 2 runs, 1 streams, before it {before.hex()}" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("old_first", [True, False])
def test_runs_under_either_key_after_the_same_one_are_clones(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout,
    old_first: bool,
):  # fmt: skip
    """Whoever still has the old key goes on where the new one does."""
    old = gateway.start(run)
    rotated(upstream, gateway)
    new = gateway.start(run)
    for one in (old, new) if old_first else (new, old):
        upstream.start(one, cfg, 1)
    for one in (old, new):
        assert reasons(upstream.push(heard(one, layout, 20))) == {CLONE}
    assert {row.run for row in upstream.findings()} == {old.name, new.name}


def test_lateness_and_another_end_are_seen_across_keys(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    upstream.push(heard(run, layout, 1, 2))
    rotated(upstream, gateway)
    (reached,) = run.reached()
    other = reached._replace(leaf=b"\1" * 32)
    upstream.start(gateway.start(run, reached=(other,), started=START + 90 * NS), cfg, 1)
    twin = (int(Class.KEY_DOUBTFUL), int(Reason.TWIN))
    (row,) = [row for row in upstream.findings() if row[5:7] == twin]
    assert isinstance(row, Finding) and row.run == run.name
    assert reasons(upstream.push(heard(run, layout, 95))) == {CLONE}


def test_clock_and_disk_across_three_keys(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    first = gateway.credential
    runs = [run]
    for number in range(2):
        rotated(upstream, gateway)
        runs.append(gateway.start(runs[-1], started=START + (20 + number) * NS))
        upstream.start(runs[-1], cfg, 1)
    assert {row.device for row in upstream.store.runs()} == {alone(first)}
    assert len({row.kid for row in upstream.store.runs()}) == 3


# --- what is never enough -------------------------------------------------------------------------


def test_the_old_key_alone_leads_nowhere(upstream: Upstream, gateway: Gateway):
    """It hands over, the next key agrees, no authority signed: no run of the next key enters."""
    credential, old = gateway.statement, gateway.device
    thief = Gateway("gw-1", AUTHORITY)
    upstream.send(thief.rotate())
    assert thief.device.public != old.public
    forged = cose.sign(Typ.CREDENTIAL, thief.credential.payload(), old)
    assert refused(upstream, Statement(forged, thief.hidden)) == Reason.UNKNOWN_AUTHORITY
    forged = cose.sign(Typ.CREDENTIAL, thief.credential.payload(), thief.device)
    assert refused(upstream, Statement(forged, thief.hidden)) == Reason.UNKNOWN_AUTHORITY
    under_old = GatewayRun("thief", thief.device, credential.name)
    assert refused(upstream, under_old.statement) in (Reason.KID, Reason.POSSESSION)
    alone = GatewayRun("thief 2", thief.device, thief.statement.name)
    assert wanted(upstream, alone.statement) == [(Typ.CREDENTIAL, thief.statement.name)]


def test_the_authority_alone_does_not_hand_over(upstream: Upstream, gateway: Gateway):
    """A rotation that the old key did not sign, or that the next one did not agree to."""
    over = rotation.rotation(gateway.statement.name, STRANGER, START)
    for signer, reason in ((AUTHORITY, Reason.KID), (STRANGER, Reason.KID)):
        made = Statement(cose.sign(Typ.ROTATION, over.payload(), signer))
        assert refused(upstream, made) == reason
    forced = rotation.Rotation(over.credential, key("another").public, START, over.possession)
    made = Statement(cose.sign(Typ.ROTATION, forced.payload(), gateway.device))
    assert refused(upstream, made) == Reason.POSSESSION


@pytest.mark.parametrize(
    "changes", [{"subject": "gw-2"}, {"role": "bench"}, {"key": STRANGER.public}]
)
def test_a_credential_that_the_rotation_does_not_lead_to(
    upstream: Upstream, gateway: Gateway, changes: dict[str, Any]
):
    upstream.send(gateway.rotate(**changes))
    assert refused(upstream, gateway.statement) == Reason.ROTATION_NOT_GRANTED


def test_another_authoritys_credential_is_not_the_same_device(upstream: Upstream, gateway: Gateway):
    trusting(
        upstream, Authority("Utility A", AUTHORITY.public), Authority("Utility B", SECOND.public)
    )
    upstream.send(gateway.rotate(SECOND, issuer="Utility B"))
    assert refused(upstream, gateway.statement) == Reason.ROTATION_NOT_GRANTED


@pytest.mark.parametrize("rotation_first", [True, False])
def test_a_key_is_of_one_device(upstream: Upstream, gateway: Gateway, rotation_first: bool):
    """A credential that names the rotation, and one of the same key that names none."""
    over = gateway.rotate()
    later = gateway.statement
    alone = Gateway("gw-1", AUTHORITY, serial=b"alone", key=gateway.device.public).statement
    upstream.send(over)
    first, second = (later, alone) if rotation_first else (alone, later)
    upstream.send(first)
    assert refused(upstream, second) == Reason.ROTATION_NOT_GRANTED


def test_a_renewal_keeps_the_rotation(upstream: Upstream, gateway: Gateway, run: GatewayRun):
    over = gateway.rotate()
    renewed = Gateway(
        "gw-1", AUTHORITY, serial=b"renewed", key=gateway.device.public, rotation=over.name
    )
    renewed.device = gateway.device
    upstream.send(over, renewed.statement, gateway.statement)
    upstream.send(renewed.start(run).statement)
    assert len({row.device for row in upstream.store.runs()}) == 1


# --- revoked and rotated --------------------------------------------------------------------------


def test_a_revoked_key_does_not_hand_over(upstream: Upstream, gateway: Gateway):
    revoke(upstream, gateway)
    assert refused(upstream, gateway.rotate()) == Reason.CREDENTIAL_REVOKED
    assert [typ for typ, _ in wanted(upstream, gateway.statement)] == [Typ.ROTATION]


def test_a_rotation_that_was_logged_before_leads_on(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    """The old key is revoked then; what the authority grants the next one is its own affair."""
    old, over = Gateway("gw-1", AUTHORITY), gateway.rotate()
    upstream.send(over)
    revoke(upstream, old)
    later = gateway.start(run, started=START + 101 * NS)
    upstream.send(gateway.statement, now=LATER)
    upstream.start(later, cfg, 1)
    assert reasons(upstream.push(heard(later, layout, 102), now=LATER)) == {UNCHECKED}


def test_revoking_the_old_key_leaves_the_new_one_alone(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    """But for what the old one sealed and the new one sends: that is doubted, and no more."""
    run.observe(1, frame(layout, 60), tai=START + NS)
    old = Gateway("gw-1", AUTHORITY)
    rotated(upstream, gateway)
    later = gateway.start(run, started=START + 3 * NS)
    upstream.start(later, cfg, 1)
    later.observe(1, frame(layout, 240), tai=START + 4 * NS)
    batch = later.cut([run])
    book = revoke(upstream, old)
    entry = upstream.push(batch, now=LATER)
    assert reasons(entry) == {UNCHECKED, (Class.KEY_DOUBTFUL, Reason.CREDENTIAL_REVOKED)}
    assert reasons(upstream.push(heard(later, layout, 120), now=LATER)) == {UNCHECKED}
    thief = GatewayRun(
        "thief", old.device, old.statement.name, cause=Cause.RESTART, predecessor=run.name,
        started=START + 2 * NS,
    )  # fmt: skip
    told = heads_of(upstream.store, gateway.device.public.kid)
    upstream.start(thief, cfg, 1)
    assert reasons(upstream.push(heard(thief, layout, 5), now=LATER)) == {CLONE}
    assert heads_of(upstream.store, gateway.device.public.kid) == told
    found = Lookup(upstream.store, Known(upstream.store)).sample(Sought("gw-1", "1", 1))
    assert found.run.name == later.name
    assert [row.run for row in upstream.findings()] == [thief.name]
    assert reasons(upstream.push(heard(later, layout, 121), now=LATER)) == {UNCHECKED}
    upstream.send(book.vouch(later, 0, batch), now=LATER)
    assert worth(upstream, run, 1).now == UNCHECKED


def test_leftovers_heard_after_the_revocation_do_not_take_the_rest_along(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    old = Gateway("gw-1", AUTHORITY)
    run.observe(1, frame(layout, 7200), tai=START + 120 * NS)
    rotated(upstream, gateway)
    later = gateway.start(run, started=START + 121 * NS)
    upstream.start(later, cfg, 1)
    later.observe(1, frame(layout, 7320), tai=START + 122 * NS)
    revoke(upstream, old)
    entry = upstream.push(later.cut([run]), now=LATER)
    assert reasons(entry) == {UNCHECKED, (Class.KEY_DOUBTFUL, Reason.CREDENTIAL_REVOKED)}


def test_book_and_rotation_in_any_order(upstream: Upstream, gateway: Gateway, run: GatewayRun):
    """The book names a credential before or after the record has it."""
    over, book = gateway.rotate(), Book(AUTHORITY)
    upstream.send(book.open(), book.issue(gateway.statement), over, gateway.statement, now=NOW)
    with pytest.raises(NotFoundError):
        Lookup(upstream.store, Known(upstream.store)).sample(Sought("gw-1", "1", 99))
