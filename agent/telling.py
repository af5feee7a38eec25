"""What is concluded of time and place, as it is sealed (evidence.verdict), as status tells it, and
in words for a terminal.

1. What is sealed is bounded there; what status tells has as many receivers, sources and checks as
   the gateway has.
2. A bound is told as of the moment at which it is told: it grows from the ruling on.

It concludes nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from agent import sighting
from agent.checks import Standing
from agent.moment import Moment
from agent.place import Found
from agent.sighting import antenna
from agent.timing import face
from agent.timing.opinion import Judged, Ruling
from agent.timing.round import words_ns
from agent.witness import Witness
from drivers.gnss.fix import Mode
from drivers.line import Instant
from evidence import verdict
from evidence.code import Flag, TimeSource
from evidence.leap import NS
from evidence.verdict import Verdict

TAI_MAX = (1 << 63) - 1
MODES = tuple(Mode)  # in the order in which evidence.verdict numbers them


class Conclusion(NamedTuple):
    """All that is concluded at one moment."""

    now: Instant
    now_ns: int  # monotonic
    ruling: Ruling | None
    place: Found
    moment: Moment
    witnesses: tuple[Witness, ...]
    numbers: Mapping[str, int | None]  # of the receivers' streams
    standing: tuple[tuple[Standing, int | None], ...]  # with the stream's number

    def bound_ns(self) -> tuple[int | None, int]:
        """Of the clock now, and how much of it is growth since the ruling."""
        ruling = self.ruling
        if ruling is None or ruling.bound_ns is None:
            return None, 0
        aged = -((ruling.at_ns - self.now_ns) * ruling.growth_ppb // NS)  # rounded up
        return ruling.bound_ns + max(aged, 0), max(aged, 0)

    def held_from(self) -> int | None:
        """Since when the oscillator carries the clock, TAI; None while it does not."""
        ruling = self.ruling
        held = ruling is not None and Flag(ruling.flags) & Flag.HOLDOVER
        held_ns = ruling.held_from_ns if ruling is not None and held else None
        return None if held_ns is None else max(self.now.tai - (self.now_ns - held_ns), 0)


def sealed(found: Conclusion) -> Verdict:
    """As it goes into stream 0."""
    judged = found.ruling.judged if found.ruling is not None else ()
    return Verdict(
        _clock(found),
        tuple(_source(one) for one in judged),
        verdict.Place(found.place.state, found.place.distance_mm, found.place.allowed_mm),
        tuple(_receivers(found)),
        tuple(verdict.Tripped(one.check, number, one.since) for one, number in found.standing),
    )


def _clock(found: Conclusion) -> verdict.Clock:
    ruling = found.ruling
    flags = found.moment.clock | found.moment.marks
    if ruling is None:
        unknown = TimeSource.UNKNOWN
        return verdict.Clock(None, face.NOT_ASKED, None, 0, unknown, flags, (), None, None)
    bound_ns, aged_ns = found.bound_ns()
    terms = ruling.terms
    if aged_ns:
        terms = (*terms[: verdict.TERMS_MAX - 1], verdict.Term("since the ruling", aged_ns))
    return verdict.Clock(
        *(ruling.chosen, ruling.why, bound_ns, ruling.growth_ppb, ruling.source, flags, terms),
        *(found.held_from(), ruling.tai_utc_s),
    )


def _source(one: Judged) -> verdict.Source:
    said = one.opinion
    return verdict.Source(
        said.name, said.source, one.state, said.offset_ns, said.error_ns, one.words
    )


def _receivers(found: Conclusion) -> Iterable[verdict.Receiver]:
    for witness in found.witnesses:
        number, fix = found.numbers[witness.name], witness.fix
        if number is None or fix is None:
            continue
        signals = fix.signals
        cn0 = signals.cn0_mean if signals is not None else None
        yield verdict.Receiver(
            *(number, fix.tai if fix.tai is not None and 0 <= fix.tai <= TAI_MAX else None),
            *(MODES.index(fix.mode), int(antenna(fix)), int(fix.spoofing), int(fix.jamming)),
            *(signals.used if signals else None, None if cn0 is None else round(cn0 * 100)),
        )


# --- for status


def told(found: Conclusion) -> dict[str, Any]:
    """The same as one object for JSON, without what face.told says of the clock: instants in ns,
    lengths in m.
    """
    place, flags = found.place, Flag(found.moment.clock | found.moment.marks)
    return {
        "flags": [str(flag.name).lower() for flag in flags],
        "place": {
            "state": place.state.name.lower(),
            "distance_m": _metres(place.distance_mm),
            "allowed_m": _metres(place.allowed_mm),
            "words": place.words,
        },
        "checks": [_check_told(one, found.now.tai) for one, _ in found.standing],
        "receivers": {one.name: _receiver_told(one, found) for one in found.witnesses},
    }


def _check_told(one: Standing, now: int) -> dict[str, Any]:
    return {
        "check": one.check.name.lower(),
        "stream": None if one.of is None else "/".join(one.of),
        "since": one.since,
        "for_s": max(now - one.since, 0) // NS,
        "words": one.text,
    }


def _receiver_told(witness: Witness, found: Conclusion) -> dict[str, Any]:
    fix, place = witness.fix, witness.place()
    if fix is None:
        return {"fix": None, "place": place.words}
    return sighting.state(fix) | {
        "age_s": witness.silent_ns(found.now_ns) // NS,
        "silent": witness.silent(found.now_ns),
        "distance_m": _metres(place.distance_mm),
        "place": place.words,
    }


def _metres(mm: int | None) -> float | None:
    return None if mm is None else mm / 1000


# --- for a terminal


def words(account: Mapping[str, Any]) -> list[str]:
    """What status told of time and place, a line a fact. An older agent tells nothing of them."""
    if "time" not in account:
        return []
    time, place = account["time"], account["place"]
    bound = "no bound" if time["bound_ns"] is None else f"within {words_ns(time['bound_ns'])}"
    by = f" by {time['chosen']} ({time['source']})" if time["chosen"] else ""
    held = "" if time["holdover_s"] is None else f", held for {time['holdover_s']} s"
    lines = [f"time       {bound}{by}{held}: {time['why']}"]
    for one in time["sources"]:
        off = "" if one["offset_ns"] is None else f"{face.signed(one['offset_ns'])} "
        error = "" if one["error_ns"] is None else f"+-{words_ns(one['error_ns'])} "
        lines.append(f"           {one['name']}: {off}{error}{face.state(one)}")
    lines.append(f"place      {place['state']}: {place['words']}")
    lines += [f"{name}: {receiver_words(one)}" for name, one in account["receivers"].items()]
    for one in account["checks"]:
        where = f" of {one['stream']}" if one["stream"] else ""
        lines.append(f"{_plain(one['check']).upper()}{where} for {one['for_s']} s: {one['words']}")
    return lines


def _plain(name: str) -> str:
    return name.replace("_", " ")


def receiver_words(one: Mapping[str, Any]) -> str:
    """One receiver as status told it."""
    if one["fix"] is None:
        return "nothing heard yet"
    before = f"nothing heard for {one['age_s']} s; before that: " if one["silent"] else ""
    parts = sighting.state_words(one)
    if one["distance_m"] is not None:
        parts.append(f"{one['distance_m']:.1f} m from the survey")
    return before + ", ".join([*parts, *one["doubts"]])
