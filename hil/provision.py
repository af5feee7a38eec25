"""A gateway from an empty folder to its first receipted sample, typed as a technician types it.

1. Around it stand simulated PMUs, an authority that invites, and a record (hil.utility): made
   before, and not counted, as they are there before a technician comes.
2. Every command is the shipped one, on a pseudo-terminal (hil.typist). What a technician has to
   know is counted: each question that is answered, and each value on a command line that stands in
   no manual: hosts, the invitation.
3. Machine time is all the time from the first command to the first receipt of a sample that the
   agent sealed: typing itself takes none.
4. It holds (exit 0) within ANSWERS_MAX and SECONDS_MAX, where the receipt is signed by the record's
   log and the report verifies; else every reason is a line. It leaves nothing running.
"""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.archive import Archive, ArchiveError
from agent.schema import SpoolError
from evidence import anchor, cose, head, receipt
from evidence.code import Typ
from evidence.config import ConfigError
from evidence.head import Range, batch_id
from evidence.refusal import EvidenceError
from hil import typist
from hil.child import Child, ChildError
from hil.typist import Done
from hil.utility import Utility

ANSWERS_MAX = 12
SECONDS_MAX = 60.0
READY_S, RECEIPT_S, END_S = 30.0, 30.0, 15.0
PMUS = 2
GATEWAY, BUS = "gw-north-1", "North = 345 kV"
OWN_STREAM = 0  # of the gateway itself: no sample
_POLL_S = 0.05
_TELLING = ("Made", "Done", "Written")  # the line that says what was done


@dataclass(slots=True)
class Step:
    """One thing that was done."""

    name: str
    seconds: float
    answers: int
    says: str


@dataclass(slots=True)
class Walk:
    """All of it. `receipt`: of the first sample."""

    steps: list[Step] = field(default_factory=list)
    receipt: dict[str, int] = field(default_factory=dict)
    pmus: int = 0  # of which a sample was receipted soon after
    reasons: list[str] = field(default_factory=list)
    seconds: float = 0.0
    around_s: float = 0.0

    @property
    def answers(self) -> int:
        return sum(step.answers for step in self.steps)

    def told(self) -> dict[str, Any]:
        steps = [
            {"name": one.name, "seconds": round(one.seconds, 2), "answers": one.answers}
            for one in self.steps
        ]
        return {
            "steps": steps,
            "answers": self.answers,
            "answers_max": ANSWERS_MAX,
            "seconds": round(self.seconds, 2),
            "seconds_max": SECONDS_MAX,
            "around_s": round(self.around_s, 2),
            "receipt": self.receipt,
            "pmus": self.pmus,
            "reasons": self.reasons,
        }


class Bench:
    """One run, in one folder. `say`: a line for people."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._gateway = folder / "gateway"
        self._utility = Utility(folder / "utility")
        self._children: list[Child] = []
        self._before = 0  # the last batch before the agent began
        self.walk = Walk()

    def run(self) -> None:
        """Raises ChildError."""
        begun = time.monotonic()
        hosts = self._around()
        self.walk.around_s = time.monotonic() - begun
        begun = time.monotonic()
        self._typed(hosts)
        self._first_sample()
        self.walk.seconds = time.monotonic() - begun
        _, self.walk.pmus = self._answered(time.monotonic() + RECEIPT_S, PMUS)
        self._after()

    def kill(self) -> None:
        """Ends all of it, at once."""
        for child in self._children:
            child.kill()
        self._utility.kill()

    # --- what is there before

    def _around(self) -> list[str]:
        """PMUs, authority, record; where the PMUs are."""
        self._utility.folder.mkdir()
        asyncio.run(self._utility.prepare())
        asyncio.run(self._utility.start())
        hosts = []
        for number in range(1, PMUS + 1):
            told = ["--tcp", "127.0.0.1:0", "--rate", "30"]
            pmu = self._child(f"PMU {number}", "hil.devices.pmu", told)
            asyncio.run(pmu.says("\n", READY_S))
            hosts.append(str(json.loads(pmu.said().splitlines()[0])["pmus"][0]["tcp"]))
        return hosts

    def _child(self, name: str, module: str, arguments: list[str]) -> Child:
        log = self._folder / f"{name.replace(' ', '-').lower()}.log"
        child = Child(name, module, arguments, log)
        self._children.append(child)
        return child

    # --- what a technician types

    def _typed(self, hosts: Sequence[str]) -> None:
        folder = str(self._gateway)
        named = [("gateway", GATEWAY), ("site", "Oklaunion"), ("bus", "North")]
        self._do("new", ["new", folder, "--role", "bench"], named)
        # What is right already is taken by Enter alone.
        asked = [
            ("site", ""),
            ("frequency", "60"),
            ("phases", "ABC"),
            ("Buses", BUS),
            ("antenna", ""),
        ]
        self._do("plan ask", ["plan", "ask", folder], asked)
        where = [part for host in hosts for part in ("--host", host)]
        self._do("discover", ["discover", *where, "--into", folder], given=len(hosts))
        invitation = asyncio.run(self._utility.invite(GATEWAY))
        online = ["enrol", "online", folder, invitation, "--role", "bench"]
        self._do("enrol online", online, given=1)
        checked = self._folder / "preflight.json"
        done = self._do("preflight", ["preflight", folder, "--json"], codes=(0, 1))
        checked.write_text(done.said.strip().splitlines()[-1], encoding="utf-8")
        report = ["report", folder, "--preflight", str(checked), "--out", str(self._report)]
        self._do("report", report, [("hands over", "Ann Lee")], codes=(0, 1))  # 1: not passed

    @property
    def _report(self) -> Path:
        return self._folder / "hand-over.pdf"

    def _do(
        self,
        name: str,
        argv: Sequence[str],
        answers: Sequence[tuple[str, str]] = (),
        given: int = 0,
        codes: Sequence[int] = (0,),
    ) -> Done:
        """One command. Raises ChildError where it ends otherwise than it should."""
        done = typist.run(argv, answers)
        last = (done.said.strip().splitlines() or ["it said nothing"])[-1]
        if done.code not in codes:
            raise ChildError(f"{name} ended with {done.code}: {last}")
        if done.typed != len(answers):
            raise ChildError(f"{name} asked {done.typed} of {len(answers)} questions")
        self._note(Step(name, done.seconds, done.typed + given, _words(name, done.said, last)))
        return done

    def _note(self, step: Step) -> None:
        self.walk.steps.append(step)
        count = f"{step.answers} answers" if step.answers != 1 else "1 answer"
        self._say(f"{step.name:<16} {step.seconds:6.1f} s  {count:<10}  {step.says}")

    # --- the first sample

    def _first_sample(self) -> None:
        """Starts the agent, and waits until a sample of it is receipted. Raises ChildError."""
        begun = time.monotonic()
        config = self._gateway / "gateway.toml"
        self._before = self._newest()
        self._child("agent", "agent.cli", ["run", "--config", str(config)])
        found, _ = self._answered(begun + RECEIPT_S, 1)
        self.walk.receipt = found
        told = "entry {entry} of {size}, {samples} observations of {streams} streams"
        says = f"first receipt: {told.format(**found)}"
        self._note(Step("agent", time.monotonic() - begun, 0, says))

    def _answered(self, until: float, pmus: int) -> tuple[dict[str, int], int]:
        """Waits for what `_receipted` tells. Raises ChildError."""
        agent = self._children[-1]
        while time.monotonic() < until:
            agent.check()
            found = self._receipted(pmus)
            if found is not None:
                return found
            time.sleep(_POLL_S)
        what = "no sample was" if pmus == 1 else f"not every PMU of {pmus} was"
        raise ChildError(f"{what} receipted in {RECEIPT_S:.0f} s: {agent.last_line()}")

    def _newest(self) -> int:
        """The last batch of before: the pre-flight seals an observation of its own."""
        try:
            with closing(Archive(self._gateway / "spool.db")) as archive:
                return archive.newest()
        except (SpoolError, ArchiveError):
            return 0

    def _receipted(self, pmus: int) -> tuple[dict[str, int], int] | None:
        """What is told of the first batch with a sample in it that the record answered for, and of
        how many PMUs it has answered for one; once those are so many. Raises ChildError."""
        first: dict[str, int] | None = None
        streams: set[int] = set()
        try:
            with closing(Archive(self._gateway / "spool.db")) as archive:
                row = archive.batch_from(self._before + 1)
                while row is not None and len(streams) < pmus:
                    encoded, answer = archive.head(row)
                    if answer is not None and (mine := _samples(encoded)):
                        said = self._told(encoded, answer, mine)
                        first = first or said
                        streams |= {one.stream for one in mine}
                    row = archive.batch_from(row.id + 1)
        except (SpoolError, ArchiveError):
            return None  # busy, or not there yet: the next look tells
        except (EvidenceError, ConfigError) as fault:
            raise ChildError(f"the receipt does not hold: {fault}") from fault
        return None if first is None or len(streams) < pmus else (first, len(streams))

    def _told(self, encoded: bytes, answer: bytes, mine: Sequence[Range]) -> dict[str, int]:
        """What a receipt says of a batch and of the samples in it. Raises EvidenceError."""
        text = (self._gateway / "anchors.toml").read_text(encoding="utf-8")
        message = cose.read_statement(answer, Typ.RECEIPT)
        cose.check(message, anchor.read(text, "anchors.toml").log_key)
        said = receipt.read(message.payload)
        said.check(encoded, batch_id(encoded))
        samples = sum(one.last_seq - one.first_seq + 1 for one in mine)
        streams = len({one.stream for one in mine})
        return {"entry": said.index, "size": said.size, "samples": samples, "streams": streams}

    # --- the end

    def _after(self) -> None:
        """What is not counted: the report is checked, and the agent ends."""
        walk = self.walk
        agent = self._children[-1]
        code = asyncio.run(agent.end(END_S))
        if code != 0:
            walk.reasons.append(f"the agent ended with {code}: {agent.last_line()}")
        anchors = str(self._gateway / "anchors.toml")
        done = typist.run(["verify-report", str(self._report), "--anchors", anchors])
        if done.code != 0:
            walk.reasons.append(f"the report does not verify: {done.said.strip()[-200:]}")
        if walk.answers > ANSWERS_MAX:
            walk.reasons.append(f"{walk.answers} answers; at most {ANSWERS_MAX}")
        if walk.seconds > SECONDS_MAX:
            walk.reasons.append(f"{walk.seconds:.1f} s; at most {SECONDS_MAX:.0f}")


def _samples(encoded: bytes) -> list[Range]:
    """Those of a batch, without what the gateway says of itself. Raises EvidenceError."""
    ranges = head.read(cose.read_statement(encoded, Typ.HEAD).payload).ranges
    return [one for one in ranges if one.stream != OWN_STREAM]


def _words(name: str, said: str, last: str) -> str:
    """What a command came to, in a few words."""
    if name != "preflight":
        lines = said.strip().splitlines()
        told = next((line for line in lines if line.startswith(_TELLING)), last)
        return (told.partition(": ")[2] or told)[:80]
    try:
        words = [one["word"] for one in json.loads(last)["outcomes"]]
    except (ValueError, KeyError, TypeError):
        return last[:100]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


def main(as_json: bool, keep: Path | None) -> int:
    """0: within its limits; 1: not, and why; 2: the folder cannot be used."""
    stream = sys.stderr if as_json else sys.stdout  # with JSON on the one, people read the other

    def say(text: str) -> None:
        print(text, file=stream, flush=True)

    try:
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
        folder = keep or Path(tempfile.mkdtemp(prefix="gridseal-provision-"))
    except OSError as fault:
        say(f"gridseal-hil provision: {fault}")
        return 2
    bench = Bench(folder.resolve(), say)
    try:
        bench.run()
    except ChildError as fault:
        bench.walk.reasons.append(str(fault))
    finally:
        bench.kill()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    walk = bench.walk
    say(
        f"{walk.answers} answers (at most {ANSWERS_MAX}), {walk.seconds:.1f} s of machine time"
        f" (at most {SECONDS_MAX:.0f})"
    )
    say(f"authority, record and PMUs, before that: {walk.around_s:.1f} s")
    for reason in walk.reasons:
        say(f"gridseal-hil provision: {reason}")
    if as_json:
        print(json.dumps(walk.told()), flush=True)
    return 1 if walk.reasons else 0
