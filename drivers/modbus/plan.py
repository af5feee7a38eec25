"""What is read together: the points of one unit made into blocks, a read each.

1. One block, one unit, one table, one group. Never more than the protocol's limit (125 registers,
   2,000 bits), nor than the map allows the device.
2. A hole between points is read along when it is no wider than the gap of the map; it costs bytes,
   and a device that has nothing there may refuse the whole read.
3. A value is never cut, nor parted from the register that holds its exponent.
4. How old a block may be is what its oldest point may be; one that is not known makes it unknown.

It sends nothing and knows no time of day.
"""

from collections.abc import Iterable, Sequence

from drivers.modbus.adu import BITS_MAX, Request
from drivers.modbus.map import Entry, Group, PointMap
from drivers.modbus.point import Block, Point, Stamp, misfit

# Of one source: a gateway has 400 streams. Sixty units with four reads each.
BLOCKS_MAX = 256
GAP_BITS = 16  # coils and discrete inputs of a hole, a register of the gap


class PlanError(ValueError):
    """A point that no read can bring, and why."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name, self.text = name, text


def blocks(unit: int, station: str, found: PointMap) -> tuple[Block, ...]:
    """The reads that bring every point of a map from a unit. Raises PlanError."""
    heaps: dict[tuple[int, Group], list[Entry]] = {}
    for entry in found.entries:
        heaps.setdefault((entry.function, entry.group), []).append(entry)
    made: list[Block] = []
    name = station or found.station or f"unit {unit}"
    for (function, group), heap in heaps.items():
        registers = function > 2
        gap = found.gap if registers else found.gap * GAP_BITS
        most = found.most if registers else BITS_MAX
        for part in _parts(sorted(heap, key=_extent), gap, most):
            made.append(_block(unit, name, function, group, part))
    return tuple(made)


def heard(request: Request, station: str, found: PointMap) -> Block | None:
    """What somebody else's read brings of a map: the points that lie in it whole. None: no point.

    In whose rhythm it is read nobody knows: its period is 0. Raises PlanError.
    """
    end = request.address + request.length
    part = [
        entry
        for entry in found.entries
        if entry.function == request.function
        and request.address <= _extent(entry)[0]
        and _extent(entry)[1] <= end
    ]
    if not part:
        return None
    name = station or found.station or f"unit {request.unit}"
    return _made(request, name, Group("", 0), sorted(part, key=_extent))


def _extent(entry: Entry) -> tuple[int, int]:
    """From where to where a point reaches, its exponent included."""
    point = entry.point
    low, high = point.address, point.address + point.size
    if point.exponent is not None:
        low, high = min(low, point.exponent), max(high, point.exponent + 1)
    return low, high


def _parts(heap: Sequence[Entry], gap: int, most: int) -> Iterable[list[Entry]]:
    """Neighbours that one read can bring; `heap` is in order."""
    part: list[Entry] = []
    start = end = 0
    for entry in heap:
        low, high = _extent(entry)
        if high - low > most:
            raise PlanError(entry.point.name, f"{high - low} registers; at most {most} in one read")
        if part and low - end <= gap and max(end, high) - start <= most:
            end = max(end, high)
        else:
            if part:
                yield part
            part, start, end = [], low, high
        part.append(entry)
    if part:
        yield part


def _block(unit: int, station: str, function: int, group: Group, part: list[Entry]) -> Block:
    low, high = _extent(part[0])[0], max(_extent(entry)[1] for entry in part)
    return _made(Request(unit, function, low, high - low), station, group, part)


def _made(request: Request, station: str, group: Group, part: list[Entry]) -> Block:
    points = tuple(entry.point for entry in part)
    for point in points:
        reason = misfit(point, request)
        if reason:
            raise PlanError(point.name, reason)
    ages = [entry.refresh_us for entry in part]
    known = [age for age in ages if age is not None]
    return Block(
        station,
        group.name,
        request,
        group.period_ms,
        max(known) if len(known) == len(ages) else None,
        max(entry.filter_us for entry in part),
        _stamp(part, points),
        points,
    )


def _stamp(part: list[Entry], points: tuple[Point, ...]) -> Stamp | None:
    found = [(number, entry) for number, entry in enumerate(part) if entry.stamps]
    if not found:
        return None
    if len(found) > 1:
        raise PlanError(points[found[1][0]].name, "a second time that stamps the same read")
    number, entry = found[0]
    return Stamp(number, entry.bound_ns, entry.document)
