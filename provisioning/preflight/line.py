"""The lines: whether a serial one is fast enough, whether frames arrive whole, whether the device
is the one that was configured, and whether it sends as often as it says.

1. A line that said nothing is never well: what nobody heard has no error rate.
2. What a line or a driver says of its own trouble is passed on in its words.

It opens nothing.
"""

from collections.abc import Iterator, Sequence

from agent import description
from drivers import registry
from drivers.decode import compiled
from drivers.line import FrameError, Source
from evidence import config, siteplan
from evidence.arrival import TIMED
from evidence.code import SILENT, Kind
from provisioning.preflight.outcome import Outcome, cannot_tell, fault, ok
from provisioning.preflight.scene import Heard, Scene
from provisioning.snapshot import Snapshot

# Of all that arrived. RS-232 and RS-485 in order have none; one frame in a hundred is a bad ground.
ERROR_SHARE_MAX = 0.01
ERRORS_MIN = 2  # a line that is opened amid a frame costs one, and its counterpart at the end
RATE_SHARE_MAX = 0.05  # of the rate, either way: a frame lost now and then, and no other rate
RATE_FRAMES = 1.5  # either end of what was counted may have one more, and a half for a late one
# As drivers.pmu.driver has it of a device that is there and does not answer.
UNANSWERED = "no configuration from IDCODE"
NOT_ASKED = "unknown_idcode"  # drivers.c37118.session: data of another IDCODE
LINE = "the device on the line"


def speed(scene: Scene) -> Iterator[Outcome]:
    """What frames take of a serial line: configured bytes times rate against its baud."""
    for source in scene.sources:
        if not registry.scheme(source.scheme).serial:
            continue
        found = _expected(scene, source)
        if found is None:
            needs = "its configuration, or frame_bytes and rate of its [[stream]] in site.toml"
            yield cannot_tell("line-speed", source.name, "no frame size is known", needs)
            continue
        frame_bytes, rate = found
        load = registry.line_load(source, frame_bytes, rate)
        if load is None:
            continue
        pace = f"{rate[0]} a second" if rate[1] == 1 else f"{rate[0]} in {rate[1]} s"
        figure = (
            f"{frame_bytes} bytes at {pace} take {load.share:.0%} of {load.baud} baud; limit"
            f" {registry.LOAD_MAX:.0%}"
        )
        if load.fits():
            yield ok("line-speed", source.name, figure)
        else:
            todo = "raise the baud on both sides, or have the device send less, or less often"
            yield fault("line-speed", source.name, figure, todo)


def _expected(scene: Scene, source: Source) -> tuple[int, tuple[int, int]] | None:
    """Bytes and rate of all streams of a line together, as they were heard; else as planned."""
    bits, found = 0.0, []
    for one in _of(scene, source.name):
        size, (frames, seconds) = one.frame_bytes, one.setup.rate
        if frames and seconds:
            bits += size * frames / seconds
            found.append((size, (frames, seconds)))
    if len(found) == 1:
        return found[0]
    if found:
        return round(bits), (1, 1)
    stream = scene.plan.stream_of(source.name)
    if stream is not None and stream.frame_bytes and stream.rate:
        return stream.frame_bytes, (stream.rate, 1)
    return None


def errors(scene: Scene) -> Iterator[Outcome]:
    """Bad frames among all, of each line."""
    for source in scene.sources:
        shots = scene.of(source.name)
        streams = {shot.key: shot for shot in shots}  # a frame of several devices is one frame
        good = sum(shot.frames for shot in streams.values())
        bad = max((sum(shot.faults.values()) for shot in streams.values()), default=0)
        trouble = next((shot.trouble for shot in shots if shot.trouble), "")
        named = ", ".join(f"{many} {name}" for name, many in _faults(shots).items())
        if not good:
            figure = trouble or "nothing was heard"
            figure += f" ({named})" if named else ""
            hint = (
                registry.scheme(source.scheme).hint or "is the device on, and the line connected?"
            )
            yield fault("line-errors", source.name, figure, hint)
            continue
        share = bad / (good + bad)
        figure = f"{bad} bad of {good + bad} frames ({share:.1%}); limit {ERROR_SHARE_MAX:.0%}"
        figure += f": {named}" if named else ""
        if trouble:
            todo = "the line was lost meanwhile: look at plugs, power and who else has it open"
            yield fault("line-errors", source.name, f"{trouble}; {figure}", todo)
        elif bad > max(ERRORS_MIN, ERROR_SHARE_MAX * (good + bad)):
            todo = "look at baud, parity, shielding and ground of the line, and at its terminators"
            yield fault("line-errors", source.name, figure, todo)
        else:
            yield ok("line-errors", source.name, figure)


def _faults(shots: Sequence[Snapshot]) -> dict[str, int]:
    found: dict[str, int] = {}
    for shot in shots:
        for name, many in shot.faults.items():
            found[name] = max(found.get(name, 0), many)
    return found


def configuration(scene: Scene) -> Iterator[Outcome]:
    """Whether the device is the one that was configured, with the channels that the plan names."""
    for source in scene.sources:
        heard = _of(scene, source.name)
        yield from [_configured(scene, one) for one in heard] or [_unheard(scene, source)]


def _unheard(scene: Scene, source: Source) -> Outcome:
    shots = scene.of(source.name)
    trouble = next((shot.trouble for shot in shots if shot.trouble), "")
    others = sum(shot.faults.get(NOT_ASKED, 0) for shot in shots)
    asked = source.options.get("idcode") or source.options.get("idcodes")
    if others or UNANSWERED in trouble:
        figure = trouble or f"{others} frames of another IDCODE than {asked}"
        todo = f"set the IDCODE as the device has it: gateway.toml says {asked}"
        return fault("configuration", source.name, figure, todo)
    needs = "a line on which it is heard (see line-errors)"
    return cannot_tell("configuration", source.name, trouble or "nothing was heard", needs)


def _configured(scene: Scene, heard: Heard) -> Outcome:
    setup, name = heard.setup, heard.source
    of = f"{name}/{setup.key}"
    if setup.kind in SILENT:
        return ok("configuration", of, "it tells no values")
    tapped = setup.kind == Kind.MCU_C37118  # a board hears it, and asks nothing
    if not setup.configuration:
        figure = "it sends data, and does not say what they are"
        todo = "have it answer for its configuration, or name a file: configuration = FILE"
        todo = "name a file, by port: configurations = [FILE]" if tapped else todo
        return fault("configuration", of, figure, todo)
    try:
        compiled(setup.kind, setup.configuration)
    except FrameError as unread:
        todo = "take another type of configuration: prefer = [2, 3, 1]"
        todo = "name a file with another type of configuration" if tapped else todo
        return fault("configuration", of, str(unread), todo)
    setups = [one.setup for one in _of(scene, name)]  # a meter's channels are spread over several
    there = [channel.name for one in setups for block in one.blocks for channel in block.channels]
    absent = description.missing(name, setups, scene.plan)
    if absent:
        nearest = "; ".join(f"{one!r} is {config.nearest(one, there)}" for one in absent)
        todo = f"name them in site.toml as the device does: {', '.join(map(repr, there))}"
        return fault("configuration", of, nearest, todo)
    stream = scene.plan.stream_of(name) or siteplan.Stream(name)
    stated = stream.frame_bytes
    if stated and stated != heard.frame_bytes:
        figure = f"frames of {heard.frame_bytes} bytes; frame_bytes in site.toml: {stated}"
        todo = "is it another device, or was it set up anew? Correct the one that is wrong"
        return fault("configuration", of, figure, todo)
    stations = ", ".join(
        f"{block.station.strip() or '-'} (IDCODE {block.idcode})" if block.idcode else block.station
        for block in setup.blocks
    )
    here, planned = sum(len(block.channels) for block in setup.blocks), len(stream.channel)
    found = planned - len(description.missing(name, [setup], scene.plan))
    figure = f"{stations}: {here} channels, {found} of the plan's {planned} among them"
    return ok("configuration", of, figure)


def rate(scene: Scene) -> Iterator[Outcome]:
    """As configured, as planned and as heard."""
    for source in scene.sources:
        seen: set[str] = set()
        for shot in scene.of(source.name):
            kind = _kind(scene, shot)
            if shot.key in seen or kind in SILENT:
                continue
            if kind is not None and kind not in TIMED and not shot.rate[0]:
                continue  # it tells of changes, or when the device has something new
            seen.add(shot.key)
            yield _rate(scene, shot)


def _kind(scene: Scene, shot: Snapshot) -> int | None:
    heard = _of(scene, shot.source)
    return next((one.kind for one in heard if one.setup.key == shot.key), None)


def _rate(scene: Scene, shot: Snapshot) -> Outcome:
    of = f"{shot.source}/{shot.key}" if shot.key else shot.source
    frames, seconds = shot.rate
    heard = shot.heard_rate
    if heard is None:
        return cannot_tell("rate", of, "fewer than two frames were heard", "a line that is heard")
    if not frames or not seconds:
        needs = "a device that states its rate, or sends at one"
        return cannot_tell("rate", of, f"{heard:.2f} a second heard, none is stated", needs)
    stated = frames / seconds
    figure = f"{heard:.2f} a second heard, {stated:g} configured"
    planned = scene.plan.stream_of(shot.source)
    if planned is not None and planned.rate and planned.rate != stated:
        figure += f", {planned.rate} planned"
        todo = "set the device's rate as site.toml has it, or correct the plan"
        return fault("rate", of, figure, todo)
    counted = max(shot.frames, 1)
    limit = max(RATE_SHARE_MAX, RATE_FRAMES / counted)
    figure += f"; limit {limit:.0%}"
    if abs(heard - stated) > limit * stated:
        todo = "set the rate of the device anew; does its line lose frames, or do others share it?"
        return fault("rate", of, figure, todo)
    return ok("rate", of, figure)


def _of(scene: Scene, source: str) -> list[Heard]:
    return [one for one in scene.heard if one.source == source]
