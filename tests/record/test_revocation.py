"""A device key that is revoked: what was receipted before stands, what comes later is doubted or
refused by when the gateway heard it, and an authority may vouch for it."""

from typing import Any

import pytest

from drivers.c37118.wire import Layout
from evidence.anchor import Authority
from evidence.classification import Finding
from evidence.code import Class, Flag, Reason
from evidence.leap import NS
from evidence.refusal import EvidenceError
from record.cli import main
from record.continuity import Doubt
from record.known import Known
from record.lookup import Lookup, Sought
from record.sequencer import Appraised
from record.standing import Standing, standing
from tests.record.authority import Book
from tests.record.gateway import DAY_S, START, START_S, Gateway, GatewayRun, frame, id_of
from tests.record.test_audit import anchors_text
from tests.record.test_book import SECOND, trusting
from tests.record.upstream import AUTHORITY, BOTH, Upstream, classes

pytestmark = BOTH
REVOKED_AT = START + 100 * NS  # the log's clock then
LATER = REVOKED_AT + 50 * NS
MS = 1_000_000
UNCHECKED = (Class.PLACE_UNCHECKED, Reason.NO_RECEIVER)
REVOKED = (Class.KEY_DOUBTFUL, Reason.CREDENTIAL_REVOKED)
CLONE = (Class.KEY_DOUBTFUL, Reason.CLONE)
TWIN = (Class.KEY_DOUBTFUL, Reason.TWIN)


@pytest.fixture(autouse=True)
def before_it_was_revoked(upstream: Upstream) -> None:
    upstream.now = START + 90 * NS


def heard(run: GatewayRun, layout: Layout, *seconds: int, **changes: Any) -> bytes:
    """A batch of frames that the gateway heard so many seconds after START, 20 ms after each."""
    for second in seconds:
        tai = START + second * NS
        run.observe(1, frame(layout, 60 * second), tai=tai, **changes)
    return run.cut()


def revoke(upstream: Upstream, gateway: Gateway, book: Book | None = None) -> Book:
    """The authority revokes the key of a gateway, at REVOKED_AT by the log's clock."""
    if book is None:
        book = Book(AUTHORITY)
        upstream.send(book.open(), now=REVOKED_AT)
    upstream.send(book.revoke(gateway.device.public), now=REVOKED_AT)
    return book


def reasons(entry: Any) -> set[Any]:
    return {row[3:] for row in classes(entry)}


def refused(upstream: Upstream, batch: bytes) -> Reason:
    with pytest.raises(EvidenceError) as caught:
        upstream.push(batch, now=LATER)
    return caught.value.reason


def worth(upstream: Upstream, run: GatewayRun, seq: int) -> Standing:
    """What a sample of stream 1 is worth now."""
    known = Known(upstream.store)
    seen = Lookup(upstream.store, known).sample(Sought("gw-1", "1", seq, run.name.hex()))
    return standing(upstream.store, known, seen)


def verified(upstream: Upstream, place: Any, tmp_path: Any) -> bool:
    (tmp_path / "anchors.toml").write_text(anchors_text())
    return main(["verify", str(place), "--anchors", str(tmp_path / "anchors.toml")]) == 0


def test_what_has_a_receipt_stands_and_what_comes_is_judged_by_when_it_was_heard(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    before = [upstream.push(heard(run, layout, second)) for second in (1, 2)]
    old, spans, new = (heard(run, layout, *at) for at in ((3, 4), (99, 101), (101, 102)))
    last = heard(run, layout, 98)  # its clock was set back: it was heard before, by its own word
    revoke(upstream, gateway)
    assert reasons(upstream.push(old, now=LATER)) == {REVOKED}
    assert reasons(upstream.push(spans, now=LATER)) == {REVOKED}
    assert refused(upstream, new) == Reason.CREDENTIAL_REVOKED
    assert reasons(upstream.push(last, now=LATER)) == {REVOKED}
    for entry in before:
        assert upstream.store.entry(entry.idx) == entry
        assert reasons(entry) == {UNCHECKED}
    assert worth(upstream, run, 1).now == UNCHECKED
    assert worth(upstream, run, 3).now == REVOKED


def test_the_instant_of_the_log_parts_them_to_the_nanosecond(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    at, just_before = (heard(run, layout, 100, heard=after) for after in (0, -1))
    revoke(upstream, gateway)
    assert refused(upstream, at) == Reason.CREDENTIAL_REVOKED
    assert reasons(upstream.push(just_before, now=LATER)) == {REVOKED}


def test_a_batch_is_refused_when_all_of_it_was_heard_after(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    """Not when one of its streams was heard before."""
    upstream.send(run.describe(2, cfg))
    revoke(upstream, gateway)
    for stream, second in ((1, 101), (2, 99)):
        run.observe(stream, frame(layout, 60 * second), tai=START + second * NS)
    assert reasons(upstream.push(run.cut(), now=LATER)) == {REVOKED}
    for stream in (1, 2):
        run.observe(stream, frame(layout, 60 * 102), tai=START + 102 * NS)
    assert refused(upstream, run.cut()) == Reason.CREDENTIAL_REVOKED


def test_a_batch_in_the_same_commit_is_judged_by_its_place(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    book = Book(AUTHORITY)
    upstream.send(book.open())
    first, second = heard(run, layout, 1), heard(run, layout, 2)
    items: list[Any] = [upstream.admitter.batch(first, id_of(first), LATER)]
    items.append(upstream.admitter.statement(book.revoke(gateway.device.public).encoded, ()))
    items.append(upstream.admitter.batch(second, id_of(second), LATER))
    entries = upstream.sequencer.commit(items, REVOKED_AT)
    assert [reasons(entry) for entry in (entries[0], entries[2])] == [{UNCHECKED}, {REVOKED}]


def test_runs_and_batches_under_a_revoked_key(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    """A run of the backlog is admitted, so that its batches can be classed; a new one is not."""
    older = gateway.start(run, started=REVOKED_AT - 1)
    newer = gateway.start(older, started=REVOKED_AT)
    revoke(upstream, gateway)
    upstream.start(older, cfg, 1)
    assert reasons(upstream.push(heard(older, layout, 3), now=LATER)) == {REVOKED}
    with pytest.raises(EvidenceError) as caught:
        upstream.send(newer.statement)
    assert caught.value.reason == Reason.CREDENTIAL_REVOKED


def test_a_key_is_revoked_whatever_credential_names_it(
    upstream: Upstream, gateway: Gateway, cfg: bytes, layout: Layout
):
    """Also one that the record hears of afterwards."""
    revoke(upstream, gateway)
    renewed = Gateway("gw-1", AUTHORITY, serial=b"another")
    upstream.send(renewed.statement)
    run = renewed.start()
    upstream.start(run, cfg, 1)
    assert reasons(upstream.push(heard(run, layout, 3), now=LATER)) == {REVOKED}


def test_only_who_issued_revokes(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout, place: Any,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    """Another authority's word on this key is logged, and has no effect on ours."""
    trusting(
        upstream, Authority("Utility A", AUTHORITY.public), Authority("Utility B", SECOND.public)
    )
    other = Book(SECOND, "Utility B")
    upstream.send(other.open(), now=REVOKED_AT)
    revoke(upstream, gateway, other)
    assert reasons(upstream.push(heard(run, layout, 3, 101), now=LATER)) == {UNCHECKED}
    assert main(["show", str(place), "--sample", "gw-1/1/1"]) == 0
    assert "revoked" not in capsys.readouterr().out


def test_the_first_of_two_revocations_rules(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    book = revoke(upstream, gateway)
    upstream.send(book.revoke(gateway.device.public), now=LATER)
    for _ in range(2):
        assert refused(upstream, heard(run, layout, 120)) == Reason.CREDENTIAL_REVOKED
        upstream.sequencer.restore()


# --- vouched for ----------------------------------------------------------------------------------


def backlog(run: GatewayRun, layout: Layout, count: int) -> list[bytes]:
    """A batch a second: of each three the second has a doubtful clock, and the third is a test."""
    wide, test = {"bound": 1_000_000}, {"flags": int(Flag.LOCKED | Flag.TEST)}
    changes: list[dict[str, int]] = [{}, wide, test]
    return [heard(run, layout, 10 + number, **changes[number % 3]) for number in range(count)]


EACH = [
    UNCHECKED,
    (Class.TIME_DOUBTFUL, Reason.BOUND_TOO_WIDE),
    (Class.TEST, Reason.TEST_MODE),
]


@pytest.mark.parametrize(
    "order", ["live first", "as sealed", "vouched early", "vouched before anything"]
)
def test_an_honest_backlog_is_worth_what_it_was_once_vouched_for(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout, order: str, place: Any,
    tmp_path: Any,
):  # fmt: skip
    """In whatever order it comes, and the word for it."""
    batches = backlog(run, layout, 9)
    rows = list(batches)
    if order != "as sealed":
        rows.reverse()
    book = revoke(upstream, gateway)
    word = book.vouch(run, 7, batches[7])
    if order == "vouched early":
        upstream.push(batches[7], now=LATER)
    if order.startswith("vouched"):
        upstream.send(word, now=LATER)
    for one in rows:
        upstream.push(one, now=LATER)
    if not order.startswith("vouched"):
        assert worth(upstream, run, 1).now == REVOKED
        upstream.send(word, now=LATER)
    for number in range(8):
        found = worth(upstream, run, number + 1)
        assert found.now == EACH[number % 3]
        expected = EACH[2] if number % 3 == 2 else REVOKED
        assert found.receipt == expected
        assert (found.vouched is None) == (number % 3 == 2)
    assert worth(upstream, run, 9).receipt == EACH[2]  # of batch 8, which nobody vouched for
    assert worth(upstream, run, 9).vouched is None
    assert verified(upstream, place, tmp_path)


def test_what_is_missing_in_between_waits(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    batches = [heard(run, layout, 10 + number) for number in range(4)]
    book = revoke(upstream, gateway)
    for at in (0, 1, 3):
        upstream.push(batches[at], now=LATER)
    upstream.send(book.vouch(run, 3, batches[3]), now=LATER)
    found = [worth(upstream, run, seq).now for seq in (1, 2, 4)]
    assert found == [REVOKED, REVOKED, UNCHECKED]
    upstream.push(batches[2], now=LATER)
    assert [worth(upstream, run, seq).now for seq in (1, 2, 3, 4)] == [UNCHECKED] * 4


def test_a_batch_beside_the_chain_is_not_vouched_for(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    """Another of the same number, under the same run key: one of them was named by hash."""
    first = heard(run, layout, 10)
    line = run.lines[1]
    seq, prev, number, previous = line.seq, line.prev, run.number, run.previous
    other = heard(run, layout, 11, flags=3)
    line.seq, line.prev, run.number, run.previous = seq, prev, number, previous
    genuine, last = heard(run, layout, 12), heard(run, layout, 13)
    book = revoke(upstream, gateway)
    for one in (first, other, genuine, last):
        upstream.push(one, now=LATER)
    upstream.send(book.vouch(run, 2, last), now=LATER)
    assert worth(upstream, run, 1).now == UNCHECKED
    found = worth(upstream, run, 2)  # the other one, which came first
    assert (found.now[0], found.vouched) == (Class.KEY_DOUBTFUL, None)


def test_another_authority_vouches_for_nothing_of_ours(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    trusting(
        upstream, Authority("Utility A", AUTHORITY.public), Authority("Utility B", SECOND.public)
    )
    revoke(upstream, gateway)
    batch, other = heard(run, layout, 10), Book(SECOND, "Utility B")
    upstream.push(batch, now=LATER)
    upstream.send(other.open(), other.vouch(run, 0, batch), now=LATER)
    assert worth(upstream, run, 1).now == REVOKED


def test_vouching_lifts_doubts_of_key_and_run_and_nothing_else(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    """Not a twin and a bad value, found before and after; a clone is decided."""
    batches = [heard(run, layout, 10 + number) for number in range(3)]
    book = revoke(upstream, gateway)
    for one in batches:
        upstream.push(one, now=LATER)
    bad = (int(Class.DATA_INVALID), int(Reason.VALUE_INVALID))
    find(upstream, Finding(run.name, None, 1, 1, 1, *bad))
    find(upstream, Finding(run.name, None, 1, 3, 3, *TWIN))
    upstream.send(book.vouch(run, 2, batches[2]), now=LATER)
    assert [worth(upstream, run, seq).now for seq in (1, 2, 3)] == [bad, UNCHECKED, TWIN]
    find(upstream, Finding(run.name, None, None, None, None, *CLONE))
    assert [worth(upstream, run, seq).now for seq in (1, 2, 3)] == [bad, UNCHECKED, TWIN]
    find(upstream, Finding(run.name, None, None, None, None, *TWIN))
    assert [worth(upstream, run, seq).now for seq in (1, 2, 3)] == [TWIN] * 3


def find(upstream: Upstream, found: Finding) -> None:
    subject = next(entry.subject for entry in upstream.store.entries() if entry.typ == 65304)
    doubt = Doubt(found, (subject,))
    upstream.sequencer.commit([], LATER, (), Appraised(upstream.log.size, [doubt]))


def test_three_days_of_an_honest_gateway_that_come_afterwards(
    upstream: Upstream, layout: Layout, cfg: bytes, place: Any, tmp_path: Any
):
    """A run a day, live batches first, all of it heard before: doubted, until each run is vouched
    for; each day in its turn."""
    gateway = Gateway("gw-1", AUTHORITY, expires_s=START_S + 30 * DAY_S)
    day, runs, batches = DAY_S * NS, list[GatewayRun](), list[list[bytes]]()
    statements = [gateway.statement]
    for number in range(3):
        begun = START + number * day
        run = gateway.start(runs[-1] if runs else None, started=begun)
        statements += [run.statement, run.describe(1, cfg)]
        rows = []
        for hour in range(24):
            run.observe(1, frame(layout, hour), tai=begun + hour * 3600 * NS + NS)
            rows.append(run.cut())
        runs.append(run)
        batches.append(rows)
    revoked_at = START + 3 * day
    book = Book(AUTHORITY)
    upstream.send(gateway.statement, book.open())
    upstream.send(book.revoke(gateway.device.public), now=revoked_at)
    upstream.send(*statements, now=revoked_at + day)
    for row in reversed([one for rows in batches for one in rows]):
        assert reasons(upstream.push(row, now=revoked_at + day)) == {REVOKED}
    for run, rows in zip(runs, batches, strict=True):
        assert {worth(upstream, run, seq).now for seq in (1, 12, 24)} == {REVOKED}
        upstream.send(book.vouch(run, 23, rows[23]), now=revoked_at + 2 * day)
        assert {worth(upstream, run, seq).now for seq in (1, 12, 24)} == {UNCHECKED}
    assert not upstream.findings()
    assert verified(upstream, place, tmp_path)


def test_show_says_who_did_what(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout, place: Any,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    book = Book(AUTHORITY)
    upstream.send(book.open(), book.issue(gateway.statement), now=START)
    batch = heard(run, layout, 10)
    revoke(upstream, gateway, book)
    upstream.push(batch, now=LATER)
    upstream.send(book.vouch(run, 0, batch, "heard on the bus all night"), now=LATER)
    assert main(["show", str(place), "--sample", "gw-1/1/1"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for words in (
        "class place_unchecked: no_receiver",
        "key_doubtful: credential_revoked, by its receipt",
        "vouched for by Utility A, entry 3 of its book, entry 7, since",
        ": heard on the bus all night",
        "issued by Utility A, entry 1 of its book, entry 4, since",
        "its key was revoked (stolen) by Utility A, entry 2 of its book, entry 5, since",
        ": a laptop is gone",
    ):
        assert words in told
