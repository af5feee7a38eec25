"""The wire between the agent's uplink and the record: it drops, doubles, reorders, delays and cuts.

1. It is asked as agent.http.Client is, and fails with the same UplinkErrors; nothing else of the
   agent's knows that it is simulated.
2. What is lost on the way there was never asked; what is lost on the way back was, and the record
   has it. A question that is doubled is asked twice, the second time when the first may be over.
3. With `lies`, what comes back is not what was answered: flipped, cut short, empty, of another
   batch, signed by another key, of another status. What a wire or a record may do in its worst
   hour.
4. Two questions under way overtake each other, as each takes its own time.

What it cannot show: TCP, TLS and HTTP themselves (tests/agent/test_http.py has real sockets).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from agent.transport import Answer, UplinkError
from evidence import cbor, cose, shape
from evidence.code import Typ
from evidence.key import Ed25519Key
from evidence.refusal import EvidenceError
from hil.sim.upstream import Upstream

OLD_ANSWERS_MAX = 8  # kept to be given again, for another batch
BAD_STATUSES = (200, 204, 302, 400, 403, 404, 418, 429, 500, 502, 503)


@dataclass
class Weather:
    """How bad it is: shares of 0 to 1, and ns."""

    drops: float = 0.0  # of each way
    doubles: float = 0.0
    lies: float = 0.0
    delay_ns: int = 2_000_000  # at most, each way
    cut: bool = False  # nothing goes through


class Wire:
    """The way to one record. `stranger` signs what no record signs."""

    def __init__(self, upstream: Upstream, random: Random, stranger: Ed25519Key) -> None:
        self._upstream, self._random, self._stranger = upstream, random, stranger
        self.weather = Weather()
        # Says of a batch's bytes whether it may pass yet; what may not is answered 404.
        self.passes: Callable[[bytes], bool] = lambda body: True
        self._old: list[Answer] = []

    async def request(self, method: str, path: str, body: bytes | None, timeout_s: float) -> Answer:
        """As agent.http.Client.request. Raises UplinkError."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(method, path, body)
        except TimeoutError as fault:
            raise UplinkError(f"no whole answer within {timeout_s:g} s", "timeout") from fault

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _exchange(self, method: str, path: str, body: bytes | None) -> Answer:
        weather, random = self.weather, self._random
        if weather.cut:
            await self._travel()
            raise UplinkError("no route to host", "unreachable")
        if body is not None and "/batch/" in path and not self.passes(body):
            return Answer(404, b"")
        await self._travel()
        if random.random() < weather.drops:
            await asyncio.sleep(3600)  # until whoever asked gives up
        if random.random() < weather.doubles:
            await self._upstream.ask(method, path, body)
        answer = await self._upstream.ask(method, path, body)
        await self._travel()
        if random.random() < weather.drops or weather.cut:
            raise UplinkError("closed in the middle of an answer", "reset")
        if random.random() < weather.lies:
            return self._lie(answer)
        if answer.status == 200:
            self._old = [*self._old[1 - OLD_ANSWERS_MAX :], answer]
        return answer

    async def _travel(self) -> None:
        await asyncio.sleep(self._random.randrange(self.weather.delay_ns + 1) / 1e9)

    def _lie(self, answer: Answer) -> Answer:
        random, body = self._random, answer.body
        match random.randrange(6):
            case 0 if body:
                flipped = bytearray(body)
                flipped[random.randrange(len(body))] ^= 1 << random.randrange(8)
                return Answer(answer.status, bytes(flipped))
            case 1:
                return Answer(answer.status, body[: random.randrange(len(body) + 1)])
            case 2:
                return Answer(200, b"")
            case 3 if self._old:
                return random.choice(self._old)
            case 4:
                return self._forged(answer)
            case _:
                return Answer(random.choice(BAD_STATUSES), body)

    def _forged(self, answer: Answer) -> Answer:
        """The same words, signed by somebody else."""
        try:
            encoded, proof = shape.array(cbor.decode(answer.body), "answer", 2)
            message = cose.read_statement(shape.blob(encoded, "receipt"), Typ.RECEIPT)
        except EvidenceError:
            return Answer(422, answer.body)
        signed = cose.sign(Typ.RECEIPT, message.payload, self._stranger)
        return Answer(answer.status, cbor.encode([signed, proof]))
