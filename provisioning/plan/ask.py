"""A site plan asked for, question by question: for the command line and the page alike.

1. The answers so far give the next question, and nothing else is kept: whoever asks keeps them, and
   may be interrupted. An answer is the text that somebody typed.
2. Few questions, each with a default that is right on most sites or says that nothing is known;
   what is not known is not in the plan.
3. A plan that is there already is asked from: what it says is the default, and what is not asked
   for stays as it is, mRIDs above all.
4. mRIDs that nobody stated are drawn (UUIDv4): the authority grants them, and a CIM model that
   comes later has to take them over or be granted anew.

Pure: randomness comes in by argument; it prints nothing and writes nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from evidence import accuracy
from evidence.siteplan import Bus, Channel, Direction, Rotation, Site, SitePlan, Stream, Survey
from provisioning.snapshot import Snapshot
from provisioning.source import RequestError

Random = Callable[[int], bytes]
_SITE, _HZ, _ROTATION, _BUSES, _SURVEY = "site", "nominal_hz", "rotation", "buses", "survey"
_NAME_MAX = 256
_BUS = re.compile(r"(.*?)(?:\s*[=@]\s*|\s+)(\d+(?:\.\d+)?)\s*kV", re.IGNORECASE)
_RATIO = re.compile(r"(\d{1,9})\s*[/:]\s*(\d{1,9})(?:\s+(\S.*))?")
_NOT_KNOWN = "empty: not known"
_TRANSFORMERS = (("pt", "voltage", "345000/115 0.3"), ("ct", "current", "1200/5 0.2S"))


class Question(NamedTuple):
    """`choices`: the only answers; none: any text that `check` takes."""

    key: str
    text: str
    default: str = ""
    choices: tuple[str, ...] = ()
    example: str = ""

    @property
    def words(self) -> str:
        """On one line."""
        more = " or ".join(self.choices) or self.example
        return f"{self.text} ({more})" if more else self.text


class Heard(NamedTuple):
    """A source, and what its device calls its channels: name, and "voltage", "current" or another
    quantity. Without channels, ratios and directions are not asked for.
    """

    name: str
    channels: tuple[tuple[str, str], ...] = ()


def heard(names: Sequence[str], snapshots: Iterable[Snapshot]) -> list[Heard]:
    """The sources of a gateway, each with the channels that its device names."""
    channels: dict[str, dict[str, str]] = {name: {} for name in names}
    for one in snapshots:
        for phasor in one.phasors:
            channels.setdefault(one.source, {})[phasor.name] = phasor.quantity
    return [Heard(name, tuple(channels[name].items())) for name in names]


def following(
    sources: Sequence[Heard], answers: Mapping[str, str], before: SitePlan | None = None
) -> Question | None:
    """The first question that has no answer; None: all have one."""
    return next(
        (one for one in questions(sources, answers, before) if one.key not in answers), None
    )


def questions(
    sources: Sequence[Heard], answers: Mapping[str, str], before: SitePlan | None = None
) -> Iterator[Question]:
    """All of them, as far as the answers go. Raises RequestError for a plan that cannot be asked
    from.
    """
    site = before.site if before else Site("Site 1")
    yield Question(_SITE, "Name of the site", site.name)
    yield Question(_HZ, "Nominal frequency, Hz", f"{site.nominal_hz or 60:g}", ("50", "60"))
    yield Question(
        _ROTATION, "Order in which the phases follow", site.rotation or "ABC", ("ABC", "ACB")
    )
    known = [_bus_words(bus) for bus in before.bus] if before else []
    if any("," in name for name in known):
        raise RequestError("a bus has a comma in its name: edit the site plan, or rename it first")
    yield Question(
        _BUSES,
        "Buses, with commas between",
        ", ".join(known) or "Bus 1",
        example="North 345 kV, North 138 kV",
    )
    yield Question(
        _SURVEY,
        "Surveyed position of the antenna: latitude, longitude, altitude m, accuracy m",
        _survey_words(site.survey),
        example=f"46.948, 7.4474, 600, 0.5; {_NOT_KNOWN}",
    )
    if _BUSES not in answers:
        return
    names = tuple(name for name, _ in _buses(answers[_BUSES]))
    for source in sources:
        yield from _of_source(source, names, before)


def check(question: Question, answer: str) -> None:
    """Raises RequestError with what was expected."""
    kind = question.key.rpartition("/")[2]
    if question.choices and answer not in question.choices:
        expected = " or ".join(question.choices)
        raise RequestError(f"{question.text}: {answer[:80]!r}; expected {expected}")
    if kind == _SITE:
        _check_name(question.text, answer)
    elif kind == _BUSES:
        _buses(answer)
    elif kind == _SURVEY:
        _survey(answer)
    elif kind in ("pt", "ct"):
        _ratio(question.text, answer)


def plan(
    sources: Sequence[Heard],
    answers: Mapping[str, str],
    random: Random,
    before: SitePlan | None = None,
) -> SitePlan:
    """The plan that the answers make. Raises RequestError for one that is missing or wrong."""
    for question in questions(sources, answers, before):
        if question.key not in answers:
            raise RequestError(f"{question.text}: no answer")
        check(question, answers[question.key])
    base = before or SitePlan(Site(""))
    hz = float(answers[_HZ])
    rotation: Rotation = "ACB" if answers[_ROTATION] == "ACB" else "ABC"
    survey = _survey(answers[_SURVEY])
    if survey is not None and base.site.survey is not None:
        told = (survey.latitude, survey.longitude, survey.altitude_m, survey.accuracy_m)
        old = base.site.survey
        if told == (old.latitude, old.longitude, old.altitude_m, old.accuracy_m):
            survey = old  # with how it was found
    buses = []
    for name, kv in _buses(answers[_BUSES]):
        bus = base.bus_named(name) or Bus(name, _drawn(random))
        buses.append(msgspec.structs.replace(bus, nominal_kv=bus.nominal_kv if kv is None else kv))
    site = msgspec.structs.replace(
        base.site, name=answers[_SITE], nominal_hz=hz, rotation=rotation, survey=survey
    )
    streams = {stream.source: stream for stream in base.stream}
    for source in sources:
        found = streams.get(source.name) or Stream(source.name)
        streams[source.name] = _stream(found, source, answers, buses, random)
    return msgspec.structs.replace(base, site=site, bus=buses, stream=list(streams.values()))


# --- a source ---------------------------------------------------------------------------------


def _of_source(
    source: Heard, names: tuple[str, ...], before: SitePlan | None
) -> Iterator[Question]:
    stream = before.stream_of(source.name) if before else None
    if len(names) > 1:
        default = stream.bus if stream and stream.bus in names else names[0]
        yield Question(f"{source.name}/bus", f"Bus of {source.name}", default, names)
    planned = {channel.name: channel for channel in stream.channel} if stream else {}
    for key, quantity, example in _TRANSFORMERS:
        mine = [name for name, kind in source.channels if kind == quantity]
        if mine:
            first = planned.get(mine[0])
            default = _ratio_words(first) if first else ""
            words = f"{key.upper()} ratio and class of {source.name}"
            yield Question(
                f"{source.name}/{key}", words, default, example=f"{example}; {_NOT_KNOWN}"
            )
    currents = [name for name, kind in source.channels if kind == "current"]
    if currents:
        one = planned.get(currents[0])
        yield Question(
            f"{source.name}/direction",
            f"Currents of {source.name} are positive into the line or machine, or out of it",
            one.direction if one else "unknown",
            ("unknown", "in", "out"),
        )


def _stream(
    stream: Stream,
    source: Heard,
    answers: Mapping[str, str],
    buses: Sequence[Bus],
    random: Random,
) -> Stream:
    channels = {channel.name: channel for channel in stream.channel}
    told = answers.get(f"{source.name}/direction", "unknown")
    direction: Direction = "in" if told == "in" else "out" if told == "out" else "unknown"
    # One device's currents are of one line or machine, unless the plan says otherwise already.
    terminal = next((c.terminal for c in stream.channel if c.terminal), "")
    for name, quantity in source.channels:
        if quantity not in ("voltage", "current"):
            continue
        changed: dict[str, Any] = {}
        key = "pt" if quantity == "voltage" else "ct"
        ratio = _ratio("", answers.get(f"{source.name}/{key}", ""))
        if ratio is not None:
            changed["ratio"], accurate = ratio
            changed |= {"accuracy": accurate} if accurate else {}
        if quantity == "current":
            changed["direction"] = direction
            if direction != "unknown":
                terminal = terminal or _drawn(random)
                changed["terminal"] = terminal
        found = channels.get(name) or Channel(name)
        channels[name] = msgspec.structs.replace(found, **changed)
    bus = answers.get(f"{source.name}/bus", buses[0].name)
    return msgspec.structs.replace(stream, bus=bus, channel=list(channels.values()))


# --- words ------------------------------------------------------------------------------------


def _buses(answer: str) -> list[tuple[str, float | None]]:
    """Names, and kV where stated: "North 345 kV" is called that. Raises RequestError."""
    found: list[tuple[str, float | None]] = []
    for part in answer.split(","):
        told = part.strip()
        match = _BUS.fullmatch(told)
        kv = float(match.group(2)) if match else None
        name = match.group(1).strip() if match and re.search("[=@]", told) else told
        _check_name("Buses", name)
        if name in [other for other, _ in found]:
            raise RequestError(f"Buses: {name!r} stands twice; expected once")
        if kv is not None and not 0 < kv <= 2000:
            raise RequestError(f"Buses: {told!r}: {kv:g} kV; expected above 0, to 2000")
        found.append((name, kv))
    return found


def _check_name(what: str, name: str) -> None:
    if not 1 <= len(name) <= _NAME_MAX or not name.isprintable():
        raise RequestError(f"{what}: {name[:80]!r}; expected 1 to {_NAME_MAX} printable characters")


def _survey(answer: str) -> Survey | None:
    """Raises RequestError."""
    if not answer.strip():
        return None
    parts = answer.split(",")
    try:
        told = [float(part) for part in parts[:4]]
        latitude, longitude, altitude, accurate = told
        found = Survey(latitude, longitude, altitude, accurate, ",".join(parts[4:]).strip())
        return msgspec.convert(msgspec.to_builtins(found), Survey)
    except (ValueError, msgspec.ValidationError) as fault:
        expected = "expected latitude, longitude, altitude m, accuracy m: 46.948, 7.4474, 600, 0.5"
        raise RequestError(f"Surveyed position {answer[:80]!r}: {expected}") from fault


def _ratio(what: str, answer: str) -> tuple[tuple[int, int], str] | None:
    """Primary and secondary, and the class where stated. Raises RequestError."""
    if not answer.strip():
        return None
    match = _RATIO.fullmatch(answer.strip())
    if match is None or not (int(match.group(1)) and int(match.group(2))):
        expected = "expected PRIMARY/SECONDARY and the class, such as 1200/5 0.2S"
        raise RequestError(f"{what}: {answer[:80]!r}; {expected}")
    accurate = (match.group(3) or "").strip()
    if accurate and (wrong := accuracy.fault(accurate)):
        raise RequestError(f"{what}: {wrong}")
    return (int(match.group(1)), int(match.group(2))), accurate


def _bus_words(bus: Bus) -> str:
    if bus.nominal_kv is None or _BUS.fullmatch(bus.name):
        return bus.name
    return f"{bus.name} = {bus.nominal_kv:g} kV"


def _survey_words(survey: Survey | None) -> str:
    if survey is None:
        return ""
    told = (survey.latitude, survey.longitude, survey.altitude_m, survey.accuracy_m)
    return ", ".join(map(repr, told))


def _ratio_words(channel: Channel) -> str:
    if channel.ratio is None:
        return ""
    return f"{channel.ratio[0]}/{channel.ratio[1]} {channel.accuracy}".strip()


def _drawn(random: Random) -> str:
    return str(UUID(bytes=random(16), version=4))
