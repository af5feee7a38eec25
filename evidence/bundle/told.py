"""What a check of a bundle found, in words for people: also what no bundle shows."""

from collections import Counter
from collections.abc import Iterator

from evidence import instant
from evidence.bundle.device import Device
from evidence.bundle.verifier import Found
from evidence.leap import BUILT_IN

STREAMS_MAX = 40  # lines about streams of one gateway
NAMES_MAX = 16  # witnesses in a line


def lines(found: Found, every: bool) -> Iterator[str]:
    """What was checked."""
    scope = found.scope
    seam = f", seam {scope.seam}" if scope.seam else ""
    first, last = instant.words(scope.begins), instant.words(scope.ends)
    yield f"bundle     {found.name}"
    yield f"asked for  {first} until before {last}{seam}"
    yield f"log        {scope.size} entries at {instant.words(found.tai)} by its own clock"
    yield from _witnesses(found)
    own = "its own signature" if every else "head, chain and root (--every: its own signature)"
    batches = sum(device.tally.batches for device in found.devices if device.tally)
    yield f"checked    {found.entries} entries in one tree; {batches} batches by {own}"
    for device in found.devices:
        yield from _device(found, device)
    yield from _lacking(found, batches)
    yield from _records(found)
    for word in scope.withheld:
        yield f"withheld   {word}, by the word of who made the bundle"
    yield from _not_shown(found)


def _witnesses(found: Found) -> Iterator[str]:
    if not found.origin:
        yield "witnesses  none: no published checkpoint is in it, and the anchors ask for none"
        return
    names = [
        f"{name} at {instant.words(BUILT_IN.tai_ns(at, 0))}"
        for name, at in sorted(found.witnessed.items())
    ]
    told = ", ".join(names[:NAMES_MAX]) or "none that the anchors know"
    yield f"witnesses  {told}, of {found.origin}"


def _device(found: Found, device: Device) -> Iterator[str]:
    tally = device.tally
    if tally is None:
        return
    gateway, issuer = (
        name if name.isprintable() else ascii(name) for name in (device.gateway, device.issuer)
    )
    yield f"gateway    {gateway} of {issuer}: {tally.batches} batches"
    if device.seen is not None:
        first, last = (instant.words(tai) for tai in device.seen)
        yield f"           seen by the log from {first} to {last}"
    for number, reach in sorted(device.streams.items())[:STREAMS_MAX]:
        seen = tally.streams.get(number)
        name = f" ({seen.name})" if seen and seen.name.isprintable() and seen.name else ""
        words = f"stream {number:<3} {reach.observations} observations{name}"
        if reach.first is not None and reach.last is not None:
            words += f", {instant.words(reach.first)} to {instant.words(reach.last)}"
        yield words + (f"; {reach.withheld} withheld" if reach.withheld else "")
    left = len(device.streams) - STREAMS_MAX
    if left > 0:
        yield f"           and {left} streams more"
    for number, end in device.open(found.scope):
        yield (
            f"open       stream {number}: nothing in it shows what there is beyond its {end},"
            " within what was asked for"
        )
    for cause, count in sorted(tally.gaps.items()):
        yield f"gaps       {cause}: {count}, which count {tally.missed[cause]} samples"
    if tally.unreadable:
        yield f"           {tally.unreadable} that nobody can read, and that state nothing"
    if tally.given_up:
        yield f"           {tally.given_up} holes in chains, each named by gap statements"
    for klass, count in sorted(tally.classes.items()):
        yield f"class      {klass}: {count}, by the receipts"
    for line in device.boards:
        yield f"board      {line.removeprefix('board ')}"
    if device.revoked:
        yield f"revoked    {device.revoked} batches came after their key was revoked, and say so"
    if tally.hidden:
        yield f"withheld   {tally.hidden} values: their salted hashes stand in"


def _lacking(found: Found, batches: int) -> Iterator[str]:
    """What somebody who reads the rest might take for granted."""
    if not batches:
        yield "open       no observations are in it: it shows nothing of what was measured"
    seam = found.docket.seams.get(found.scope.seam) if found.scope.seam else None
    there = {device.issuer for device in found.devices}
    for side in seam.sides if seam and batches else ():
        if side.authority not in there:
            yield f"open       no gateway of {side.authority}, a side of the seam, is in it"


def _records(found: Found) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for _, standing in found.standings():
        flagged = ", flagged" if standing.case.flags else ""
        counts[f"{standing.case.matter.name.lower()} {standing.state.name.lower()}{flagged}"] += 1
    words = len(found.said) - sum(counts.values())
    if found.said:
        yield f"records    {sum(counts.values())}, and {words} countersignatures and repetitions"
    for what, count in sorted(counts.items()):
        yield f"           {what}: {count}"
    if found.books or found.findings:
        yield f"books      {found.books} entries; {found.findings} classifications"


def _not_shown(found: Found) -> Iterator[str]:
    left = found.scope.size - found.entries
    if found.whole:
        yield f"whole      each entry of the log up to {found.scope.size} is in it"
        if found.aside:
            yield f"           {found.aside} batches by their heads alone: other gateways or times"
    elif left:
        yield (
            f"not shown  that none of the other {left} entries of the log is a word, a finding or a"
            " revocation that belongs here: ask the log, or a mirror of it"
        )
    yield "not shown  what the log holds after this size, and what nobody sent to it"
