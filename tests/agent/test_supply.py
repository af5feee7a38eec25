"""Statements that the record asks for: sent when asked for, and never in the way of the rest."""

import asyncio
import hashlib

import pytest

from agent import uplink
from agent.commit import State
from agent.sealer import Statement
from evidence import cbor
from evidence.code import Typ
from tests.agent.server import TIMEOUT_S, run
from tests.agent.upstream import Keeper, Record, forwarding, http, refusal, until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(uplink, "RETRY_S", 0.1)
    monkeypatch.setattr(uplink, "TIMEOUT_S", TIMEOUT_S)


def _wants(*names: bytes) -> bytes:
    return http(409, cbor.encode([[1, name] for name in names]))


def _stated(word: bytes) -> Statement:
    return Statement(hashlib.sha256(word).digest(), int(Typ.RUN), word, cbor.encode([]))


def test_statements_are_sent_when_asked_for_each_after_what_it_needs() -> None:
    async def play() -> None:
        record, keeper, sent = Record(), Keeper(1), []
        of_run, of_stream = _stated(b"run"), _stated(b"descriptor")
        held = _stated(b"the credential")
        keeper.spool.statements = {one.name: one for one in (held, of_run, of_stream)}

        def state(body: bytes) -> bytes:
            word, pairs = cbor.decode(body)
            assert not pairs
            needs = {b"descriptor": (b"run", of_run.name), b"run": (b"the credential", held.name)}
            before = needs.get(word)
            if before is not None and before[0] not in sent:
                return _wants(before[1])
            sent.append(word)
            return http(200, b"")

        record.state = state
        record.batch = lambda row, size: (
            record.good(row, size) if b"descriptor" in sent else _wants(of_stream.name)
        )
        async with forwarding(record, keeper):
            await until(lambda: keeper.answers == {1: State.RECEIPTED})
            assert sent == [b"the credential", b"run", b"descriptor"]
            assert len(record.statements) == 5  # two were asked for again after what they need

    run(play)


def test_batch_waits_for_a_run_that_is_signed_later() -> None:
    async def play() -> None:
        record, keeper, of_run = Record(), Keeper(2), _stated(b"run")
        record.batch = lambda row, size: (
            record.good(row, size) if record.statements or row == 2 else _wants(of_run.name)
        )
        async with forwarding(record, keeper):
            await until(lambda: keeper.answers == {2: State.RECEIPTED})  # the other is not held up
            assert record.statements == []
            keeper.spool.statements[of_run.name] = of_run
            await until(lambda: len(keeper.answers) == 2)

    run(play)


def test_refused_statement_holds_up_its_own_batches_only() -> None:
    async def play() -> None:
        record, keeper, bad = Record(), Keeper(60), _stated(b"bad descriptor")
        keeper.spool.statements = {bad.name: bad}
        record.state = lambda body: refusal(1)
        record.batch = lambda row, size: (
            _wants(bad.name) if row % 10 and row < 50 else record.good(row, size)
        )
        async with forwarding(record, keeper, in_flight=4) as health:
            await until(lambda: len(keeper.answers) == 15)
            assert set(keeper.answers.values()) == {State.RECEIPTED}
            await asyncio.sleep(0.3)  # nothing is ever answered for the rest, and they are named
            assert len(keeper.answers) == 15
            await until(lambda: "refuses a statement: seq 7 is not signed" in health.record)
            record.state = lambda body: http(200, b"")
            record.batch = record.good  # mended: all of it goes through, without a restart
            await until(lambda: len(keeper.answers) == 60)

    run(play)


def test_what_was_passed_over_goes_through_at_once_when_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long way to catch up is not walked 64 batches every RETRY_S."""

    async def play() -> None:
        record, keeper, bad = Record(), Keeper(190), _stated(b"bad descriptor")
        keeper.spool.statements = {bad.name: bad}
        record.state = lambda body: refusal(1)
        record.batch = lambda row, size: _wants(bad.name)
        monkeypatch.setattr(uplink, "TRIES_MAX", 2)
        monkeypatch.setattr(uplink, "RETRY_S", 2.0)
        async with forwarding(record, keeper, in_flight=8):
            await until(lambda: len(record.statements) >= 2 * 190)
            record.state = lambda body: http(200, b"")
            record.batch = record.good
            mended = asyncio.get_running_loop().time()
            await until(lambda: len(keeper.answers) == 190)
            assert asyncio.get_running_loop().time() - mended < 5

    run(play)


def test_record_that_asks_in_a_circle_is_not_followed_for_ever() -> None:
    async def play() -> None:
        record, keeper, one = Record(), Keeper(1), _stated(b"one")
        keeper.spool.statements = {one.name: one}
        record.state = lambda body: _wants(one.name)
        record.batch = lambda row, size: _wants(one.name)
        async with forwarding(record, keeper) as health:
            await until(lambda: "in a circle" in health.record)
            assert len(record.statements) <= uplink.SUPPLY_DEPTH_MAX * uplink.TRIES_MAX
            assert keeper.answers == {}

    run(play)
