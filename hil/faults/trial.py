"""One trial: a rig, a fault, and what became of every frame that was sent.

1. The figures come from what the PMUs wrote down and from the files of record and spool, read after
   every program has ended; no program's own account goes in.
2. Each reason why it does not hold is a line; without one it holds.
3. Whatever happens, nothing of the rig is left running.

It shows nothing and knows no command line.
"""

import os
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from evidence.code import Cause
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError
from hil.child import ChildError
from hil.faults import account, wall
from hil.faults.chamber import ChamberError
from hil.faults.fault import Fault, Scale
from hil.faults.gateway import GatewayError
from hil.faults.holding import Holding, HoldingError, Lines, RecordFile, SpoolFile
from hil.faults.judge import SPANS_MAX, Verdict, beyond, excess_max, judge
from hil.faults.rig import GATEWAY_NAME, RATE, LateError, Rig, RigError
from record.store import StoreError

SETTLE_S = (0.5, 1.5)  # a random while before the fault, so that it strikes anywhere
AGAIN = "2"  # a folder; short, as sockets' paths must be
SYNCS = 16  # measured before and after
# What stands for a rig or a fault that did not come so far. Anything else is a bug of the bench.
TRIAL_FAULTS = (
    *(ChamberError, ChildError, GatewayError, HoldingError, RigError),
    *(EvidenceError, OSError, StoreError),
)
FIGURES = (
    *("sent", "in_record", "on_disk", "in_gaps", "lost", "duplicated", "gap_excess"),
    *("gap_excess_max", "seconds_to_recover"),
)


class _Found(NamedTuple):
    """What is there when all has ended."""

    verdict: Verdict
    clones: int
    twin_findings: int
    keys: dict[int, str]  # of the gateway's streams


async def run(fault: Fault, scale: Scale, folder: Path, seed: int) -> dict[str, Any]:
    """The figures of one fault; `reasons` is empty when it holds. `folder`: an empty one.

    Where all was well only after its date had come, it is played once more, with twice the time;
    `again` says why.
    """
    told: dict[str, Any] = dict.fromkeys(FIGURES)
    reasons: list[str] = []
    try:
        try:
            told.update(await _tried(fault, scale, folder, seed, reasons))
        except LateError as late:
            if fault.outfit is None:
                raise
            told["again"] = str(late)
            outfit = replace(fault.outfit, leap_in_s=2 * fault.outfit.leap_in_s)
            again = folder / AGAIN
            again.mkdir()
            fault = replace(fault, outfit=outfit)
            told.update(await _tried(fault, scale, again, seed, reasons))
    except TRIAL_FAULTS as failure:
        reasons.append(f"{type(failure).__name__.removesuffix('Error').lower()}: {failure}")
    return {**told, "seed": seed, "reasons": reasons}


async def _tried(
    fault: Fault, scale: Scale, folder: Path, seed: int, reasons: list[str]
) -> dict[str, Any]:
    """On a rig of its own. Raises one of TRIAL_FAULTS."""
    between = fault.between(folder / "brokers") if fault.between else None
    environment = wall.environment(folder) if fault.faketime else {}
    outfit = fault.outfit
    if outfit is not None and outfit.one_bus:
        outfit = replace(outfit, swing=scale.swing)
    rig = Rig(folder, seed, fault.disk_bytes, between, outfit, environment)
    try:
        return await _played(rig, fault, scale, reasons)
    finally:
        rig.close()


async def _played(rig: Rig, fault: Fault, scale: Scale, reasons: list[str]) -> dict[str, Any]:
    await rig.start()
    sync_ns = _sync_ns(rig.gateway.spool.parent)
    await rig.idle_for(*SETTLE_S)
    special = await fault.play(rig, scale)
    recovered_s = await rig.recovered(scale.recover_s)
    if recovered_s is None:
        reasons.append(f"not recovered {scale.recover_s:g} s after its end")
    sync_ns = max(sync_ns, _sync_ns(rig.gateway.spool.parent))
    await rig.silence()
    await rig.end(drained=recovered_s is not None)
    code, says = await rig.verify()
    if code != 0:
        reasons.append(f"verify ends with {code}: {says}")
    most = excess_max(RATE, rig.gateway.commit_ns(), sync_ns)
    found = _look(rig, most)
    reasons += _reasons(rig, fault, found, most)
    verdict = asdict(found.verdict)
    doubts = account.of(rig, found.keys) if rig.injections else account.NONE
    reasons += doubts.reasons
    return {
        **{name: verdict[name] for name in FIGURES if name in verdict},
        "seconds_to_recover": None if recovered_s is None else round(recovered_s, 2),
        "twins": found.verdict.twins + found.twin_findings,
        "clones_found": found.clones,
        "gaps": found.verdict.gaps,
        "runs": found.verdict.runs,
        "starts": sum(len(gateway.starts) for gateway in rig.gateways),
        **doubts.figures,
        **special,
    }


def _look(rig: Rig, most: int) -> _Found:
    """Reads what is left, and judges it.

    Raises StoreError, HoldingError, EvidenceError, OSError.
    """
    sent = {line.name: line.instants() for line in rig.lines}
    with ExitStack() as stack:
        record = stack.enter_context(closing(RecordFile(rig.store)))
        spools = [
            stack.enter_context(closing(SpoolFile(one.spool, rig.folder / f"read-{one.name}")))
            for one in rig.gateways
        ]
        keys = spools[0].keys()
        lines = Lines(GATEWAY_NAME, keys, rig.era.table if rig.era else BUILT_IN)
        for gateway, spool in zip(rig.gateways[1:], spools[1:], strict=True):
            lines.claim(gateway.name, spool.runs() - spools[0].runs(), spool.keys())
        on_disk = Holding(lines)
        for spool in spools:
            spool.read(on_disk)
        in_record = Holding(lines, on_disk.frames)
        record.read(in_record)
        verdict = judge(sent, in_record.held, on_disk.held, most)
        return _Found(verdict, record.clones(), record.twins(), keys)


def _reasons(rig: Rig, fault: Fault, found: _Found, most: int) -> list[str]:
    """Why it does not hold, a line each."""
    verdict = found.verdict
    reasons = []
    if verdict.lost:
        reasons.append(f"{verdict.lost} frames lost")
        for span in verdict.lost_spans[:SPANS_MAX]:
            where = _when(rig, span.first, span.last)
            reasons.append(f"lost on {span.line}: {span.frames} frames, {where}")
    for name, what in (
        ("duplicated", "frames are there more than once"),
        ("unsent", "frames are there that nobody sent"),
        ("twins", "places bear two contents"),
    ):
        if count := getattr(verdict, name):
            reasons.append(f"{count} {what}")
    if found.twin_findings:
        reasons.append(f"the record found {found.twin_findings} twins")
    for item in beyond(verdict, most)[:SPANS_MAX]:
        hole = item.hole
        name, where = Cause(hole.cause).name.lower(), _when(rig, hole.first, hole.last)
        text = f"a gap of {hole.line} ({name}) states {item.frames} frames that are there, {where}"
        reasons.append(text)
    if found.clones < fault.clones or (found.clones and not fault.clones):
        reasons.append(f"the record found {found.clones} clones, {fault.clones} expected")
    return reasons


def _when(rig: Rig, first: int, last: int) -> str:
    """An interval by what was done last before it."""
    before = [(tai, text) for tai, text in rig.events if tai <= last]
    tai, text = before[-1] if before else (rig.gateway.starts[0], "the first start")
    return f"{(first - tai) / NS:+.3f} to {(last - tai) / NS:+.3f} s of: {text}"


def _sync_ns(folder: Path) -> int:
    """What a sync takes in a folder, at most of some. Raises OSError."""
    path = folder / "sync"
    most = 0
    with path.open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            os.write(file.fileno(), bytes(4096))
            begun = time.monotonic_ns()
            os.fdatasync(file.fileno())
            most = max(most, time.monotonic_ns() - begun)
    path.unlink()
    return most
