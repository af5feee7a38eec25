"""Authorities' books in the log: one chain each, what is there first stands, whoever brings it."""

import json

import pytest

from drivers.c37118.wire import Layout
from evidence import cbor, cose, receipt
from evidence.anchor import Authority, by_kid
from evidence.book import Opened
from evidence.code import Reason, Typ
from evidence.refusal import EvidenceError
from record.admit import Admitter
from record.cli import main
from record.database import Place
from record.known import Known, MissingError
from record.sequencer import Placed
from tests.record.authority import Book
from tests.record.gateway import Gateway, GatewayRun, Statement, frame, id_of, key
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
    assert [row["key"] for row in shown["books"][0]["revoked"]] == [
        STRANGER.public.fingerprint, LOG.public.fingerprint,
    ]  # fmt: skip


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


def test_what_is_vouched_for_must_be_here_and_the_authoritys(
    upstream: Upstream, run: GatewayRun, layout: Layout, book: Book
):
    for number in range(2):
        run.observe(1, frame(layout, number))
        last = run.cut()
        if number == 0:
            upstream.push(last)
    stranger = GatewayRun("stranger", key("device gw-9"), bytes(32))
    for entry, wanted in (
        (book.copy().vouch(stranger, 0, last), (Typ.RUN, stranger.name)),
        (book.copy().vouch(run, 1, last), (Typ.HEAD, id_of(last))),
    ):
        with pytest.raises(MissingError) as caught:
            upstream.send(entry)
        assert caught.value.names == [wanted]
    upstream.push(last)
    assert refused(upstream, book.copy().vouch(run, 0, last)) == Reason.UNKNOWN_NAME
    trusting(
        upstream, Authority("Utility A", AUTHORITY.public), Authority("Utility B", SECOND.public)
    )
    other = Book(SECOND, "Utility B")
    upstream.send(other.open())
    assert refused(upstream, other.vouch(run, 1, last)) == Reason.UNKNOWN_AUTHORITY
    upstream.send(book.vouch(run, 1, last))


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
