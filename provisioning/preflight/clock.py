"""The clocks: how far the gateway's may be off, and how far each device's, by its own word and by
what its frames' arrivals say of it.

1. A device may claim what it likes: a second off is seen only against the gateway's clock, and only
   while something vouches for that. Where nothing does, a claim alone is not `ok`.
2. What the gateway stamps itself has no clock of its own to look at.

It asks nobody.
"""

from collections.abc import Iterator
from statistics import median

from agent.timing.round import words_ns
from drivers.decode import compiled
from drivers.line import FrameError
from drivers.values import PHASOR_BOUND_NS_MAX
from evidence.arrival import PERIODS, RATE_UNKNOWN_NS, TIMED, WAIT_UNKNOWN_NS
from evidence.code import Flag
from evidence.leap import NS
from provisioning.preflight.outcome import Outcome, cannot_tell, fault, ok
from provisioning.preflight.scene import Heard, Scene
from provisioning.snapshot import Snapshot

# Of the gateway: what it stamps itself bears a second (drivers.modbus.wire), and what it guards is
# off by a whole second or more; a tenth of that is told apart from every honest path.
GATEWAY_BOUND_NS_MAX = 100_000_000
# A path that nobody declared adds two retransmissions at most (record.grade, PATH_NS_MAX).
PATH_NS_MAX = 600_000_000
MS = 1_000_000


def gateway(scene: Scene) -> Iterator[Outcome]:
    time = scene.time
    bound = time.get("bound_ns")
    limit = f"limit {words_ns(GATEWAY_BOUND_NS_MAX)}"
    if not time:
        yield cannot_tell("gateway-clock", "", "it was not asked", "an agent that answers")
        return
    why = str(time.get("why", ""))
    if not isinstance(bound, int):
        todo = "see gridseal-agent clock: is a source of time named in [clock], and does it run?"
        yield fault("gateway-clock", "", f"nothing vouches for it: {why}", todo)
        return
    figure = f"within {words_ns(bound)} by {time.get('chosen') or 'its oscillator'}; {limit}"
    if "clock_doubted" in time.get("flags", ()):
        todo = "two of its sources contradict each other: see gridseal-agent clock"
        yield fault("gateway-clock", "", f"{figure}: {why}", todo)
    elif bound > GATEWAY_BOUND_NS_MAX:
        todo = "give it a better source: PTP, a pulse beside its receiver, or an NTP server nearby"
        yield fault("gateway-clock", "", figure, todo)
    else:
        yield ok("gateway-clock", "", figure)


def device(scene: Scene) -> Iterator[Outcome]:
    for heard in scene.heard:
        shots = [
            one
            for one in scene.of(heard.source)
            if one.key == heard.setup.key and one.tai is not None
        ]
        if shots and heard.kind in TIMED and not shots[0].flags & Flag.AGENT_STAMPED:
            yield _device(scene, heard, shots[0])


def _device(scene: Scene, heard: Heard, shot: Snapshot) -> Outcome:
    of = f"{shot.source}/{shot.key}"
    limit_ns = _limit(heard)
    wrong = _arrival(scene, heard, shot)
    if wrong:
        todo = "is its clock set, its receiver locked, its time UTC, and its leap seconds right?"
        return fault("device-clock", of, wrong, todo)
    flags = Flag(shot.flags)
    if not flags & Flag.LOCKED:
        how = "in holdover" if flags & Flag.HOLDOVER else "not locked"
        todo = "look at its antenna, IRIG-B or PTP: its time source is not there"
        return fault("device-clock", of, f"it says itself that it is {how}", todo)
    if shot.bound_ns is None:
        figure = "locked, and it does not state how good its clock is"
        needs = "time_bound_ns and time_document of its [[stream]] in site.toml"
        return cannot_tell("device-clock", of, figure, needs)
    figure = f"locked, within {words_ns(shot.bound_ns)} by its own word; limit {words_ns(limit_ns)}"
    if shot.bound_ns > limit_ns:
        todo = "its values do not settle so: give it a better source of time"
        return fault("device-clock", of, figure, todo)
    if heard.heard_bound is None:
        needs = "a gateway clock for which something vouches: a whole second would not be seen"
        return cannot_tell("device-clock", of, figure, needs)
    return ok("device-clock", of, f"{figure}; heard {_lag(heard)} after its instant")


def _limit(heard: Heard) -> int:
    try:
        return compiled(heard.setup.kind, heard.setup.configuration).bound_ns_max
    except FrameError:
        return PHASOR_BOUND_NS_MAX


def _lag(heard: Heard) -> str:
    return f"{median(heard.lags) / MS:.0f} ms" if heard.lags else "nothing"


def _arrival(scene: Scene, heard: Heard, shot: Snapshot) -> str:
    """What arrivals say against the device's clock, in words; empty where they say nothing."""
    if heard.heard_bound is None or not heard.lags:
        return ""
    slack_ns = heard.heard_bound + (shot.bound_ns or 0)
    lag_ns = int(median(heard.lags))
    if lag_ns < -slack_ns:
        return f"frames arrive {-lag_ns / MS:.0f} ms before the instant that they claim"
    late_ns = _late_ns(scene, heard) + slack_ns
    if min(heard.lags) > late_ns:
        return (
            f"frames arrive {lag_ns / MS:.0f} ms after their instant; limit {late_ns / MS:.0f} ms"
        )
    return ""


def _late_ns(scene: Scene, heard: Heard) -> int:
    """As the record has it (record.grade.late_ns)."""
    stream = scene.plan.stream_of(heard.source)
    frames, seconds = heard.setup.rate
    late_ns = PERIODS * seconds * NS // frames if frames else RATE_UNKNOWN_NS
    direct = (stream is None or stream.origin == "direct") and len(heard.setup.blocks) < 2
    wait_ns = 0 if direct else WAIT_UNKNOWN_NS
    if stream is not None and stream.wait_ms is not None:
        wait_ns = stream.wait_ms * MS
    path_ns = stream.path_ms * MS if stream is not None else 0
    return late_ns + wait_ns + path_ns + PATH_NS_MAX
