"""The GOOSE driver on a real cable (a veth pair in a network of its own), and what the agent makes
of what it hears.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.health import Health
from agent.hearing import Hearing
from drivers import registry
from drivers.line import Driver, Frame, Instant, LinkError, Setup, Source
from evidence import event, gap, siteplan
from evidence.code import Event, Kind
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS
from evidence.siteplan import SitePlan
from hil.devices.goose import GooseProfile, GoosePublisher, boolean, float32
from hil.faults.need import NAMESPACES, have
from hil.namespace import Namespace
from tests.agent.listening import begin, sealed
from tests.agent.site import Randomness, Time
from tests.conftest import absent
from tests.drivers.goose import Publisher
from tests.drivers.test_goose_scl import BAY
from tests.drivers.vector import vector

WAIT_S = 20.0
PATIENT_MS = 60_000  # between frames: a machine that is held up is no silence
REFERENCE = "IED1LD0/LLN0$GO$gcb1"
Item = Frame | Setup


class Clock:
    """The machine's own, vouching for a microsecond."""

    table = BUILT_IN

    def now(self) -> Instant:
        return self.at(time.time_ns())

    def at(self, realtime_ns: int) -> Instant:
        seconds, ns = divmod(realtime_ns, NS)
        return Instant(BUILT_IN.tai_ns(seconds, ns), 1000)


@pytest.fixture
def net() -> Iterator[Namespace]:
    if not have(("ip", "nsenter", NAMESPACES)):
        absent("namespaces and iproute2", "run as root")
    with Namespace() as made:
        made.cable()
        yield made


@pytest.fixture
def far(net: Namespace) -> Iterator[socket.socket]:
    """The other end of the cable."""
    with net.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as opened:
        opened.bind(("eth1", 0))
        yield opened


def made(folder: str = "", **options: Any) -> Driver:
    source = Source("bay", "goose", {"interface": "eth0", **options}, folder)
    return registry.open_driver(source, Clock())


async def until(driver: Driver, enough: Callable[[list[Item]], bool]) -> list[Item]:
    """What is read until there is enough, or too late."""
    items: list[Item] = []
    async with asyncio.timeout(WAIT_S):
        while not enough(items):
            items += await driver.read()
    return items


def played(
    net: Namespace,
    act: Callable[[], None],
    enough: Callable[[list[Item]], bool],
    folder: str = "",
    **options: Any,
) -> tuple[list[Setup], list[Item]]:
    """Opens the driver, acts, and reads until there is enough."""

    async def play() -> tuple[list[Setup], list[Item]]:
        driver = made(folder, **options)
        try:
            with net.inside():
                setups = list(await driver.open())
            act()
            return setups, await until(driver, enough)
        finally:
            await driver.close()

    return asyncio.run(play())


def samples(items: list[Item]) -> list[Frame]:
    return [
        item
        for item in items
        if isinstance(item, Frame) and item.kind == Kind.GOOSE and item.fault is None
    ]


def noticed(items: list[Item]) -> list[Event]:
    return [
        event.read(item.raw).event
        for item in items
        if isinstance(item, Frame) and item.kind == Kind.EVENT and item.fault is None
    ]


def names(items: list[Item]) -> list[str]:
    return [item.fault.fault for item in items if isinstance(item, Frame) and item.fault]


@pytest.mark.parametrize("name", ["trip", "vlan", "hsr", "prp", "security"])
def test_the_whole_frame_is_the_sample(net: Namespace, far: socket.socket, name: str):
    raw = vector("goose", name)

    def act() -> None:
        far.send(raw)

    _, items = played(net, act, samples, appid=0x3001)  # type: ignore[arg-type]
    (sample,) = samples(items)
    assert sample.raw == raw
    assert abs(sample.heard.tai - Clock().now().tai) < 60 * NS
    assert noticed(items) == [Event.STATE_FOUND]


def test_only_what_is_subscribed_is_heard(net: Namespace, far: socket.socket):
    mine, other = GoosePublisher(GooseProfile(), ()), GooseProfile(gocb_ref="IED2/LLN0$GO$x")

    def act() -> None:
        for raw in (*GoosePublisher(other, ()).next()[0], *mine.next()[0]):
            far.send(raw)
        mine.change((boolean(True),))
        far.send(mine.next()[0][0])

    _, items = played(net, act, lambda items: len(samples(items)) >= 2, gocbref=REFERENCE)
    assert {sample.key for sample in samples(items)} == {f"gocbRef={REFERENCE}"}


@pytest.mark.parametrize("octets", [0, 60, 300], ids=["short", "one", "two"])
@pytest.mark.parametrize("appid", [None, 0x3001])
@pytest.mark.parametrize("reference", ["A", "IED1LD0/LLN0$GO$gcb01", "R" * 129])
def test_the_kernel_drops_what_is_not_subscribed(
    net: Namespace, far: socket.socket, octets: int, appid: int | None, reference: str
):
    """By gocbRef, whatever the form of the message's length, tagged or not."""
    values = (("octet-string", bytes(octets)),)
    mine = Publisher(gocbRef=reference, values=values).frame()
    tagged = mine[:12] + bytes.fromhex("8100800a") + mine[12:]
    others = [
        Publisher(gocbRef=reference[:-1] + "x", values=values).frame(),
        Publisher(gocbRef=reference[1:], values=values).frame(),
        Publisher(gocbRef=reference, values=values, appid=0x4001).frame(),
    ]

    async def play() -> tuple[list[Item], int]:
        options: dict[str, Any] = {} if appid is None else {"appid": appid}
        driver = made(gocbref=reference, **options)
        try:
            with net.inside():
                await driver.open()
            for raw in (*others[:2], *(others[2:] if appid else ()), tagged):
                far.send(raw)
            items = await until(driver, lambda items: bool(samples(items)))
            return items, driver.counts["unsubscribed"]
        finally:
            await driver.close()

    items, unsubscribed = asyncio.run(play())
    assert [sample.raw for sample in samples(items)] == [tagged]
    # The first 64 octets are compared in the kernel, the rest by the session.
    assert unsubscribed == (1 if len(reference) > 64 else 0)


@pytest.mark.parametrize("long", [b"\x81", b"\x82\0"])
def test_a_reference_with_a_longer_length_is_heard(net: Namespace, far: socket.socket, long: bytes):
    """X.690 8.1.3.5 allows it, and so does decoding."""
    values = (("octet-string", bytes(60)),)  # so that the message's own length has two octets
    short = Publisher(gocbRef=REFERENCE, values=values).frame()
    other = Publisher(gocbRef=REFERENCE[:-1] + "x", values=values).frame()

    def longer(raw: bytes) -> bytes:
        found = bytearray(raw)
        at = found.index(b"\x80" + bytes((len(REFERENCE),)))
        found[at + 1 : at + 1] = long
        for length in (17, at - 1):
            found[length] += len(long)
        return bytes(found)

    def act() -> None:
        for raw in (longer(other), longer(short)):
            far.send(raw)

    _, items = played(net, act, samples, gocbref=REFERENCE)  # type: ignore[arg-type]
    assert [sample.raw for sample in samples(items)] == [longer(short)]


def test_a_group_of_its_own_is_joined(net: Namespace):
    """Outside 01-0C-CD, by configuration; nothing else is asked of the interface."""

    async def look() -> str:
        driver = made(gocbref=REFERENCE, groups=["01-A0-F4-08-2F-77"])
        with net.inside():
            await driver.open()
        try:
            return net.run("ip", "maddr", "show", "dev", "eth0")
        finally:
            await driver.close()

    assert "01:a0:f4:08:2f:77" in asyncio.run(look())


def test_silence_is_told_by_the_clock_alone(net: Namespace, far: socket.socket):
    publisher = GoosePublisher(GooseProfile(steady_ms=100), (boolean(False),))

    def act() -> None:
        far.send(publisher.next()[0][0])

    before = time.monotonic()
    _, items = played(net, act, lambda items: Event.SILENT in noticed(items))
    assert names(items) == ["silent"]
    assert time.monotonic() - before >= 0.2  # twice the steady interval, as it allowed


def test_an_interface_that_goes_down_is_a_failed_line(net: Namespace):
    async def play() -> None:
        driver = made()
        with net.inside():
            await driver.open()
        try:
            net.run("ip", "link", "set", "eth0", "down")
            await until(driver, lambda _: False)
        finally:
            await driver.close()

    with pytest.raises(LinkError, match="eth0: down"):
        asyncio.run(play())


def test_an_interface_that_is_not_there_says_which_are(net: Namespace):
    async def play() -> None:
        with net.inside():
            await made(interface="eth7").open()

    with pytest.raises(LinkError, match=r"eth7: no such interface; there are .*eth0"):
        asyncio.run(play())


def test_names_from_a_file(net: Namespace, far: socket.socket, tmp_path: Path):
    (tmp_path / "bay.cid").write_bytes(BAY)
    options = {"scl": "bay.cid", "gocbref": "IED1LD0/LLN0$GO$gcb01"}

    def act() -> None:
        far.send(vector("goose", "trip"))

    setups, items = played(net, act, lambda items: bool(samples(items)), str(tmp_path), **options)
    assert setups[0].blocks[0].channels[0].name == "IED1LD0/Q0XCBR1.Pos.stVal"
    # The vector's four entries are not the six of the file.
    assert [item.configuration for item in items if isinstance(item, Setup)] == [b""]
    assert "data_set_changed" in names(items)


def test_a_file_that_is_missing_is_told_before_anything_is_opened(tmp_path: Path):
    driver = made(str(tmp_path), scl="bay.cid")
    with pytest.raises(ConfigError, match=r"bay\.cid: No such file"):
        driver.expected()


def test_what_the_agent_makes_of_it(net: Namespace, far: socket.socket):
    """Samples, events and the gap are sealed in one chain; faults are in its health, by name."""
    publisher = GoosePublisher(GooseProfile(), (boolean(False), float32(1.0)))

    def act() -> None:
        for turn, st_num in enumerate((1, 2, 5, 6)):
            publisher.change((boolean(bool(turn % 2)), float32(float(turn))))
            far.send(publisher.frames(PATIENT_MS, st_num=st_num)[0])
        far.send(publisher.frames(PATIENT_MS, st_num=1, t_ns=publisher.t_ns - NS)[0])

    setups, items = played(net, act, lambda items: Event.REPLAYED in noticed(items))
    health = Health()
    hearing = Hearing(SitePlan(siteplan.Site("Site")), Time(), Randomness("goose"), health)
    hearing.attach(begin())
    hearing.hear("bay", [*setups, *items])
    found = sealed(hearing)
    kinds = [Kind(sample.kind).name for sample in found]
    assert kinds == ["EVENT", "GOOSE", "GOOSE", "EVENT", "GAP", "GOOSE", "GOOSE", "EVENT"]
    assert [sample.raw for sample in found if sample.kind == Kind.GOOSE] == [
        sample.raw for sample in samples(items)
    ]
    (hole,) = [gap.read(sample.raw) for sample in found if sample.kind == Kind.GAP]
    assert hole.count == 2
    assert health.source("bay").faults == {"states_lost": 1, "replayed": 1}
