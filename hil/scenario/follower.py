"""The mirror of a scenario: it follows the log, and has all of it.

1. It is the shipped mirror over a memory and a folder of its own. It asks the record over HTTP, as
   any mirror does, whenever the log was published; the witnesses' policy is its own.
2. Its clock is the scenario's; its key is made for it, and is none of the witnesses'.
3. What it is not given, or finds, is a fault, and told. In the end its whole copy is read again, as
   `gridseal-record mirror --check` does; `mirror.toml` is left for whoever wants to.

It makes nothing admissible: it says that it saw the same log.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from evidence.key import Ed25519Key
from evidence.leap import NS
from evidence.refusal import EvidenceError
from evidence.tlog import policy
from evidence.tlog.note import Verifier
from record.store import StoreError
from record.witness import check, show, source, state
from record.witness.copy import Copy
from record.witness.mirror import Mirror, Watched
from record.witness.source import SourceError
from record.witness.state import State
from record.witness.witness import Cosigner

CONFIG, MEMORY, COPIES, WITNESSES = "mirror.toml", "mirror.db", "mirror", "witnesses.txt"
LATE_S = 60  # how much earlier than it was first seen an entry may say it was logged
_CONFIG = """\
# For `gridseal-record mirror --check` and `--show`: the record of this play is served no more.
[mirror]
name = "{name}"
store = "{memory}"
folder = "{copies}"
late_s = {late_s}
{policy}
[log]
vkey = "{vkey}"
url = "{url}"
"""


@dataclass(slots=True)
class Follower:
    """`pull` whenever the log was published; `check` in the end."""

    log: Verifier
    _mirror: Mirror
    _kept: State
    _copy: Copy
    faults: list[str] = field(default_factory=list)

    async def pull(self) -> None:
        """Takes what is new."""
        try:
            await self._mirror.pull()
        except (EvidenceError, SourceError, StoreError) as fault:
            self.faults.append(str(fault))

    def check(self) -> int:
        """Reads the whole copy; how many entries it has. Raises StoreError."""
        held = self._kept.held(self.log.name)
        if held is None:
            self.faults.append("nothing was copied")
            return 0
        self.faults += check.faults(self._copy, held, [self.log])
        if show.accused(told := show.summary(self._kept)):
            self.faults += [row["words"] for row in told["exhibits"]]
        return held.size


@asynccontextmanager
async def following(
    folder: Path, log: Verifier, key: Ed25519Key, witnesses: str, now: Callable[[], int], url: str
) -> AsyncIterator[Follower]:
    """A mirror of a log, while it is played. `witnesses`: a tlog-policy, empty where there are
    none; `now`: ns TAI; `url`: of the record. Raises StoreError, OSError."""
    name = f"mirror.{log.name}"
    if witnesses:
        (folder / WITNESSES).write_text(witnesses, encoding="utf-8")
    text = _CONFIG.format(
        name=name, memory=MEMORY, copies=COPIES, late_s=LATE_S, vkey=log.vkey(), url=url,
        policy=f'policy = "{WITNESSES}"\n' if witnesses else "",
    )  # fmt: skip
    (folder / CONFIG).write_text(text, encoding="utf-8")
    state.make(folder / MEMORY, key.public.raw, name)
    kept = state.open_state(folder / MEMORY, key.public.raw, name)
    copy, by = Copy(folder / COPIES, log.name), Cosigner(name, key, kept, now)
    wanted = policy.read(witnesses.encode()) if witnesses else None
    watched = Watched(log.name, [log], LATE_S * NS, wanted)
    try:
        async with source.opened(url, None) as asked:
            yield Follower(log, Mirror(by, watched, asked, copy), kept, copy)
    finally:
        kept.close()
