"""The plots of a page: the energy over each tie, both sides, and the frequency of each PMU where it
was measured fast; all read back from the record.

It draws what the record holds, and knows nothing of what the stage meant to measure.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from evidence.leap import BUILT_IN
from hil.scenario import sheet
from hil.scenario.cast import mrid
from hil.scenario.figures import HOUR_NS, tai_of
from hil.scenario.play import Part, Play
from hil.scenario.script import Script
from record.known import Known
from record.leaf import Leaves
from record.reconstruct import frame
from record.reconstruct.plot import Line, Mark, Plot, escaped, steps
from record.series import Wanted, series
from record.store import Store

HELD = ("Wh/15min",)
STYLES = ("one", "two", "three")
_MWH = 1e-6
_ROOM = 0.06  # above and below what is drawn


def plots(done: Play, store: Store) -> Iterator[str]:
    """Each as a figure. Raises StoreError."""
    if done.part.begins == done.part.ends:
        return  # it was stopped before anything was measured
    known = Known(store)
    for seam in done.script.seam:
        if seam.kind == "dc_tie":
            yield from _energy(done, store, known, seam)
    for pace in done.script.pace:
        begins = max(tai_of(pace.begins), done.part.begins)
        ends = min(tai_of(pace.ends), done.part.ends)
        if begins < ends:
            yield from _frequency(done, store, known, pace, Part(begins, ends))


def _energy(done: Play, store: Store, known: Known, seam: sheet.Seam) -> Iterator[str]:
    lines, most = [], 1.0
    for style, side in zip(STYLES, seam.sides, strict=False):
        node = mrid(done.script.scenario.name, f"bus {side.bus}").bytes
        wanted = Wanted(node=node, units=HELD, issuer=side.authority)
        hours: dict[int, float] = defaultdict(float)
        for tai, value in _values(done, store, known, wanted):
            # A quarter of an hour is of the hour in which it ended, or that it ended with.
            hours[(BUILT_IN.utc_ns(tai) - 1) // HOUR_NS] += value * _MWH
        whole = sorted(hours.items())[1:] if len(hours) > 1 else sorted(hours.items())
        points = [(_of_hour(hour), _of_hour(hour + 1), mwh) for hour, mwh in whole]
        most = max([most, *(mwh for _, _, mwh in points)])
        lines.append(Line(f"{side.authority}'s meter", style, steps(points)))
    plot = Plot(
        f"Energy over {seam.name}", "MWh of the hour", done.part.begins, done.part.ends,
        0.0, most * (1 + _ROOM), lambda tai: done.clock(tai, "%d %H:%M"),
    )  # fmt: skip
    buses = {side.bus for side in seam.sides}
    devices = [row for row in done.script.device if row.bus in buses and row.kind == "meter"]
    note = "Of each hour, by the registers of the meters of both sides."
    yield frame.figure(
        plot.title, plot.svg(lines), note, lines, badges=badges(done.script, devices)
    )


def badges(of: Script, devices: Sequence[sheet.Device]) -> str:
    """What is worth what these devices measure: as their feeds are marked, and the model of areas
    is."""
    feeds = {feed.name: feed.mark for feed in of.feed}
    marks = {sheet.AREAS_MARK if row.area else feeds[row.feed] for row in devices}
    return "".join(f' <span class="badge">{escaped(mark)}</span>' for mark in sorted(marks))


def _of_hour(hour: int) -> int:
    return BUILT_IN.tai_ns(hour * 3600)


def _frequency(
    done: Play, store: Store, known: Known, pace: sheet.Pace, part: Part
) -> Iterator[str]:
    """What was measured fast of a part."""
    begins, ends = part.begins, part.ends
    lines, low, high = [], 60.0, 60.0
    rows = {row.name: row for row in done.script.device}
    gateways = {row.name: row.authority for row in done.script.gateway}
    for style, name in zip(STYLES, pace.devices, strict=False):
        row = rows[name]
        node = mrid(done.script.scenario.name, f"bus {row.bus}").bytes
        wanted = Wanted(node=node, quantity="frequency", issuer=gateways[row.gateway])
        points = list(_values(done, store, known, wanted, begins, ends))
        low = min([low, *(value for _, value in points)])
        high = max([high, *(value for _, value in points)])
        lines.append(Line(name, style, points))
    room = max(high - low, 0.01) * _ROOM
    plot = Plot(
        "Frequency", "Hz", begins, ends, low - room, high + room,
        lambda tai: done.clock(tai, "%H:%M:%S"),
    )  # fmt: skip
    marks = [
        Mark(tai_of(order.begins), order.name)
        for order in done.script.order
        if begins <= tai_of(order.begins) < ends
    ]
    levels = [Mark(59.4, "59.4 Hz")] if low < 59.4 else []
    words = badges(done.script, [rows[name] for name in pace.devices])
    note = (
        "As devices sent it, with what was ordered meanwhile." if marks else "As devices sent it."
    )
    yield frame.figure(plot.title, plot.svg(lines, marks, levels), note, lines, badges=words)


def _values(
    done: Play,
    store: Store,
    known: Known,
    wanted: Wanted,
    begins: int | None = None,
    ends: int | None = None,
) -> Iterator[tuple[int, float]]:
    """What a record holds of a channel in a time, each instant once a channel."""
    since = done.part.begins if begins is None else begins
    until = done.part.measured(done.script) if ends is None else ends
    size = store.size()
    leaves = Leaves(store, known, size).of([wanted], since, until)
    for one in series(store, known, leaves, size, wanted):
        value = one.value
        if since <= one.tai < until and isinstance(value, int | float):
            yield one.tai, float(value)
