"""The packet socket on a real cable (a veth pair in a network of its own): what is heard, what is
not, and what is said when it cannot be.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from drivers.ethernet.capture import Capture, Interest, Packet
from drivers.ethernet.filter import APPIDS_MAX, program
from drivers.ethernet.frame import TYPE_GOOSE
from drivers.line import Instant, LinkError
from evidence.leap import BUILT_IN
from hil.namespace import Namespace
from tests.drivers.cable import Clock, net

__all__ = ["net"]  # a fixture

WAIT_S = 20.0
HEAD = bytes.fromhex("010ccd010001020000000001")
GOOSE, SV = b"\x88\xb8", b"\x88\xba"
VLAN, SERVICE = bytes.fromhex("8100800a"), bytes.fromhex("88a80014")
HSR = bytes.fromhex("892f004a0007")


class SetClock:
    """One that was set since the kernel stamped."""

    table = BUILT_IN

    def now(self) -> Instant:
        return Instant(7, None)


@pytest.fixture
def far(net: Namespace) -> Iterator[socket.socket]:
    """The other end of the cable."""
    with net.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as opened:
        opened.bind(("eth1", 0))
        yield opened


def frame(kind: bytes, appid: int, tags: bytes = b"", head: bytes = HEAD) -> bytes:
    body = appid.to_bytes(2, "big") + bytes(60)
    return head + tags + kind + body


def opened(net: Namespace, clock: object = None, **asked: object) -> Capture:
    wanted: dict[str, object] = {"interface": "eth0", "accept": {TYPE_GOOSE: (1,)}, **asked}
    with net.inside():
        return Capture(Interest(**wanted), clock or Clock())  # type: ignore[arg-type]


async def heard(capture: Capture, count: int) -> list[Packet]:
    """`count` packets, or as many as come in time."""
    packets: list[Packet] = []
    try:
        async with asyncio.timeout(WAIT_S):
            while len(packets) < count:
                packets += await capture.take()
    except TimeoutError:
        pass
    return packets


@pytest.mark.parametrize(
    "tags",
    [b"", VLAN, b"\x81\x00\x80\x00", SERVICE + VLAN, HSR, VLAN + HSR],
    ids=["bare", "vlan", "priority", "double", "hsr", "vlan-hsr"],
)
def test_frames_come_as_they_were_on_the_wire(
    net: Namespace, far: socket.socket, tags: bytes
) -> None:
    """Tag and all, and nothing but what was asked for."""
    wanted, other = frame(GOOSE, 1, tags), [frame(GOOSE, 2, tags), frame(SV, 1, tags)]

    async def hear() -> list[Packet]:
        capture = opened(net)
        try:
            for each in (*other, wanted, *other, wanted):
                far.send(each)
            return await heard(capture, 2)
        finally:
            capture.close()

    before = Clock().now().tai
    packets = asyncio.run(hear())
    assert [(packet.raw, packet.missing) for packet in packets] == [(wanted, 0)] * 2
    assert before <= packets[0].heard.tai <= packets[1].heard.tai <= Clock().now().tai
    bound = packets[0].heard.bound  # the clock's, and what it may have slewed since
    assert bound is not None and 1000 <= bound < 1_000_000


def test_nothing_else_is_asked_of_the_interface(net: Namespace) -> None:
    """The groups wanted, and no promiscuous mode; both end with the socket."""
    groups = (bytes.fromhex("010ccd010007"), bytes.fromhex("01005e000042"))

    async def look() -> tuple[str, str]:
        capture = opened(net, groups=groups)
        try:
            return net.run("ip", "maddr", "show", "dev", "eth0"), flags()
        finally:
            capture.close()

    def flags() -> str:
        return net.run("ip", "-d", "link", "show", "dev", "eth0")

    listed, told = asyncio.run(look())
    assert "01:0c:cd:01:00:07" in listed and "01:00:5e:00:00:42" in listed
    assert "promiscuity 0" in told and "allmulti 0" in told
    assert "01:0c:cd:01:00:07" not in net.run("ip", "maddr", "show", "dev", "eth0")


def test_all_groups_where_none_is_named(net: Namespace) -> None:
    async def look() -> str:
        capture = opened(net)
        try:
            return net.run("ip", "-d", "link", "show", "dev", "eth0")
        finally:
            capture.close()

    told = asyncio.run(look())
    assert "promiscuity 0" in told and "allmulti 1" in told


def test_what_this_machine_sends_is_not_heard(net: Namespace, far: socket.socket) -> None:
    async def hear() -> list[Packet]:
        capture = opened(net)
        try:
            with net.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as near:
                near.bind(("eth0", 0))
                near.send(frame(GOOSE, 1))
            far.send(frame(GOOSE, 1, VLAN))
            return await heard(capture, 1)
        finally:
            capture.close()

    assert [packet.raw for packet in asyncio.run(hear())] == [frame(GOOSE, 1, VLAN)]


def test_loopback_brings_each_frame_once(net: Namespace) -> None:
    net.run("ip", "link", "set", "lo", "up")

    async def hear() -> list[Packet]:
        capture = opened(net, interface="lo")
        try:
            with net.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as near:
                near.bind(("lo", 0))
                near.send(frame(GOOSE, 1))
                near.send(frame(GOOSE, 1, VLAN))
            return await heard(capture, 2)
        finally:
            capture.close()

    raws = [packet.raw for packet in asyncio.run(hear())]
    assert raws == [frame(GOOSE, 1), frame(GOOSE, 1, VLAN)]


def test_what_the_kernel_drops_is_counted(net: Namespace, far: socket.socket) -> None:
    """Nobody reads while many times the kernel's room is sent."""
    sent = 40_000

    async def hear() -> tuple[int, int]:
        capture = opened(net)
        try:
            for _ in range(sent):
                far.send(frame(GOOSE, 1))
            count = 0
            while capture.untaken():
                count += len(await heard(capture, 1))
            return count, capture.dropped()
        finally:
            capture.close()

    count, dropped = asyncio.run(hear())
    assert 0 < dropped < sent
    assert count + dropped == sent


def test_a_pause_brings_more_at_a_time_with_the_stamps_kept(
    net: Namespace, far: socket.socket
) -> None:
    """What comes within the pause is read together; each frame has its own arrival."""

    async def hear() -> list[Packet]:
        capture = opened(net, pause_s=0.5)
        try:
            far.send(frame(GOOSE, 1))  # the kernel may begin to stamp only now
            await heard(capture, 1)
            far.send(frame(GOOSE, 1))
            await asyncio.sleep(0.1)
            assert capture.untaken()
            far.send(frame(GOOSE, 1))
            return await capture.take()
        finally:
            capture.close()

    first, second = asyncio.run(hear())
    assert second.heard.tai - first.heard.tai >= 90_000_000


def test_a_clock_that_was_set_has_heard_it_now(net: Namespace, far: socket.socket) -> None:
    async def hear() -> list[Packet]:
        capture = opened(net, SetClock())
        try:
            far.send(frame(GOOSE, 1))
            return await heard(capture, 1)
        finally:
            capture.close()

    assert asyncio.run(hear())[0].heard == Instant(7, None)


def test_an_oversized_frame_says_what_is_missing(net: Namespace, far: socket.socket) -> None:
    for name in ("eth0", "eth1"):
        net.run("ip", "link", "set", name, "mtu", "12000")

    async def hear() -> list[Packet]:
        capture = opened(net)
        try:
            far.send(frame(GOOSE, 1) + bytes(10_000))
            return await heard(capture, 1)
        finally:
            capture.close()

    (packet,) = asyncio.run(hear())
    whole = frame(GOOSE, 1) + bytes(10_000)
    assert packet.raw == whole[: len(packet.raw)]
    assert packet.missing == len(whole) - len(packet.raw) > 0


def test_no_such_interface_names_those_that_are_there(net: Namespace) -> None:
    with pytest.raises(LinkError, match=r"eth7: no such interface; there are .*eth0"):
        asyncio.run(_open_and_close(net, interface="eth7"))


def test_an_interface_that_is_down_says_what_to_type(net: Namespace) -> None:
    net.run("ip", "link", "set", "eth0", "down")
    with pytest.raises(LinkError, match="eth0: down; type: sudo ip link set eth0 up"):
        asyncio.run(_open_and_close(net))


async def _open_and_close(net: Namespace, **asked: object) -> None:
    opened(net, **asked).close()


@pytest.mark.parametrize(
    ("command", "said"),
    [(("ip", "link", "set", "eth0", "down"), "down"), (("ip", "link", "del", "eth0"), "gone")],
)
def test_an_interface_that_goes_is_a_line_that_failed(
    net: Namespace, far: socket.socket, command: tuple[str, ...], said: str
) -> None:
    """What came before is given first."""

    async def hear() -> None:
        capture = opened(net)
        try:
            far.send(frame(GOOSE, 1))
            assert len(await heard(capture, 1)) == 1
            net.run(*command)
            with net.inside(), pytest.raises(LinkError, match=f"eth0: {said}"):
                async with asyncio.timeout(WAIT_S):
                    await capture.take()
        finally:
            capture.close()

    asyncio.run(hear())


def test_without_the_right_it_says_what_to_type() -> None:
    if os.geteuid() == 0:
        code = (
            "import os, sys; sys.path[:] = eval(sys.argv[1]);"
            "import asyncio, drivers.ethernet.capture as c;"
            "os.setgid(65534); os.setuid(65534);"
            "make = lambda: c.Capture(c.Interest('lo', {0x88B8: ()}), None);"
            "exec('async def main(): make()'); asyncio.run(main())"
        )
        told = [sys.executable, "-c", code, repr(sys.path)]
        done = subprocess.run(told, capture_output=True, text=True, timeout=WAIT_S, check=False)
        said = done.stderr.splitlines()[-1]
        assert "LinkError: lo: hearing raw frames needs CAP_NET_RAW" in said
        assert said.endswith("begin with sudo")
        return
    with pytest.raises(LinkError, match="CAP_NET_RAW"):
        asyncio.run(_alone())


async def _alone() -> None:
    Capture(Interest("lo", {TYPE_GOOSE: ()}), Clock()).close()


def test_a_filter_has_a_limit() -> None:
    assert len(program({TYPE_GOOSE: range(APPIDS_MAX)})) % 8 == 0
    with pytest.raises(ValueError, match="APPIDs"):
        program({TYPE_GOOSE: range(APPIDS_MAX + 1)})


def test_what_the_kernel_stamps_late_is_never_heard_after_the_next(
    net: Namespace, far: socket.socket
) -> None:
    """It begins to stamp some time after it was asked to; the first frames may show that."""

    async def hear() -> list[Packet]:
        capture = opened(net, pause_s=0.2)
        try:
            for _ in range(50):
                far.send(frame(GOOSE, 1))
                await asyncio.sleep(0.002)
            return await heard(capture, 50)
        finally:
            capture.close()

    instants = [packet.heard.tai for packet in asyncio.run(hear())]
    assert len(instants) == 50
    assert instants == sorted(instants)
    assert instants[-1] - instants[0] >= 80_000_000
