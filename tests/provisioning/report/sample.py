"""Reports for tests: an ordinary one, and ugly ones.

Their keys are of this file; what they say was never measured.
"""

import cmath
import hashlib
import math
from collections.abc import Sequence

from evidence.key import Ed25519Key
from provisioning.preflight.outcome import Outcome, Word
from provisioning.report import document
from provisioning.report.document import (
    Authority,
    Check,
    Gateway,
    Key,
    Made,
    Phasor,
    Report,
    Site,
    Software,
    Source,
    Survey,
    decimal,
)

KEY = Ed25519Key(b"a device's key, for tests alone ")
TAI = 1_795_392_037_000_000_000
UTC = "2026-11-23T00:00:00Z"
LONG = " ".join(f"w{at:02}" for at in range(64))  # 255 characters
UGLY = "\u202eevil\u202c <b>&amp;</b> \x1b[31m\x07 \u05e9\u05dc\u05d5\u05dd"
TURNS = (("A", 0), ("B", -120), ("C", 120))
CHANNELS = [
    *((f"V{phase}", phase, 199_186.2, turn) for phase, turn in TURNS),
    *((f"I{phase}", phase, 843.25, turn - 25) for phase, turn in TURNS),
]


def phasor(name: str, phase: str, magnitude: float, degrees: float) -> Phasor:
    """A voltage, where its name begins with V; else a current."""
    turned = math.degrees(cmath.phase(cmath.rect(1, math.radians(degrees))))
    size, angle = decimal(magnitude), decimal(turned)
    if name.startswith("V"):
        return Phasor(name, "voltage", phase, size, "V", angle, "North 345", "")
    return Phasor(name, "current", phase, size, "A", angle, "North 345", "")


def source(name: str = "pmu-a", phasors: Sequence[Phasor] | None = None) -> Source:
    found = [phasor(*one) for one in CHANNELS] if phasors is None else list(phasors)
    return Source(
        name,
        "pmu/7",
        "c37118+tcp",
        "STATION A",
        7,
        str(TAI),
        UTC,
        1000,
        ["locked", "traceable"],
        (60, 1),
        "59.998",
        "60.0012",
        "-0.01",
        found,
        [],
        300,
        [],
        "",
    )


def report(
    sources: Sequence[Source] = (),
    checks: Sequence[Check] | None = None,
    site: str = "Oklaunion",
    technician: str = "J. Doe",
) -> Report:
    public = KEY.public
    ok = [document.check(Outcome("key", "", Word.OK, "it signed"))]
    return Report(
        1,
        Made(technician, str(TAI), UTC, True),
        Site(
            site,
            "site.toml",
            hashlib.sha256(b"").hexdigest(),
            Survey("46.948", "7.4474", "600", "0.5", "RTK"),
        ),
        Gateway("gw-1", "file:device.key", "https://record.example:8443"),
        Key("Ed25519", public.raw.hex(), public.kid.hex(), public.fingerprint),
        None,
        Authority("authority-1", public.fingerprint),
        list(sources),
        ok if checks is None else list(checks),
        [Software("gridseal", "0.1.0")],
    )


def ugly(sources: int = 40, checks: int = 200, phasors: int = 12) -> Report:
    """Large, with names of 256 characters, markup, control characters, right to left."""
    name = f"{UGLY} {LONG}"[:256]
    some = [
        phasor(f"{'VVVIII'[at % 6]}{name[:250]} {at}", "ABC"[at % 3], 1000.5 + at, -120 * at)
        for at in range(phasors)
    ]
    words = list(Word)
    found = [
        document.check(
            Outcome(
                f"check-{at}",
                f"pmu-{at}/{name}"[:256],
                words[at % 4],
                LONG,
                "needs " + LONG,
                UGLY,
                *(("Ann", LONG) if words[at % 4] == Word.WAIVED else ("", "")),
            )
        )
        for at in range(checks)
    ]
    return report(
        [source(f"pmu-{at} {name}"[:256], some) for at in range(sources)], found, name, name
    )
