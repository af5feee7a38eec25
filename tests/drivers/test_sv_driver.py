"""The shipped driver hears simulated merging units on a real cable, and says what is wrong when it
cannot.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from drivers import decode, registry
from drivers.line import Frame, Instant, LinkError, Setup, Source
from drivers.sv.driver import SvDriver
from drivers.sv.session import Session, Terms
from drivers.sv.wire import decode_block, decode_configuration, decode_pdu
from evidence.code import Flag, Kind
from evidence.config import ConfigError
from evidence.leap import NS
from hil.devices.ether import Addressing, Outlet
from hil.devices.sv import ETHERTYPE, QUALITY_INVALID, SvProfile, SvPublisher
from hil.grid import Grid
from hil.namespace import Namespace
from hil.pcap import Tally, packets
from tests.drivers.cable import FAR, NEAR, WAIT_S, Clock, net, publishing

__all__ = ["net"]  # a fixture

UNIT = "hil.devices.sv"


def driver(**options: object) -> SvDriver:
    made = registry.open_driver(Source("bus", "sv", {"interface": NEAR, **options}), Clock())
    assert isinstance(made, SvDriver)
    return made


async def opened(net: Namespace, made: SvDriver) -> Sequence[Setup]:
    with net.inside():
        async with asyncio.timeout(WAIT_S):
            return await made.open()


async def blocks(made: SvDriver, until: Callable[[list[Frame]], bool]) -> list[Frame]:
    frames: list[Frame] = []
    async with asyncio.timeout(WAIT_S):
        while not until(frames):
            frames += [item for item in await made.read() if isinstance(item, Frame)]
    return frames


def faults(frames: list[Frame]) -> set[str]:
    return {each.fault.fault for each in frames if each.fault is not None}


@pytest.mark.parametrize(
    ("arguments", "rate", "asdus"),
    [
        (("--rate", "4800"), 4800, 1),
        (("--rate", "4000", "--nominal-hz", "50", "--vlan", "7"), 4000, 1),
        (("--rate", "14400", "--asdus", "6"), 14_400, 6),
        (("--rate", "4800", "--asdus", "2", "--redundancy", "prp", "--vlan", "0"), 4800, 2),
        (("--rate", "4800", "--asdus", "2", "--redundancy", "hsr"), 4800, 2),
    ],
    ids=["9-2LE", "50Hz-vlan", "61869-9", "prp", "hsr"],
)
def test_a_merging_unit_is_heard_in_whole_blocks(
    net: Namespace,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    rate: int,
    asdus: int,
):
    """Rate learned, every sample there, instants exact, values those of the grid."""
    # The publisher is a program, which may be held up: its block waits for it.
    monkeypatch.setattr("drivers.sv.session.OPEN_NS_MAX", 10 * NS)

    async def hear() -> tuple[Sequence[Setup], list[Frame], SvDriver]:
        made = driver()
        try:
            setups = await opened(net, made)
            return setups, await blocks(made, lambda frames: len(frames) > 30), made
        finally:
            await made.close()

    with publishing(net, UNIT, *arguments):
        setups, frames, made = asyncio.run(hear())
    (setup,) = setups
    found = decode_configuration(setup.configuration)
    assert found.rate == rate
    compiled = decode.compiled(Kind.SV, setup.configuration)
    whole = frames[1:]  # the first is of when hearing began
    assert all(compiled.judge((each.raw,)) == [] for each in whole)
    assert {after.tai - before.tai for before, after in pairwise(whole)} == {
        NS * found.span // rate
    }
    assert all(each.bound == 4000 and each.flags & Flag.LOCKED for each in whole)
    assert all(0 <= each.heard.tai - each.tai < NS for each in whole)
    assert made.counts["frames_dropped"] == 0
    same_grid = SvPublisher(SvProfile(rate=rate, asdus=asdus), Grid(Grid().plan))
    if "--nominal-hz" not in arguments:
        first = whole[0].tai * rate // NS
        pdu = decode_pdu(decode_block(whole[0].raw)[0])
        raw = decode_block(whole[0].raw)[0]
        told = raw[slice(*pdu.asdus[0].at_sample)]
        assert told == same_grid.sample(first + pdu.asdus[0].smp_cnt - first % rate)
    if "prp" in arguments or "hsr" in arguments:
        assert made.counts["heard_twice"] >= len(frames) * found.span // asdus


def test_faults_of_a_publisher_are_in_the_blocks(net: Namespace):
    """Lost, reordered, replayed, forged, invalid: kept as heard, and named."""
    publisher = SvPublisher(SvProfile(rate=4000, to=Addressing(ETHERTYPE, 0x4001, vlan=3)), Grid())
    with net.inside():
        outlet = Outlet(FAR)

    async def play() -> tuple[Setup, list[Frame], SvDriver]:
        made = driver(rate=4000, silence_s=3.0)
        opening = asyncio.create_task(opened(net, made))
        await asyncio.sleep(0.1)
        begin = time.time_ns() // NS * 4000 + 37 * 4000
        for number in range(begin, begin + 500):
            at = number - begin
            if at == 150:
                outlet.lose(3)
            if at == 250:
                outlet.reorder()
            publisher.quality[4] = QUALITY_INVALID if 300 <= at < 310 else 0
            outlet.send(publisher.quick(number))
            if at == 350:
                outlet.replay()
            if at == 450:
                other = SvPublisher(publisher.profile, Grid())
                other.quality[0] = 0x2000
                outlet.forge(other.quick(number))
        try:
            (setup,) = await opening
            named = {"samples_missing", "smp_cnt_repeated"}

            def done(frames: list[Frame]) -> bool:
                return named <= faults(frames) and sum(f.fault is None for f in frames) == 5

            return setup, await blocks(made, done), made
        finally:
            await made.close()

    try:
        setup, frames, made = asyncio.run(play())
    finally:
        outlet.close()
    assert faults(frames) == {"samples_missing", "smp_cnt_repeated", "reordered"}
    frames = [each for each in frames if each.fault is None]
    judge = decode.compiled(Kind.SV, setup.configuration).judge
    told = [{reason.name for _, reason in judge((each.raw,))} for each in frames]
    assert told == [set(), {"SAMPLES_MISSING"}, set(), {"POINT_INVALID"}, {"MALFORMED"}]
    counts = {name: number for name, number in made.counts.items() if number}
    assert counts == {
        "samples_missing": 3, "reordered": 2, "heard_twice": 1, "smp_cnt_repeated": 1,
    }  # fmt: skip
    assert set(outlet.counts) == {"sent", "lost", "reordered", "replayed", "forged"}


def test_two_merging_units_by_name(net: Namespace):
    async def hear() -> tuple[set[str], dict[str, int]]:
        made = driver(svid=["north", "south"])
        try:
            setups = await opened(net, made)
            frames = await blocks(made, lambda frames: len({f.key for f in frames}) == 2)
            assert made.counts["not_asked_for"] > 0
            return {setup.key for setup in setups}, {each.key: each.kind for each in frames}
        finally:
            await made.close()

    names = ("north", "south", "west")
    several = [part for name in names for part in ("--svid", name)]
    with publishing(net, UNIT, "--asdus", "8", *several):
        keys, kinds = asyncio.run(hear())
    assert keys == kinds.keys() == {"north", "south"}


def test_nobody_there_is_said_with_who_is(net: Namespace):
    async def hear(silence_s: float) -> None:
        made = driver(svid="MU77", silence_s=silence_s)
        try:
            await opened(net, made)
        finally:
            await made.close()

    with pytest.raises(LinkError, match=r"eth0: no Sampled Values of those asked for for 1\.\d s"):
        asyncio.run(hear(1.0))
    found = "there are AA1J1Q01MU0101"
    with publishing(net, UNIT, "--rate", "4000"), pytest.raises(LinkError, match=found):
        asyncio.run(hear(2.5))  # it begins with the next second


def test_a_publisher_that_stops_is_silence(net: Namespace):
    """What it had sent is handed on first."""

    async def hear() -> int:
        made = driver(silence_s=2.5, rate=4000)  # it begins with the next second
        count = 0
        try:
            with publishing(net, UNIT, "--rate", "4000") as unit:
                await opened(net, made)
                await blocks(made, lambda frames: len(frames) > 4)
                sent = await asyncio.to_thread(unit.end)
            with pytest.raises(LinkError, match="no Sampled Values for 2"):
                async with asyncio.timeout(WAIT_S):
                    while True:
                        await made.read()
            count = int(sent["sent"])
        finally:
            await made.close()
        return count

    assert asyncio.run(hear()) > 400


def test_an_interface_that_goes_down(net: Namespace):
    async def hear() -> None:
        made = driver()
        try:
            await opened(net, made)
            await blocks(made, lambda frames: len(frames) > 1)
            await asyncio.to_thread(net.run, "ip", "link", "set", NEAR, "down")
            with net.inside():
                async with asyncio.timeout(WAIT_S):
                    while True:
                        await made.read()
        finally:
            await made.close()
            await made.close()

    said = "eth0: down; type: sudo ip link set eth0 up"
    with publishing(net, UNIT, "--rate", "4000"), pytest.raises(LinkError, match=said):
        asyncio.run(hear())


def test_reading_before_opening_is_a_line_that_is_not_there():
    with pytest.raises(LinkError, match="not open"):
        asyncio.run(driver().read())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"interfac": "eth0"}, "interface"),
        ({"interface": "eth0", "groups": ["01-0C-CD-04-00"]}, "groups"),
        ({"interface": "eth0", "rate": 70_000}, "rate"),
        (
            {"interface": "eth0", "dataset": [{"channel": [{"name": "a", "type": "int24"}]}]},
            "int24",
        ),
        ({"interface": "eth0", "dataset": [{"channel": []}]}, "channel"),
        (
            {
                "interface": "eth0",
                "dataset": [{"channel": [{"name": "a", "type": "timestamp", "scale": 0.5}]}],
            },
            "scale",
        ),
        (
            {"interface": "eth0", "dataset": [{"channel": [{"name": "a"}]}] * 2},
            "two data sets",
        ),
        ({"interface": "eth0", "area_clock": [255]}, "area_clock"),
        ({"interface": "eth0", "appid": list(range(513))}, "appid"),
    ],
)
def test_options_are_refused_before_anything_is_opened(options: dict[str, object], said: str):
    with pytest.raises(ConfigError, match=said):
        registry.open_driver(Source("bus", "sv", options), Clock())


def test_what_libiec61850_sent_is_heard(captures: Path):
    """Its example publisher: two svIDs a frame, float samples, 20 a second."""
    path = captures / "selfmade" / "libiec61850_goose_sv.pcap"
    told = list(packets(path.read_bytes(), Tally()))
    session = Session(Terms())
    items = session.feed((each.data, Instant(each.ts_ns, None), 0) for each in told)
    items += session.flush()
    (setup,) = [item for item in items if isinstance(item, Setup)]
    frames = [item for item in items if isinstance(item, Frame)]
    assert setup.key == "svpub1 + svpub2"
    assert session.counts == {"other": 6}
    sent = [each.data for each in told if b"\x88\xba" in each.data[12:18]]
    assert [raw for each in frames for raw in decode_block(each.raw)] == sent
    values = [decode.decode(Kind.SV, setup.configuration, each.raw) for each in frames]
    counts = [count for each in values for count in each[0]]  # type: ignore[union-attr]
    assert counts == list(range(1, len(sent) + 1))


def test_what_the_kernel_drops_is_told_while_frames_still_wait(net: Namespace):
    """More than is ever read: there is no pause in which to tell it."""
    publisher = SvPublisher(SvProfile(to=Addressing(ETHERTYPE, 0x4001)), Grid())
    raws = [publisher.quick(number)[0] for number in range(4800)]
    with net.inside():
        outlet = Outlet(FAR)
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            outlet.send(raws)

    async def play() -> list[Frame]:
        made = driver(rate=4800)
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            await opened(net, made)

            def told(frames: list[Frame]) -> bool:
                time.sleep(0.05)  # what is read is never all that there is
                return "frames_dropped" in faults(frames)

            return await blocks(made, told)
        finally:
            over.set()
            thread.join()
            await made.close()
            outlet.close()

    assert "frames_dropped" in faults(asyncio.run(play()))


def test_the_publisher_says_what_it_sends(net: Namespace):
    with publishing(net, UNIT, "--seconds", "30") as unit:
        assert unit.told == {"streams": [{"svid": "AA1J1Q01MU0101", "appid": 0x4000}]}
        assert unit.end().keys() <= {"sent", "missed"}
