"""Authorities' books in the log: one chain each, what is there first stands, whoever brings it."""

import json
from pathlib import Path

import pytest

from drivers.c37118.wire import Layout
from evidence import cbor, cose, receipt
from evidence.anchor import Authority, by_kid
from evidence.book import Opened, Vouched
from evidence.code import Reason, Typ
from evidence.refusal import EvidenceError
from record.admit import Admitter
from record.book import Books
from record.cli import main
from record.database import Place
from record.known import Known
from record.sequencer import Placed
from record.store import open_reader
from tests.record.authority import Book
from tests.record.gateway import Gateway, GatewayRun, Statement, frame, id_of, key
from tests.record.test_audit import anchors_text
from tests.record.test_service import Client, believed, over_http
from tests.record.upstream import AUTHORITY, BOTH, LOG, NOW, STRANGER, Upstream, classes

pytestmark = BOTH
SECOND = key("authority's second")


@pytest.fixture
def book(upstream: Upstream) -> Book:
    """A book that is open."""
    found = Book(AUTHORITY)
    upstream.send(found.open())
    return found


def refused(upstream: Upstream, entry: Statement) -> Reason:
    with pytest.raises(EvidenceError) as caught:
        upstream.send(entry)
    return caught.value.reason


def trusting(upstream: Upstream, *authorities: Authority) -> None:
    """The record believes these, and no other."""
    known = by_kid(list(authorities))
    upstream.admitter = Admitter(Known(upstream.store), known, lambda: 1.0)


def test_a_book_over_http(place: Place):
    """Offered out of order, it is told what comes before; each entry has its receipt, for ever."""

    async def what(client: Client) -> None:
        book = Book(AUTHORITY)
        entries = [book.open(), book.revoke(STRANGER.public), book.revoke(LOG.public)]
        for at in (2, 1):
            assert await client.send(entries[at]) == (409, ((Typ.BOOK, entries[at - 1].name),))
        answers = []
        for one in entries:
            status, answer = await client.send(one)
            assert status == 200
            believed(answer, one.encoded, one.subject)
            answers.append(answer[0])
        for one, answer in zip(entries, answers, strict=True):
            assert (await client.send(one)) == (200, (answer, ()))

    over_http(place, what)


def test_a_forked_book_is_refused_and_kept(place: Place, capsys: pytest.CaptureFixture[str]):
    """What is in the log first stands, and its book goes on."""

    async def what(client: Client) -> None:
        book = Book(AUTHORITY)
        assert (await client.send(book.open()))[0] == 200
        other = book.copy()
        first, fork = book.revoke(STRANGER.public), other.revoke(LOG.public)
        assert (await client.send(first))[0] == 200
        status, signed = await client.send(fork)
        assert status == 422
        told = receipt.read_refusal(cose.read_statement(signed, Typ.REFUSAL).payload)
        assert (told.subject, told.reason) == (fork.subject, Reason.BOOK_FORKED)
        status, signed = await client.send(other.revoke(LOG.public))
        told = receipt.read_refusal(cose.read_statement(signed, Typ.REFUSAL).payload)
        assert (status, told.reason) == (422, Reason.BOOK_CHAIN)
        assert (await client.send(book.revoke(LOG.public)))[0] == 200
        garbage = cose.sign(Typ.BOOK, cbor.encode([1, "no entry"]), AUTHORITY)
        assert (await client.send(Statement(garbage)))[0] == 422

    over_http(place, what)
    assert main(["show", "--json", str(place)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["refusals"] == {"book_chain": 1, "book_forked": 1, "shape": 1}
    store = open_reader(place)
    kept = {receipt_reason(row.refusal): row.device for row in store.exhibits()}
    store.close()
    assert kept[Reason.BOOK_FORKED] == AUTHORITY.public.raw  # whose two words they are
    assert [row["key"] for row in shown["books"][0]["revoked"]] == [
        STRANGER.public.fingerprint, LOG.public.fingerprint,
    ]  # fmt: skip


def receipt_reason(refusal: bytes) -> Reason:
    return receipt.read_refusal(cose.read_statement(refusal, Typ.REFUSAL).payload).reason


def test_a_log_that_took_both_does_not_hold(
    place: Place, upstream: Upstream, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    """As a record would that looks away."""
    other = book.copy()
    upstream.send(book.revoke(STRANGER.public))
    with monkeypatch.context() as blind:
        blind.setattr(Books, "check", lambda *_: None)
        upstream.send(other.revoke(LOG.public))
    (tmp_path / "anchors.toml").write_text(anchors_text())
    assert main(["verify", str(place), "--anchors", str(tmp_path / "anchors.toml")]) == 1
    assert "entry 2: has no place in the log: book_forked" in capsys.readouterr().out


def test_two_of_a_number_in_one_commit(upstream: Upstream, book: Book):
    """Where neither was in the log when it was checked, the first in the group stands."""
    other = book.copy()
    rivals = [book.revoke(STRANGER.public), other.revoke(LOG.public), book.revoke(LOG.public)]
    items = [upstream.admitter.statement(one.encoded, ()) for one in rivals]
    placed: list[Placed] = upstream.sequencer.append(items, NOW)
    upstream.sequencer.finish()
    assert [isinstance(one, EvidenceError) for one in placed] == [False, True, False]
    assert isinstance(placed[1], EvidenceError) and placed[1].reason == Reason.BOOK_FORKED
    assert upstream.log.size == 3


def test_what_is_not_the_authoritys(upstream: Upstream, book: Book):
    """A stranger's signature, another's name, a root key that did not sign."""
    assert refused(upstream, Book(STRANGER).open()) == Reason.UNKNOWN_AUTHORITY
    assert refused(upstream, Book(AUTHORITY, "Utility B").open()) == Reason.UNKNOWN_AUTHORITY
    other = Book(AUTHORITY).enter(Opened(STRANGER.public))
    assert refused(upstream, other) == Reason.UNKNOWN_AUTHORITY
    forged = book.copy().revoke(STRANGER.public)
    broken = Statement(forged.encoded[:-1] + bytes((forged.encoded[-1] ^ 1,)))
    assert refused(upstream, broken) == Reason.SIGNATURE
    hidden = Statement(forged.encoded, ((bytes(16), b"more"),))
    assert refused(upstream, hidden) == Reason.SHAPE
    assert upstream.log.size == 1


def test_a_book_goes_on_under_another_key_of_its_authority(upstream: Upstream, book: Book):
    trusting(
        upstream, Authority("Utility A", AUTHORITY.public), Authority("Utility A", SECOND.public)
    )
    book.key = SECOND
    upstream.send(book.revoke(STRANGER.public), book.revoke(LOG.public))
    assert upstream.log.size == 3


def test_each_authority_has_its_own(upstream: Upstream, book: Book):
    trusting(
        upstream, Authority("Utility A", AUTHORITY.public), Authority("Utility B", SECOND.public)
    )
    other = Book(SECOND, "Utility B")
    upstream.send(other.open(), book.revoke(LOG.public), other.revoke(LOG.public))
    assert upstream.log.size == 4


def test_the_same_entry_signed_twice_is_no_fork(upstream: Upstream, book: Book):
    trusting(
        upstream, Authority("Utility A", AUTHORITY.public), Authority("Utility A", SECOND.public)
    )
    again = book.copy()
    again.key = SECOND
    upstream.send(book.revoke(LOG.public), again.revoke(LOG.public), book.revoke(STRANGER.public))
    assert upstream.log.size == 4


def test_a_mistaken_word_does_not_stop_the_book(
    upstream: Upstream, run: GatewayRun, layout: Layout, place: Place, book: Book,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    """What vouches for nothing is an entry all the same, and is told; who revokes comes through."""
    trusting(
        upstream, Authority("Utility A", AUTHORITY.public), Authority("Utility B", SECOND.public)
    )
    run.observe(1, frame(layout, 0))
    last, other = run.cut(), Book(SECOND, "Utility B")
    stranger = GatewayRun("stranger", key("device gw-9"), bytes(32))
    upstream.send(book.vouch(run, 0, last))
    assert "vouches for nothing: batch is not here: entry 1 of it" in shown(place, capsys)
    upstream.push(last)
    upstream.send(
        book.vouch(stranger, 0, last), book.vouch(run, 1, last),
        book.enter(Vouched(run.name, (1 << 64) - 1, id_of(last), "")),
        book.revoke(STRANGER.public), other.open(), other.vouch(run, 0, last),
    )  # fmt: skip
    told = shown(place, capsys)
    assert "Utility A: 6 entries, 0 issued, 1 revoked, 4 vouched" in told
    assert [line.split(": ", 1)[1] for line in told.splitlines() if "for nothing" in line] == [
        "run is not here: entry 2 of it, entry 6",
        f"that batch is number 0 of run {run.name.hex()[:16]}: entry 3 of it, entry 7",
        f"that batch is number 0 of run {run.name.hex()[:16]}: entry 4 of it, entry 8",
        "its run acts under a credential of 'Utility A': entry 1 of it, entry 11",
    ]


def shown(place: Place, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["show", str(place)]) == 0
    return capsys.readouterr().out


def test_a_commit_that_failed_revokes_nothing(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout, book: Book
):
    entry = upstream.admitter.statement(book.revoke(gateway.device.public).encoded, ())
    upstream.sequencer.append([entry], NOW)
    upstream.sequencer.restore()
    run.observe(1, frame(layout, 0))
    before = upstream.push(run.cut())
    upstream.sequencer.commit([entry], NOW)
    run.observe(1, frame(layout, 1))
    after = upstream.push(run.cut())
    found = [{row[4] for row in classes(entry)} for entry in (before, after)]
    assert found == [{Reason.NO_RECEIVER}, {Reason.CREDENTIAL_REVOKED}]
