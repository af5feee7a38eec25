"""What a single packet on the link must not do, lost or forged: stop it for good."""

import struct

from firmware_bridge import link
from tests.firmware_bridge.test_foreign import packed
from tests.firmware_bridge.test_link import CREDIT, FIRMWARE, NAME, World


def test_a_full_ring_is_freed_though_the_packet_that_said_so_was_lost():
    """A board that has no room seals nothing, and so sends nothing that would be answered."""
    world = World()
    world.until_commit = 10**9
    world.steps(300)
    assert world.lost > 0 and world.ring.heard == world.ring.next
    world.down.cut = True
    world.gateway.keep(1, len(world.sealed) - 1)
    world.steps(10)  # 50 ms: it was said
    world.down.cut = False
    sealed = len(world.sealed)
    world.steps(300)
    assert len(world.sealed) > sealed


def test_credit_that_somebody_took_away_is_given_again():
    world = World()
    world.steps(20)
    world.settle()
    told = (world.gateway.greeting and world.gateway._session, 1, 0, 0, 0)
    world.board.receive(packed(link.ACK, struct.pack(link.ACK_BODY, *told)), world.ticks_us)
    world.steps(40)
    world.settle()
    assert world.lost == 0 and world.arrived == world.sealed and world.board._credit == CREDIT


def test_a_greeting_with_a_first_that_never_comes_is_not_believed_for_good():
    world = World()
    world.steps(100)
    world.start_gateway()
    world.arrived.clear()
    world.gateway.output(world.now_ns)  # HELLO
    first = world.ring.first
    assert first > 5
    welcome = (1, world.gateway._session, NAME, 1, first - 2, first + 9, *FIRMWARE)
    forged = packed(link.WELCOME, struct.pack(link.WELCOME_BODY, *welcome))
    world.board.receive(
        packed(
            link.HELLO, struct.pack(link.HELLO_BODY, *link.VERSIONS, world.gateway._session, CREDIT)
        ),
        world.ticks_us,
    )
    assert world.gateway.receive(forged, world.now_ns) == []
    world.settle()
    world.settle()
    assert world.arrived == world.sealed[first:]
