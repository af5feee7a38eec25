"""Two authorities of one record: what one says of a key that is another's gateway's neither stands
in that one's way nor speaks for it."""

from pathlib import Path
from typing import Any

import pytest

from drivers.c37118.wire import Layout
from evidence.anchor import Authority
from evidence.code import Cause
from evidence.leap import NS
from record.cli import main
from record.known import Known
from record.lookup import Lookup, NotFoundError, Sought
from tests.record.authority import Book
from tests.record.gateway import START, Gateway, GatewayRun, frame
from tests.record.test_audit import anchors_text
from tests.record.test_book import SECOND, trusting
from tests.record.test_revocation import (
    LATER,
    REVOKED,
    UNCHECKED,
    heard,
    reasons,
    revoke,
    worth,
)
from tests.record.upstream import AUTHORITY, BOTH, Upstream

pytestmark = BOTH


@pytest.fixture(autouse=True)
def both(upstream: Upstream) -> None:
    trusting(
        upstream, Authority("Utility A", AUTHORITY.public), Authority("Utility B", SECOND.public)
    )


def theirs(gateway: Gateway, name: str = "gw-1") -> Gateway:
    """The key of this gateway in a credential of the other authority, and in whose hands it is."""
    found = Gateway(name, SECOND, issuer="Utility B", key=gateway.device.public)
    found.device = gateway.device
    return found


@pytest.mark.parametrize("ours_first", [True, False])
def test_another_authority_stands_in_no_ones_way(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout,
    ours_first: bool,
):  # fmt: skip
    """It names the next key of a rotation in a credential of its own, before or after."""
    upstream.send(gateway.rotate())
    rows = [gateway.statement, theirs(gateway).statement]
    upstream.send(*(rows if ours_first else rows[::-1]))
    later = gateway.start(run)
    upstream.start(later, cfg, 1)
    assert reasons(upstream.push(heard(later, layout, 20))) == {UNCHECKED}
    assert len({row.device for row in upstream.store.runs()}) == 1


def test_a_thief_with_another_authority_makes_nothing_of_ours_doubtful(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout, place: Any,
    tmp_path: Path,
):  # fmt: skip
    """A stolen key that ours revoked and another authority did not: its runs are of another
    device, whatever they name."""
    upstream.push(heard(run, layout, 1))
    later = gateway.start(run, started=START + 2 * NS)
    upstream.start(later, cfg, 1)
    upstream.push(heard(later, layout, 10))
    revoke(upstream, gateway)
    stolen = theirs(gateway)
    upstream.send(stolen.statement, now=LATER)
    thief = stolen.start(run, started=START + 3 * NS)
    upstream.start(thief, cfg, 1)
    assert reasons(upstream.push(heard(thief, layout, 120), now=LATER)) == {UNCHECKED}
    assert not upstream.findings()
    assert worth(upstream, later, 1).now == worth(upstream, run, 1).now == UNCHECKED
    lookup = Lookup(upstream.store, Known(upstream.store))
    kid = gateway.device.public.kid.hex()
    with pytest.raises(NotFoundError, match=f"{kid} by Utility B, {kid} by Utility A"):
        lookup.sample(Sought("gw-1", "1", 1))
    text = anchors_text() + f'[[authority]]\nname = "Utility B"\nkey = "{SECOND.public.raw.hex()}"'
    (tmp_path / "both.toml").write_text(text)
    assert main(["verify", str(place), "--anchors", str(tmp_path / "both.toml")]) == 0


def test_another_authority_vouches_for_nothing_under_our_credential(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    """Leftovers under a credential of ours, in a batch under one of its own."""
    revoke(upstream, gateway)
    stolen = theirs(gateway)
    upstream.send(stolen.statement, now=LATER)
    ours = GatewayRun(
        "thief", gateway.device, gateway.statement.name, cause=Cause.RESTART,
        predecessor=run.name, started=START + 2 * NS,
    )  # fmt: skip
    other = stolen.start()
    upstream.start(ours, cfg, 1)
    upstream.start(other, cfg, 2)
    for one, stream in ((ours, 1), (other, 2)):
        one.observe(stream, frame(layout, 0), tai=START + 130 * NS)
    batch = other.cut([ours])
    book = Book(SECOND, "Utility B")
    upstream.send(book.open(), book.vouch(other, 0, batch), now=LATER)
    assert reasons(upstream.push(batch, now=LATER)) == {REVOKED, UNCHECKED}
    found = worth(upstream, ours, 1)
    assert (found.now, found.vouched) == (REVOKED, None)


def test_a_gateway_whose_authority_changes_loses_nothing(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    """Its key stays, and what was in no batch yet is cut under the other's credential."""
    run.observe(1, frame(layout, 60), tai=START + NS)
    after = theirs(gateway)
    upstream.send(after.statement)
    later = after.start(run, started=START + 3 * NS)
    upstream.start(later, cfg, 1)
    later.observe(1, frame(layout, 240), tai=START + 4 * NS)
    assert reasons(upstream.push(later.cut([run]))) == {UNCHECKED}
    assert not upstream.findings()
