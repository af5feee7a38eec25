"""One epoch of a receiver, as a program reads it and as a person does.

1. What a receiver does not say is null, and "?" or nothing for people.
2. Degrees and metres for people and programs; instants in ns TAI.

It judges nothing: what is plainly wrong with an epoch the driver has named (`doubts`).
"""

from collections.abc import Mapping
from typing import Any

from agent.timing.round import words_ns
from drivers.gnss.fix import Antenna, Fix
from evidence import instant
from evidence.leap import LeapTable

E7, MM = 10_000_000, 1_000


def antenna(fix: Fix) -> Antenna:
    """UNKNOWN where the receiver does not say."""
    return fix.rf.antenna if fix.rf is not None else Antenna.UNKNOWN


def state(fix: Fix) -> dict[str, Any]:
    """How the receiver is."""
    signals = fix.signals
    return {
        "fix": fix.fix_type.name.lower(),
        "mode": fix.mode.value,
        "satellites": signals.used if signals else None,
        "cn0": signals.cn0_mean if signals else None,
        "antenna": antenna(fix).name.lower(),
        "spoofing": fix.spoofing.name.lower(),
        "jamming": fix.jamming.name.lower(),
        "doubts": sorted(one.value for one in fix.doubts),
        "tai": fix.tai,
        "bound_ns": fix.bound_ns,
    }


def state_words(one: Mapping[str, Any]) -> list[str]:
    """The same for people, but for the doubts."""
    satellites = "?" if one["satellites"] is None else one["satellites"]
    level = "" if one["cn0"] is None else f" at {one['cn0']:.0f} dB-Hz"
    return [
        f"fix {one['fix']}, {one['mode']} mode, {satellites} satellites{level}",
        *(f"{what} {one[what]}" for what in ("antenna", "spoofing", "jamming")),
    ]


def told(fix: Fix, table: LeapTable) -> dict[str, Any]:
    """All that is of use of an epoch."""
    place = fix.place
    return state(fix) | {
        "utc": None if fix.tai is None else instant.words(fix.tai, table),
        "arrived_utc": instant.words(fix.heard.tai, table),
        "speech": fix.speech.value,
        "latitude": place.latitude_e7 / E7 if place else None,
        "longitude": place.longitude_e7 / E7 if place else None,
        "height_m": _metres(place.height_mm) if place else None,
        "accuracy_m": _metres(place.horizontal_mm) if place else None,
        "height_accuracy_m": _metres(place.vertical_mm) if place else None,
        "tai_utc_s": fix.leap.tai_utc_s,
        "leap_change_s": fix.leap.change_s,
        "pulse_error_ps": fix.pulse.error_ps if fix.pulse else None,
        "faults": fix.faults,
    }


def rows(fix: Fix, table: LeapTable) -> list[str]:
    """The same for people: when, where, how."""
    one = told(fix, table)
    bound = "no bound" if one["bound_ns"] is None else f"within {words_ns(one['bound_ns'])}"
    late = "" if fix.tai is None else f", heard {words_ns(fix.heard.tai - fix.tai)} after"
    doubts = [f"DOUBTS: {', '.join(one['doubts'])}"] if one["doubts"] else []
    return [
        f"{one['utc'] or 'no instant'} {bound}{late}",
        _place(one),
        ", ".join([*state_words(one), f"in {one['speech']}", *doubts]),
    ]


def _place(one: Mapping[str, Any]) -> str:
    if one["latitude"] is None:
        return "no position"
    height = "" if one["height_m"] is None else f", {one['height_m']:.1f} m above the ellipsoid"
    accuracy = one["accuracy_m"]
    known = "accuracy not stated" if accuracy is None else f"to {accuracy:.1f} m (1 sigma)"
    return f"{one['latitude']:.7f}, {one['longitude']:.7f}{height}, {known}"


def _metres(mm: int | None) -> float | None:
    return None if mm is None else mm / MM
