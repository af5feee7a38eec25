"""What a network does to datagrams, and what becomes of them: real sockets, on loopback."""

import asyncio
import time

from agent.clock import SystemClock
from drivers.c37118.driver import UdpDriver
from drivers.c37118.wire import Command, Stamp, encode_command
from drivers.line import STREAMS_MAX, Frame
from evidence.code import Kind
from evidence.leap import BUILT_IN
from tests.drivers.pmu import SOC
from tests.drivers.udp import LOOPBACK, Sender, items, listening


def test_a_datagram_of_several_frames_and_of_half_a_one():
    async def scenario(made: UdpDriver, sender: Sender) -> None:
        sender.send(sender.frames(0, 3))
        sender.send(sender.frames(3)[:-4])
        sender.send(b"")
        sender.send(sender.frames(4) + b"\0")
        sender.send(sender.frames(5))
        found = await items(made, 8)
        names = [one.fault.fault if one.fault else "" for one in found]
        assert names == ["", "", "", "truncated", "truncated", "", "truncated", ""]
        good = b"".join(one.raw for one in found if one.fault is None)
        assert good == b"".join(sender.frames(at) for at in (0, 1, 2, 4, 5))

    listening(scenario)


def test_half_a_frame_is_not_completed_by_the_next_datagram():
    async def scenario(made: UdpDriver, sender: Sender) -> None:
        raw = sender.frames(0)
        sender.send(raw[:20])
        sender.send(raw[20:])
        sender.send(sender.frames(1))
        found = await items(made, 3)
        assert [one.fault.fault if one.fault else "" for one in found] == ["truncated", "sync", ""]

    listening(scenario)


def stall(seconds: float) -> None:
    """The loop does something else."""
    time.sleep(seconds)


def test_heard_is_when_it_arrived_and_not_when_the_loop_came_to_it():
    async def scenario(made: UdpDriver, sender: Sender) -> None:
        clock = SystemClock(BUILT_IN)
        late_ns = []
        for number in range(40):  # the kernel begins to stamp a while after it is first asked to
            before = clock.now().tai
            sender.send(sender.frames(number))
            stall(0.2)
            (frame,) = await items(made, 1)
            late_ns.append(frame.heard.tai - before)
            if late_ns[-1] < 100_000_000:
                break
        assert 0 <= late_ns[-1] < 100_000_000, late_ns

    listening(scenario)


def test_a_stranger_is_named_and_not_sealed():
    async def scenario(made: UdpDriver, sender: Sender) -> None:
        with Sender(made._options.local_port or 0, "127.0.0.9") as stranger:
            for number in range(100):
                stranger.send(stranger.frames(number))
        sender.send(sender.frames(0))
        found = await items(made, 2)
        while found[-1].fault is not None and "further" not in str(found[-1].fault):
            found += await items(made, 1)
        assert [one.raw for one in found if one.fault is None] == [sender.frames(0)]
        faults = [one.fault for one in found if one.fault is not None]
        assert {one.fault for one in faults} == {"stranger"}
        assert "127.0.0.9" in str(faults[0])
        assert len(faults) < 100  # a flood of them is told as a number

    listening(scenario, host=LOOPBACK)


def test_what_the_kernel_dropped_is_told_by_number():
    async def scenario(made: UdpDriver, sender: Sender) -> None:
        for number in range(400):  # nobody reads meanwhile
            sender.send(sender.frames(number))
        found = await items(made, 2)
        sender.send(sender.frames(400))
        while found[-1].raw != sender.frames(400):
            found += await items(made, 1)
        (told,) = [one.fault for one in found if one.fault is not None]
        good = sum(one.fault is None for one in found)
        assert told.fault == "kernel_dropped"
        assert str(401 - good) in str(told)
        assert found[-2].fault is told  # right before what came after the hole

    listening(scenario, receive_buffer_bytes=4096)


def test_a_burst_waits_in_a_buffer_that_is_large_enough():
    async def scenario(made: UdpDriver, sender: Sender) -> None:
        for number in range(1000):
            sender.send(sender.frames(number))
        found = await items(made, 1000)
        assert b"".join(one.raw for one in found) == sender.frames(0, 1000)

    listening(scenario)


def test_more_idcodes_than_a_source_may_have_are_named():
    async def scenario(made: UdpDriver, sender: Sender) -> None:
        for idcode in range(100, 100 + STREAMS_MAX):
            sender.send(encode_command(Command.DATA_ON, idcode, Stamp(SOC)))
        found = await items(made, STREAMS_MAX)
        faults = [one.fault.fault for one in found if one.fault is not None]
        assert faults == ["streams"]  # one of them has been there before: the bench PMU's

    listening(scenario)


def test_an_extended_command_of_somebody_else_is_kept_as_it_is():
    async def scenario(made: UdpDriver, sender: Sender) -> None:
        raw = encode_command(Command.EXTENDED, 7, Stamp(SOC), extension=bytes(60_000))
        sender.send(raw)
        (frame,) = await items(made, 1)
        assert frame.raw == raw and frame.kind == Kind.C37118_INFO and frame.fault is None

    listening(scenario)


def test_a_cancelled_read_loses_nothing():
    async def scenario(made: UdpDriver, sender: Sender) -> None:
        seen: list[Frame] = []
        for number in range(50):
            task = asyncio.create_task(made.read())
            await asyncio.sleep(0)
            sender.send(sender.frames(number))
            if number % 2:
                await asyncio.sleep(0.001)
            task.cancel()
            done = (await asyncio.gather(task, return_exceptions=True))[0]
            if isinstance(done, list):
                seen += [item for item in done if isinstance(item, Frame)]
        if len(seen) < 50:
            seen += await items(made, 50 - len(seen))
        assert b"".join(one.raw for one in seen) == sender.frames(0, 50)

    listening(scenario)
