"""A log in files and a mirror of it, which a test has pull, with a clock that the test sets."""

import asyncio
from itertools import count
from pathlib import Path

import pytest

from evidence.code import Reason
from evidence.key import Ed25519Key
from evidence.refusal import EvidenceError
from evidence.tlog.note import COSIGNATURE, Verifier
from evidence.tlog.policy import Policy
from record.witness import check, show, source, state
from record.witness.copy import Copy
from record.witness.mirror import Mirror, Watched
from record.witness.witness import Cosigner
from tests.record.witness.shown import NOW, NS, StaticLog
from tests.record.witness.watched import LOGS_KEY, ORIGIN, WAIT_S

NAME = "mirror.example/1"
KEY = Ed25519Key(b"M" * 32)
MIRRORS_KEY = Verifier(NAME, COSIGNATURE, KEY.public)
LATE_NS = 60 * NS
_numbers = count()


class Rig:
    """A log in a folder, and a mirror of it that is asked to pull. `now`: its clock."""

    def __init__(self, folder: Path, url: str) -> None:
        here = f"log{next(_numbers)}"
        self.log = StaticLog(folder / here)
        self._url, self._store = f"{url}/{here}", folder / f"{here}.db"
        self.now = NOW
        self.policy: Policy | None = None
        state.make(self._store, KEY.public.raw, NAME)
        self.copy = Copy(folder / f"{here}.copy", ORIGIN)
        self.restart()

    def restart(self) -> None:
        """A new process, as far as anything is remembered."""
        self.state = state.open_state(self._store, KEY.public.raw, NAME)
        self._mirror: Mirror | None = None

    def pull(self) -> int:
        async def once() -> int:
            async with source.opened(self._url, None) as asked:
                watched = Watched(ORIGIN, [LOGS_KEY], LATE_NS, self.policy)
                by = Cosigner(NAME, KEY, self.state, lambda: self.now)
                if self._mirror is None:
                    self._mirror = Mirror(by, watched, asked, self.copy)
                self._mirror._source = asked  # a session is of one loop
                return await self._mirror.pull()

        return asyncio.run(asyncio.wait_for(once(), WAIT_S))

    def follow(self, more: int, tai: int = NOW) -> int:
        """The log grows, shows it, and is pulled; how many entries that brought."""
        self.log.grow(more, tai)
        self.log.show()
        return self.pull()

    def held(self) -> int:
        held = self.state.held(ORIGIN)
        return 0 if held is None else held.size

    def found(self) -> list[tuple[Reason, str]]:
        return [(one.reason, show.standing(self.state, one)) for one in self.state.exhibits()]

    def whole(self) -> list[str]:
        held = self.state.held(ORIGIN)
        assert held is not None
        return check.faults(self.copy, held, [LOGS_KEY])

    def refuses(self, reason: Reason, words: str = "") -> None:
        """The pull fails so, and nothing more is signed or shown than before."""
        before = (self.held(), self.copy.published())
        with pytest.raises(EvidenceError) as fault:
            self.pull()
        assert fault.value.reason == reason, fault.value
        assert words in fault.value.text, fault.value
        assert (self.held(), self.copy.published()) == before
