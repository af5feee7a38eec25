"""What was checked, as a report has it: from a pre-flight now or from the file of one, with what
was left out, and with waivers.

1. A check of the gateway itself that was left out, by whatever option, stands among the outcomes as
   one that nobody can tell: a report never passes by silence.
2. A waiver is of something: one that covers no fault and nothing untold is refused, since whoever
   typed it meant another.
3. A file is somebody's word: typed, bounded, and refused by name; so is one of another gateway or
   site plan, and one that is older than AGE_NS_MAX: a report tells of the gateway as it is handed
   over.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec

from agent.config import Sketch
from evidence import config, instant
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS
from provisioning.argument import UsageError, tai
from provisioning.preflight import waiver
from provisioning.preflight.examination import CHECKS, HEARD, plan_sha256
from provisioning.preflight.outcome import Outcome, Word, cannot_tell
from provisioning.preflight.waiver import Waiver
from provisioning.report import document
from provisioning.report.document import CHECKS_MAX, Check, Text

# Each gives an outcome whatever is connected; those of sources have none where there is no source.
ALWAYS = ("gateway-clock", *(name for name in CHECKS if name not in HEARD))
AGE_NS_MAX = 24 * 3600 * NS  # of a pre-flight: a day's work, with the night between
AHEAD_NS_MAX = 300 * NS  # the clock may have been set meanwhile


class _File(msgspec.Struct, frozen=True):
    """What `preflight --json` prints, as far as a report needs it. `left_out`: check to option."""

    gateway: Text
    plan_sha256: Text
    made: Text
    outcomes: Annotated[list[Check], msgspec.Meta(max_length=CHECKS_MAX)]
    left_out: Annotated[dict[Text, Text], msgspec.Meta(max_length=CHECKS_MAX)] = {}


def of_file(data: bytes, file: str, sketch: Sketch, now: int) -> list[Outcome]:
    """The outcomes that `preflight --json` printed of this gateway and its plan, whole. Raises
    ConfigError.

    `now`: ns since 1970, UTC.
    """
    if len(data) > config.CONFIG_BYTES_MAX:
        raise ConfigError(file, "", f"{len(data)} bytes; at most {config.CONFIG_BYTES_MAX}")
    try:
        found = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise ConfigError(file, "", f"is not what preflight --json prints: {fault}") from fault
    gateway = sketch.file.gateway.name
    if found.gateway != gateway:
        raise ConfigError(file, "gateway", f"is of gateway {found.gateway!r}, not of {gateway!r}")
    if found.plan_sha256 != plan_sha256(sketch):
        text = f"is of another {sketch.file.gateway.plan} than the one that is there; make it again"
        raise ConfigError(file, "plan_sha256", text)
    try:
        age_ns = tai(now) - instant.read(found.made, BUILT_IN)
    except ValueError as fault:
        raise ConfigError(file, "made", str(fault)) from fault
    if not -AHEAD_NS_MAX <= age_ns <= AGE_NS_MAX:
        text = f"was made {found.made}, not in the last 24 h; make it again"
        raise ConfigError(file, "made", text)
    return whole([document.outcome(one) for one in found.outcomes], found.left_out)


def whole(outcomes: Sequence[Outcome], left_out: Mapping[str, str]) -> list[Outcome]:
    """The outcomes, and what is missing among them (rule 1)."""
    there = {one.check for one in outcomes}
    missing = {name: "--only" for name in ALWAYS if name not in there} | dict(left_out)
    return [
        *outcomes,
        *(
            cannot_tell(name, "", f"left out by {option}", f"preflight without {option}")
            for name, option in missing.items()
        ),
    ]


def waived(outcomes: Iterable[Outcome], waivers: Sequence[Waiver]) -> list[Outcome]:
    """The outcomes with their waivers. Raises UsageError (rule 2)."""
    found = list(outcomes)
    open_ = [one for one in found if one.word in {Word.FAULT, Word.CANNOT_TELL}]
    for one in waivers:
        if not any(map(one.means, open_)):
            name = f"{one.check}@{one.of}" if one.of else one.check
            are = sorted({f"{it.check}@{it.of}" if it.of else it.check for it in open_})
            told = config.nearest(name, are) if are else "of nothing: all is ok"
            raise UsageError(f"--waive {name!r}: what is not ok by that name is {told}")
    marked, idle = waiver.waived(found, waivers)
    if idle:
        raise UsageError(idle[0])
    return marked
