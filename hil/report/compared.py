"""What the record has of each PMU of a simulated place, against what stood at its bus at that
instant, frame by frame; and how late it was.

1. Values are decoded by the record's own descriptors and disclosures; the truth is the plant's. A
   frame without its truth (of a real device, say) is counted, and not compared. That there is a
   truth and not one frame to compare with it is a problem, and so is it that the bound of
   simulated instruments is not known.
2. An error beyond what the device's own instrument may be off is a problem, told once a device and
   quantity. What a fault is declared to spoil (SPOILING, and a device that is set wrong) is
   measured apart, and is none.
3. A phasor of the sequences is compared by what its phases may be off, together: as a share of its
   own it may be large, where it is nearly nothing. TVE is told of phases alone, and of currents
   from CURRENT_LEAST on; below, a bound still is a bound.
4. What hears a reference signal is held beside the limits for it, too (hil.report.limit).
5. `heard` is arrival less instant, by the gateway's clock put on the bench's; `admitted` is the
   log's clock at the checkpoint over it, less arrival.

It writes nothing.
"""

import math
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from evidence.leap import NS
from hil.devices.profile import weights
from hil.fact import Fact
from hil.faults.holding import line_name
from hil.live import account as accounts
from hil.live import kind
from hil.live.account import Account
from hil.live.kind import PmuSettings
from hil.live.play import Deed, Play
from hil.live.sheet import Device, Fault
from hil.power import case
from hil.power.bound import Bound
from hil.report import limit, promise
from hil.report.admitted import Admitted, number, phasor
from hil.report.error import ERRORS, tve
from hil.report.gauge import Beyond, Gauge
from hil.report.promise import Promises
from hil.report.trace import LINES_MAX, Arrow, Axis, Drawn, Moments
from hil.report.truth import Stood, Truth

SPOILING = ("clock", "wiring")  # acts that are declared to spoil what a PMU says
# And for so long before and after: what is sent then was measured before, and an act takes a while.
SPOILED_NS = NS
_WORDS = {
    "tve_volts": ("TVE of a voltage", 100.0, "%"),
    "tve_amps": ("TVE of a current", 100.0, "%"),
    "fe_hz": ("FE", 1000.0, "mHz"),
    "rfe_hz_s": ("RFE", 1.0, "Hz/s"),
}
_PHASES = {"A": 0, "B": 1, "C": 2}
# Of what a CT is rated: the lowest point at which any class limits a current (IEC 61869-2
# 5.6.201.3, 0.2S and 0.5S). Of less a share says nothing: TVE has the true phasor below the line.
CURRENT_LEAST = 0.01
MOMENT_NS = NS // 2  # before something begins, and after it is over
DURING_NS = NS // 10  # after it began
MOMENTS_MAX = 12  # deeds whose phasors are drawn


@dataclass(slots=True)
class Compared:
    """All of a play."""

    axis: Axis
    gauges: dict[str, Gauge]
    moments: Moments
    bound_text: str = ""
    problems: list[str] = field(default_factory=list)


def read(play: Play) -> tuple[Account, Compared]:
    """What a play left, and its measurements against the truth, of one reading of its record.

    Raises StoreError, HoldingError, EvidenceError, OSError."""
    axis, ahead_ns = Axis(play.began, play.ended), play.stage.ahead_ns
    moments = Moments(at for deed in chosen(play.deeds) for at in around(deed).values())
    with ExitStack() as stack:
        found = Compared(axis, {}, moments)
        for device in play.cast.devices:
            if issubclass(kind.KINDS[device.kind].settings, PmuSettings):
                gauge = _gauge(play, device, axis, len(found.gauges) < LINES_MAX)
                if gauge.truth is not None:
                    stack.callback(gauge.truth.close)
                found.gauges[device.name] = gauge
                for tai, _ in play.stage.rig.claims(device.name) or ():
                    if (cell := axis.cell(tai - ahead_ns)) is not None:
                        gauge.sent[cell] += 1
        promises = _promises(play, found)
        by_line = {line_name(one.device.gateway, name): one for name, one in found.gauges.items()}

        def watch(frame: Admitted, arrived: int) -> None:
            of = by_line.get(frame.line)
            if of is not None:
                # By the bench's date, as all that is compared.
                tai, logged = frame.tai - ahead_ns, frame.logged - ahead_ns
                _take(of, frame._replace(tai=tai, logged=logged), arrived, found, promises)

        account = accounts.read(play, watch)
    account.facts += _limited(found)
    found.problems += [text for gauge in found.gauges.values() for text in _told(play, gauge)]
    return account, found


def _gauge(play: Play, device: Device, axis: Axis, drawn: bool) -> Gauge:
    path = play.stage.folder / "plant" / f"truth-{device.name}"
    truth = Truth(path, _nominal_hz(play)) if path.exists() else None
    of = promise.settings_of(device)
    spoiled = []
    if of.ct != 1.0 or of.pt != 1.0:
        spoiled.append((0, 1 << 63))
    for deed in play.deeds:
        row = deed.row
        if isinstance(row, Fault) and row.act in SPOILING and row.device == device.name:
            begun = deed.began if deed.began is not None else play.ended
            ends = deed.over or play.ended
            spoiled.append((begun - SPOILED_NS, ends + SPOILED_NS))
    own = Drawn(axis) if drawn else None
    return Gauge(
        device,
        truth,
        spoiled,
        own,
        least_a=of.ct_rated_a * CURRENT_LEAST,
        beside=limit.beside(play, device),
    )


def _nominal_hz(play: Play) -> int:
    told = play.of.grid.with_
    return case.load(told["case"]).nominal_hz if "case" in told else told.get("nominal_hz", 60)


def _promises(play: Play, found: Compared) -> Promises | None:
    if not play.place.fake:
        found.bound_text = "not known of real devices"
        return None
    try:
        promises = promise.of(play)
    except (ValueError, ArithmeticError) as fault:
        found.bound_text = f"not known: {fault}"
        if any(gauge.truth for gauge in found.gauges.values()):
            found.problems.append(f"what instruments may be off is not known: {fault}")
        return None
    found.bound_text = promises.text if promises else "not known of this grid"
    return promises


def chosen(deeds: Iterable[Deed]) -> list[Deed]:
    """Those whose phasors are drawn."""
    return [deed for deed in deeds if deed.began is not None][:MOMENTS_MAX]


def around(deed: Deed) -> dict[str, int]:
    """Before, during and after something, ns TAI."""
    began = deed.began or 0
    over = deed.over
    lasts = DURING_NS if over is None else min((over - began) // 2, 5 * NS)
    after = (began + NS if over is None else over) + MOMENT_NS
    return {"before": began - MOMENT_NS, "during": began + lasts, "after": after}


# --- a frame


def _take(
    gauge: Gauge, frame: Admitted, arrived: int, found: Compared, promises: Promises | None
) -> None:
    axis, moments = found.axis, found.moments
    gauge.frames += 1
    gauge.late(arrived - frame.tai, frame.logged - arrived)
    if (cell := axis.cell(frame.tai)) is not None:
        gauge.arrived[cell] += 1
    if frame.values is None or frame.shape is None:
        return
    arrows = tuple(
        Arrow(one.name, one.current, value)
        for one in frame.shape.phasors
        if (value := phasor(frame.values, one)) is not None
    )
    if gauge.drawn is not None:
        _draw(gauge, gauge.drawn, frame, arrows)
        if moments.wants(gauge.device.name, frame.tai):
            moments.add(gauge.device.name, frame.tai, arrows)
    stood = gauge.truth.at(frame.tai) if gauge.truth else None
    if stood is not None:
        gauge.compared += 1
        _compare(gauge, frame, arrows, stood, promises)


def _draw(gauge: Gauge, drawn: Drawn, frame: Admitted, arrows: tuple[Arrow, ...]) -> None:
    values, shape = frame.values or (), frame.shape
    hz = number(values, shape.hz if shape else None)
    if hz is not None:
        drawn.traces["hz"].add(frame.tai, hz)
    first = next((one for one in arrows if not one.current), None)
    if first is not None:
        drawn.traces["volts"].add(frame.tai, abs(first.value) / 1000)
        drawn.turn(frame.tai, math.atan2(first.value.imag, first.value.real))
    flow = flow_mw(arrows)
    if flow is not None:
        drawn.traces["flow"].add(frame.tai, flow)


def flow_mw(arrows: Iterable[Arrow]) -> float | None:
    """Of three phases, from the bus; None where one is missing."""
    by_name = {one.name: one.value for one in arrows}
    power = 0.0
    for phase in _PHASES:
        volt, amp = by_name.get(f"V{phase}"), by_name.get(f"I{phase}")
        if volt is None or amp is None:
            return None
        power += (volt * amp.conjugate()).real
    return power / 1e6


def _compare(
    gauge: Gauge,
    frame: Admitted,
    arrows: tuple[Arrow, ...],
    stood: Stood,
    promises: Promises | None,
) -> None:
    tai, true = frame.tai, stood.reading
    apart = gauge.is_spoiled(tai) or gauge.is_spoiled(tai - stood.off_ns)
    gauge.apart += apart
    spreads = gauge.spoiled_errors if apart else gauge.errors
    found: list[tuple[str, float]] = []
    plain: list[tuple[str, float]] = []  # without those of several phases
    for one in arrows:
        three = true.currents if one.current else true.voltages
        name = "tve_amps" if one.current else "tve_volts"
        phase = _PHASES.get(one.name[1:])
        if phase is None:
            error = _of_several(one, three)
        else:
            error = tve(one.value, three[phase]) if three[phase] else None
            if error is not None and abs(three[phase]) >= (gauge.least_a if one.current else 0.0):
                plain.append((name, error))
        if error is not None:
            found.append((name, error))
    shape, values = frame.shape, frame.values or ()
    for name, place, there in (
        ("fe_hz", shape.hz if shape else None, true.frequency_hz),
        ("rfe_hz_s", shape.rocof if shape else None, true.rocof_hz_s),
    ):
        value = number(values, place)
        if value is not None:
            found.append((name, abs(value - there)))
            plain.append((name, abs(value - there)))
    for name, error in plain:
        spreads[name].add(error)
    if gauge.beside is not None and not apart:
        gauge.beside.add(tai, plain)
    if promises is not None and not apart:
        _bound(gauge, tai, stood, found, promises)


def _of_several(one: Arrow, three: tuple[complex, complex, complex]) -> float | None:
    """The error of a phasor that is made of several phases, as a share of theirs; None of one that
    is not known, or where there is nothing."""
    parts = weights(one.name)
    if parts is None:
        return None
    pairs = list(zip(parts, three, strict=True))
    unit = sum(abs(w) * abs(value) for w, value in pairs)
    return abs(one.value - sum(w * value for w, value in pairs)) / unit if unit else None


def _bound(
    gauge: Gauge, tai: int, stood: Stood, errors: list[tuple[str, float]], promises: Promises
) -> None:
    """Compares each error with what it may be."""
    name, off_ns = gauge.device.name, stood.off_ns
    allowed: Bound | None = promises.least(name, tai, stood.reading, off_ns)
    if not promises.is_whole() and any(error > _of(allowed, what) for what, error in errors):
        allowed = promises.whole(name, tai, off_ns)
        if allowed is None:
            gauge.unasked += 1
            return
    for what, error in errors:
        most = _of(allowed, what)
        if math.isinf(most) or not most:
            continue
        gauge.used = max(gauge.used, error / most)
        if error > most:
            _exceed(gauge, what, Beyond(tai, error, most))


def _of(allowed: Bound | None, what: str) -> float:
    return allowed[ERRORS.index(what)] if allowed else math.inf


def _exceed(gauge: Gauge, what: str, one: Beyond) -> None:
    before = gauge.beyond.setdefault(what, one)
    if before is not one:
        before.frames += 1
        if one.error / one.allowed > before.error / before.allowed:
            before.error, before.allowed = one.error, one.allowed


# --- words


def _limited(found: Compared) -> list[Fact]:
    some = [(one.device, one.beside.comes()) for one in found.gauges.values() if one.beside]
    return limit.facts(some)


def _told(play: Play, gauge: Gauge) -> Iterable[str]:
    if gauge.truth is not None and gauge.frames and not gauge.compared and not gauge.spoiled:
        yield (
            f"{gauge.device.name}: none of its {gauge.frames:,} frames in the record can be"
            " compared with what stood at its bus"
        )
    for what, one in gauge.beyond.items():
        words, times, unit = _WORDS[what]
        at_s = play.timeline.scenario_s((one.first - play.began) / NS)
        yield (
            f"{gauge.device.name}: {words} {one.error * times:.4g} {unit} at worst, beyond what its"
            f" instrument may be off, {one.allowed * times:.4g} {unit}: in {one.frames}"
            f" frame{'' if one.frames == 1 else 's'}, first at {at_s:.2f} s"
        )
