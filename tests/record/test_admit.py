"""What may enter the log, what may not and why, and how what enters is classed."""

from dataclasses import replace
from typing import Any

import pytest

from drivers.c37118.wire import Layout
from evidence import cose
from evidence.code import Class, Reason, Typ
from evidence.refusal import EvidenceError
from record.known import MissingError
from tests.record.gateway import (
    BUS,
    DAY_S,
    NANOSECONDS,
    OTHER_BUS,
    START,
    Gateway,
    GatewayRun,
    Statement,
    cfg_bytes,
    configuration,
    frame,
    id_of,
    key,
)
from tests.record.upstream import AUTHORITY, NOW, STRANGER, Upstream, classes

DAY = DAY_S * NANOSECONDS
UNCHECKED = (Class.PLACE_UNCHECKED, Reason.NO_RECEIVER)


def refused(upstream: Upstream, batch: bytes, now: int = NOW) -> Reason:
    with pytest.raises(EvidenceError) as caught:
        upstream.admitter.batch(batch, id_of(batch), now)
    return caught.value.reason


def refused_statement(upstream: Upstream, statement: Statement) -> Reason:
    with pytest.raises(EvidenceError) as caught:
        upstream.send(statement)
    return caught.value.reason


# --- statements -----------------------------------------------------------------------------------


def test_credential_of_an_unknown_authority_is_refused(upstream: Upstream):
    stranger = Gateway("gw-2", STRANGER)
    assert refused_statement(upstream, stranger.statement) == Reason.UNKNOWN_AUTHORITY


def test_credential_in_the_name_of_another_authority_is_refused(upstream: Upstream):
    borrowed = Gateway("gw-2", AUTHORITY, issuer="Utility B")
    assert refused_statement(upstream, borrowed.statement) == Reason.UNKNOWN_AUTHORITY


def test_credential_with_an_authoritys_kid_but_not_its_signature_is_refused(upstream: Upstream):
    forged = bytearray(Gateway("gw-2", AUTHORITY).statement.encoded)
    forged[-1] ^= 1
    assert refused_statement(upstream, Statement(bytes(forged))) == Reason.SIGNATURE


def test_statement_that_no_bundle_of_entries_holds_is_refused(upstream: Upstream, run: GatewayRun):
    """C2SP tlog-tiles: the length of an entry has 16 bits."""
    channels = [(0, f"V{at}") for at in range(995)]
    just, over = (run.describe(5, None, channels=channels[:count]) for count in (980, 995))
    assert len(just.encoded) <= 65535 < len(over.encoded)
    upstream.send(just)
    assert refused_statement(upstream, over) == Reason.TOO_LONG


def test_run_by_another_device_key_is_refused(upstream: Upstream, gateway: Gateway):
    run = GatewayRun("thief", key("device thief"), gateway.statement.name)
    assert refused_statement(upstream, run.statement) == Reason.KID


def test_run_whose_key_did_not_agree_is_refused(upstream: Upstream, gateway: Gateway):
    run = gateway.start(possession=bytes(64))
    assert refused_statement(upstream, run.statement) == Reason.POSSESSION


def test_descriptor_by_another_key_than_its_runs_is_refused(
    upstream: Upstream, gateway: Gateway, cfg: bytes
):
    run, other = gateway.start(), gateway.start()
    upstream.send(run.statement, other.statement)
    other.name = run.name
    assert refused_statement(upstream, other.describe(1, cfg)) == Reason.KID


def test_descriptor_of_a_bus_that_was_not_granted_is_refused(
    upstream: Upstream, gateway: Gateway, cfg: bytes
):
    run = gateway.start()
    upstream.send(run.statement)
    found = refused_statement(upstream, run.describe(1, cfg, node=OTHER_BUS))
    assert found == Reason.BUS_NOT_GRANTED
    upstream.send(run.describe(2, cfg, node=BUS), run.describe(3, cfg, node=None))


def test_descriptor_that_does_not_begin_where_its_run_says_is_refused(
    upstream: Upstream, gateway: Gateway, cfg: bytes
):
    run = gateway.start()
    upstream.send(run.statement)
    assert refused_statement(upstream, run.describe(1, cfg, prev=bytes(31) + b"1")) == Reason.LINK


def test_disclosure_that_belongs_to_nothing_is_refused(upstream: Upstream, gateway: Gateway):
    statement = Statement(gateway.statement.encoded, ((bytes(16), b"elsewhere"),))
    assert refused_statement(upstream, statement) == Reason.SHAPE


def test_statement_that_hides_a_value_from_the_record_is_refused(
    upstream: Upstream, gateway: Gateway, cfg: bytes, layout: Layout
):
    """A stranger who saw a descriptor posts it bare, before its gateway: nothing of that stays."""
    run = gateway.start()
    upstream.send(run.statement)
    whole = run.describe(1, cfg)
    with pytest.raises(EvidenceError, match="4 of 4 values are not disclosed to the record"):
        upstream.send(Statement(whole.encoded))
    with pytest.raises(EvidenceError, match="1 of 4 values are not disclosed to the record"):
        upstream.send(Statement(whole.encoded, whole.pairs[1:] * 2))
    upstream.send(whole)
    run.observe(1, frame(layout, 0))
    assert classes(upstream.push(run.cut())) == [(1, 1, 1, *UNCHECKED)]


@pytest.mark.parametrize("typ", [Typ.RECEIPT, Typ.HEAD, Typ.CLASSIFICATION, 1])
def test_only_what_gateways_state_is_a_statement(upstream: Upstream, typ: Any):
    encoded = cose.sign(typ, b"\x80", AUTHORITY)
    assert refused_statement(upstream, Statement(encoded)) == Reason.TYP


def test_what_is_needed_first_is_named(upstream: Upstream, cfg: bytes, layout: Layout):
    gateway = Gateway("gw-9", AUTHORITY)
    run = gateway.start()
    descriptor = run.describe(1, cfg)
    run.observe(1, frame(layout, 0))
    batch = run.cut()
    wanted = []
    for step in (None, gateway.statement, run.statement, descriptor):
        if step is not None:
            upstream.send(step)
        try:
            upstream.push(batch)
        except MissingError as fault:
            wanted.append(fault.names)
    both = [(Typ.RUN, run.name), (Typ.DESCRIPTOR, descriptor.name)]
    assert wanted == [both, both, [(Typ.DESCRIPTOR, descriptor.name)]]
    with pytest.raises(MissingError) as caught:
        upstream.send(Gateway("gw-8", AUTHORITY).start().statement)
    assert [typ for typ, _ in caught.value.names] == [Typ.CREDENTIAL]


# --- batches --------------------------------------------------------------------------------------


def test_any_bit_of_a_small_batch_changed_is_refused(upstream: Upstream, gateway: Gateway):
    """Or asks for something that does not exist; it never enters."""
    small = configuration(phasors=0)
    run = gateway.start()
    upstream.start(run, cfg_bytes(small), 1)
    for number in range(2):
        run.observe(1, frame(Layout(small), number))
    batch = run.cut()
    batch_id = id_of(batch)
    entered = []
    for bit in range(8 * len(batch)):
        changed = bytearray(batch)
        changed[bit >> 3] ^= 1 << (bit & 7)
        try:
            upstream.admitter.batch(bytes(changed), batch_id, NOW)
            entered.append(bit)
        except EvidenceError:
            pass
    assert not entered
    assert upstream.admitter.batch(batch, batch_id, NOW).subject == batch_id


def test_batch_under_another_id_is_refused(upstream: Upstream, run: GatewayRun, layout: Layout):
    run.observe(1, frame(layout, 0))
    with pytest.raises(EvidenceError) as caught:
        upstream.admitter.batch(run.cut(), bytes(32), NOW)
    assert caught.value.reason == Reason.BATCH_ID


def test_head_by_another_key_is_refused(upstream: Upstream, run: GatewayRun, layout: Layout):
    run.observe(1, frame(layout, 0))
    run.key = STRANGER
    assert refused(upstream, run.cut()) == Reason.KID


def test_observation_by_another_key_is_refused(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    other = gateway.start()
    other.describe(1, cfg)
    run.lines[1].binding = other.lines[1].binding
    run.observe(1, frame(layout, 0))
    assert refused(upstream, run.cut()) == Reason.KID


def test_wrong_signature_of_one_observation_is_found_when_every_one_is_checked(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    """The head vouches for the bytes; the observation's own signature is another matter."""
    run.observe(1, frame(layout, 0))
    good, run.key = run.key, STRANGER
    run.observe(1, frame(layout, 1))
    run.key = good
    batch = run.cut()
    upstream.admitter._every = True
    assert refused(upstream, batch) == Reason.SIGNATURE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seq": 7}, Reason.SEQUENCE),
        ({"prev": bytes(32)}, Reason.LINK),
        ({"stream": 2}, Reason.RANGE),
    ],
)
def test_observation_out_of_its_chain_is_refused(
    upstream: Upstream, run: GatewayRun, layout: Layout, changes: dict[str, Any], reason: Reason
):
    run.observe(1, frame(layout, 0))
    run.observe(1, frame(layout, 1), **changes)
    assert refused(upstream, run.cut()) == reason


def test_wrong_root_or_count_is_refused(upstream: Upstream, run: GatewayRun, layout: Layout):
    run.observe(1, frame(layout, 0))
    assert refused(upstream, run.cut(root=bytes(32))) == Reason.ROOT
    run.observe(1, frame(layout, 1))
    assert refused(upstream, run.cut(count=9)) == Reason.COUNT
    run.observe(1, frame(layout, 2))
    assert refused(upstream, run.cut() + b"\0") == Reason.COUNT


def test_first_batch_names_none_before(upstream: Upstream, run: GatewayRun, layout: Layout):
    run.observe(1, frame(layout, 0))
    assert refused(upstream, run.cut(previous=b"1" * 32)) == Reason.HEAD_CHAIN


def test_range_under_another_streams_descriptor_is_refused(
    upstream: Upstream, run: GatewayRun, cfg: bytes, layout: Layout
):
    upstream.send(run.describe(2, cfg))
    run.lines[2].descriptor, run.lines[2].binding = run.lines[1].descriptor, run.lines[1].binding
    run.observe(2, frame(layout, 0))
    assert refused(upstream, run.cut()) == Reason.DESCRIPTOR


def test_range_before_its_descriptor_is_refused(
    upstream: Upstream, run: GatewayRun, cfg: bytes, layout: Layout
):
    run.lines[1].seq = 40
    upstream.send(run.describe(1, cfg))
    run.lines[1].seq = 3
    run.observe(1, frame(layout, 0))
    assert refused(upstream, run.cut()) == Reason.DESCRIPTOR


def test_leftovers_of_an_earlier_run_enter_by_their_own_signatures(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    run.observe(1, frame(layout, 0))
    later = gateway.start(run)
    upstream.start(later, cfg, 1)
    entry = upstream.push(later.cut(more=[run]))
    assert classes(entry) == [(1, 1, 1, *UNCHECKED)]

    good, run.key = run.key, STRANGER
    run.observe(1, frame(layout, 1))
    run.key = good
    assert refused(upstream, later.cut(more=[run])) == Reason.SIGNATURE


def test_range_of_another_devices_run_is_refused(
    upstream: Upstream, run: GatewayRun, cfg: bytes, layout: Layout
):
    other = Gateway("gw-2", AUTHORITY)
    theirs = other.start()
    upstream.send(other.statement)
    upstream.start(theirs, cfg, 1)
    theirs.observe(1, frame(layout, 0))
    assert refused(upstream, run.cut(more=[theirs])) == Reason.RUN


# --- credentials in time --------------------------------------------------------------------------


def test_expired_credential_is_refused_when_all_clocks_say_so(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    run.observe(1, frame(layout, 0), tai=START + 2 * DAY)
    assert refused(upstream, run.cut(), now=START + 3 * DAY) == Reason.CREDENTIAL_EXPIRED
    run.number, run.previous = 0, bytes(32)
    run.observe(1, frame(layout, 0), tai=START - 3 * DAY)
    assert refused(upstream, run.cut(), now=START - 2 * DAY) == Reason.CREDENTIAL_NOT_YET


@pytest.mark.parametrize(
    ("tai", "now", "reason"),
    [
        (START, START + 3 * DAY, Reason.CREDENTIAL_EXPIRED),  # a backlog, or a thief's clock
        (START + 2 * DAY, START, Reason.CREDENTIAL_EXPIRED),  # the gateway's clock is ahead
        (START - 3 * DAY, START, Reason.CREDENTIAL_NOT_YET),
    ],
)
def test_clocks_that_differ_on_a_credential_class_and_do_not_refuse(
    upstream: Upstream, run: GatewayRun, layout: Layout, tai: int, now: int, reason: Reason
):
    run.observe(1, frame(layout, 0), tai=tai)
    assert classes(upstream.push(run.cut(), now)) == [(1, 1, 1, Class.KEY_DOUBTFUL, reason)]


def test_numbers_beyond_the_store_are_refused(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    run.observe(1, frame(layout, 0))
    assert refused(upstream, run.cut(number=1 << 63)) == Reason.SHAPE
    last = run.reached()[0]
    later = gateway.start(run, reached=(replace_seq(last, 1 << 63),))
    assert refused_statement(upstream, later.statement) == Reason.SHAPE


def replace_seq(reached: Any, seq: int) -> Any:
    return reached._replace(seq=seq)


def test_kept_readers_are_bounded(upstream: Upstream, run: GatewayRun, layout: Layout, monkeypatch):
    monkeypatch.setattr("record.admit.RULINGS_MAX", 1)
    cfg = cfg_bytes(configuration())
    upstream.send(run.describe(2, cfg), run.describe(3, cfg))
    for stream in (1, 2, 3):
        run.observe(stream, frame(layout, 0))
    assert [row[0] for row in classes(upstream.push(run.cut()))] == [1, 2, 3]
    assert len(upstream.admitter._rulings) == 1


def test_credentials_are_one_per_name(upstream: Upstream, gateway: Gateway):
    other = replace(gateway.credential, serial=b"second")
    encoded = cose.sign(Typ.CREDENTIAL, other.payload(), AUTHORITY)
    second = Statement(encoded, gateway.statement.pairs)
    entry, again = upstream.send(second, second)
    assert entry == again
