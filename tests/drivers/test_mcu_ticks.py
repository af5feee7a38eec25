"""What a board's ticks are believed for, and whose: nobody moves an arrival who has no key."""

import struct

import pytest

from drivers.c37118.wire import FrameType, Layout
from evidence.code import Kind
from evidence.leap import NS
from firmware_bridge.link import PONG, PONG_BODY, ticks_tag
from firmware_bridge.packet import Unpacker
from firmware_bridge.shim.digest import Hmac
from tests.drivers.pmu import configuration, data
from tests.drivers.test_mcu import KEY, PMU_KEY, TAI0, World

LAYOUT = Layout(configuration(FrameType.CFG2))


def pong(world: World, ticks: int, key: bytes) -> None:
    """An answer to the PING that is open, in the board's place."""
    world.now_ns += 2 * NS
    world.session.output(world.now_ns)
    link = world.session._link
    assert link._pinged is not None
    said = (link._session, link._pinged[0], ticks, ticks)
    tag = ticks_tag(Hmac(key), world.boots, *said)
    world.inject(struct.pack(PONG_BODY, *said, tag), PONG)


@pytest.mark.parametrize("ticks", [0, 2**63, 2**64 - 1])
def test_ticks_that_cannot_be_make_no_instant_that_nobody_can_sign(ticks: int):
    """One sample with a number beyond 64 bits, and a whole batch is refused."""
    world = World().go()
    pong(world, ticks, KEY)
    world.say(data(LAYOUT, 1))
    world.say(b"\x01\x03\x00\x00", port=1)
    world.go()
    found = world.frames(PMU_KEY, Kind.MCU_C37118) + world.frames("tap=1", Kind.MCU_INFO)
    assert len(found) == 2
    assert all(abs(one.heard.tai - TAI0 - world.now_ns) < 10 * NS for one in found)
    assert all(one.heard.bound is None or one.heard.bound < 2**62 for one in found)


def test_who_sits_on_the_link_moves_no_arrival_by_answering_for_the_board():
    """Half a second: nothing that a limit of ours would find."""
    world = World().go()
    pong(world, world.ticks_us + 1_500_000, bytes(32))
    world.say(b"\x01\x03\x00\x00", port=1)
    at_ns = world.now_ns
    (one,) = world.go().frames("tap=1", Kind.MCU_INFO)
    assert abs(one.heard.tai - TAI0 - at_ns) < 5_000_000
    assert world.session.counts["times_forged"] == 1 and not world.session.counts["clock_steps"]


def test_what_the_board_answered_once_is_no_answer_again():
    world = World().go(450)
    pongs = [one for one in world.heard if Unpacker(4096).feed(one)[0][0] == PONG]
    assert len(pongs) == 3
    low, high = world.session._link.offset.low, world.session._link.offset.high
    world.now_ns += 2 * NS
    world.session.output(world.now_ns)
    for one in pongs:
        world.hear(one)
    assert (world.session._link.offset.low, world.session._link.offset.high) == (low, high)
