"""The link: over a line that loses, flips, doubles and invents octets, and through both resets."""

import itertools
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge import link, pairing
from firmware_bridge.frame import HEADER_BYTES, TAG_BYTES, TAPPED, Chain, Fields
from firmware_bridge.gateway import Gateway, Offset
from firmware_bridge.packet import Packer, Unpacker
from firmware_bridge.ring import Ring

NAME, FIRMWARE, KEY = b"boardone", (1, 2, 3), bytes(range(32))
STEP_NS = 5_000_000
COMMIT_STEPS = 10
CREDIT = 4096


class Line:
    """One direction: octets as they went in, and what a bad line made of them."""

    def __init__(self, noise: random.Random, bad: float) -> None:
        self._noise, self._bad = noise, bad
        self.cut = False

    def through(self, octets: bytes) -> bytes:
        if self.cut:
            return b""
        if self._noise.random() >= self._bad or not octets:
            return octets
        at = self._noise.randrange(len(octets))
        what = self._noise.randrange(5)
        made = (
            octets[:at],  # the cable came out
            octets[:at] + bytes([octets[at] ^ 0x10]) + octets[at + 1 :],
            octets[:at] + octets[at + 1 :],
            octets[: at + 1] + octets[at:],
            self._noise.randbytes(30) + octets,
        )
        return made[what]


class World:
    """A board that seals a frame at each step, a gateway, and the line between them. What arrived
    is kept by the commit that begins after it, each COMMIT_STEPS."""

    def __init__(self, seed: int = 0, bad: float = 0.0) -> None:
        noise = random.Random(seed)
        self.up, self.down = Line(noise, bad), Line(noise, bad)
        self.now_ns = 1_000_000_000
        self.sealed: list[bytes] = []
        self.lost = 0
        self.arrived: list[bytes] = []
        self._sessions = itertools.count(1)
        self.boots = 0
        self.start_board()
        self.start_gateway()

    def start_board(self) -> None:
        self.boots += 1
        self.ring = Ring(6144)
        self.chain = Chain(KEY, bytes(32), self.boots)
        self.board = link.Board(self.ring, self.boots, NAME, FIRMWARE, 115_200, KEY)
        self.started_ns = self.now_ns

    def start_gateway(self) -> None:
        self.gateway = Gateway(lambda: next(self._sessions), CREDIT, 200, KEY)
        self.committing = (0, -1)
        self.until_commit = COMMIT_STEPS

    @property
    def ticks_us(self) -> int:
        return (self.now_ns - self.started_ns) // 1000

    def seal(self) -> None:
        if not self.ring.fits(HEADER_BYTES + 100 + TAG_BYTES):
            self.lost += 1
            return
        buffer = bytearray(200)
        size = self.chain.seal(buffer, TAPPED, 0, 0, self.ticks_us, 0, 100)
        assert self.ring.put(memoryview(buffer)[:size])
        self.sealed.append(bytes(buffer[:size]))

    def step(self, seal: bool = True) -> None:
        self.now_ns += STEP_NS
        if seal:
            self.seal()
        self.board.receive(self.down.through(self.gateway.output(self.now_ns)), self.ticks_us)
        for _ in range(4):
            size = self.board.output(self.ticks_us)
            octets = self.up.through(bytes(self.board.packer.buffer[:size]))
            self.arrived += self.gateway.receive(octets, self.now_ns)
        self.until_commit -= 1
        if not self.until_commit:
            self.commit()

    def commit(self) -> None:
        self.gateway.keep(*self.committing)
        self.until_commit = COMMIT_STEPS
        if self.arrived:
            last = Fields(self.arrived[-1])
            self.committing = (last.boot, last.seq)

    def steps(self, count: int, seal: bool = True) -> None:
        for _ in range(count):
            self.step(seal)

    def settle(self) -> None:
        """A good line, and nothing new, for as long as anything is resent."""
        self.up._bad = self.down._bad = 0.0
        self.steps(400, seal=False)


@given(st.integers(0, 2**32), st.sampled_from((0.0, 0.01, 0.2)))
@settings(max_examples=10)
def test_every_frame_arrives_once_and_in_order_over_a_bad_line(seed, bad):
    world = World(seed, bad)
    world.steps(150)
    world.settle()
    assert world.arrived == world.sealed
    assert world.gateway.holes == []
    assert world.ring.first == world.ring.next  # all of it acknowledged, and forgotten


def test_a_damaged_frame_is_there_again_before_the_next_but_one():
    world = World()
    world.steps(200)
    before = len(world.arrived)
    world.up._bad = 1.0
    world.step()
    world.up._bad = 0.0
    world.steps(3)
    assert len(world.arrived) == before + 4


def test_a_cable_pulled_in_a_frame_and_put_back():
    world = World()
    world.steps(200)
    world.up.cut = world.down.cut = True
    world.steps(20)
    world.up.cut = world.down.cut = False
    world.settle()
    assert world.arrived == world.sealed and world.lost == 0


def test_a_board_that_was_reset_is_heard_anew_and_what_it_forgot_is_a_hole():
    world = World()
    world.steps(200)
    world.up.cut = True  # so that something is forgotten
    world.steps(3)
    world.up.cut = False
    forgotten = len(world.sealed) - len(world.arrived)
    kept = len(world.arrived)
    world.start_board()
    fresh = len(world.sealed)
    world.steps(300)
    world.settle()
    assert forgotten == 3
    assert world.arrived[kept:] == world.sealed[fresh:]
    assert [(hole.boot, hole.seq, hole.count) for hole in world.gateway.holes] == [(1, kept, None)]


def test_a_gateway_that_was_restarted_gets_all_that_it_had_not_acknowledged():
    world = World()
    world.steps(203)
    acknowledged = world.ring.first
    world.start_gateway()
    world.arrived.clear()
    world.steps(50)
    world.settle()
    assert world.arrived == world.sealed[acknowledged:]
    assert [(hole.boot, hole.seq, hole.count) for hole in world.gateway.holes] == [
        (1, 0, acknowledged)
    ]


def test_while_the_gateway_is_away_the_ring_fills_and_nothing_sealed_is_dropped():
    world = World()
    world.steps(100)
    world.up.cut = world.down.cut = True
    world.steps(100)
    assert world.lost > 0
    world.up.cut = world.down.cut = False
    world.settle()
    assert world.arrived == world.sealed


def test_no_more_is_under_way_than_the_gateway_takes():
    world = World()
    world.steps(150)
    world.down.cut = True
    world.steps(100)
    assert world.ring.ahead <= CREDIT + 200


def test_a_board_of_another_version_is_named_and_not_heard():
    world = World()
    packet = Packer(64)
    size = packet.pack(link.HELLO, bytes([2, 3]) + bytes(6))
    world.board.receive(bytes(packet.buffer[:size]), 0)
    told = [world.board.output(0) for _ in range(1)]  # that it started
    size = world.board.output(0)
    world.gateway.receive(bytes(world.board.packer.buffer[:size]), 0)
    assert told and world.gateway.refused == link.VERSIONS
    assert world.board.output(0) == 0


def agreed(world: World, baud: int) -> None:
    world.board.receive(world.gateway.propose(baud), world.ticks_us)
    world.steps(2)
    assert world.gateway.baud == world.board.baud == baud


def test_a_rate_is_changed_and_kept_while_the_gateway_is_heard_at_it():
    world = World()
    world.steps(200)
    agreed(world, 460_800)
    world.steps(600)
    assert world.board.baud == 460_800 and world.gateway.greeting


@pytest.mark.parametrize("heard", [0, 300])
def test_a_board_that_hears_nobody_goes_back_to_the_rate_of_its_settings(heard):
    """At once where nobody is heard after the change; later where the gateway went away."""
    world = World()
    world.steps(200)
    world.down.cut = not heard
    agreed(world, 460_800)
    world.steps(heard)
    world.up.cut = world.down.cut = True
    world.steps(150)
    assert world.board.baud == 460_800
    world.steps(1050 if heard else 150)
    assert world.board.baud == 115_200
    world.up.cut = world.down.cut = False
    world.settle()
    assert world.arrived == world.sealed


def test_a_board_whose_cable_is_out_has_no_session_and_takes_it_up_again():
    """Its LED says so: whoever put it there looks at that."""
    world = World()
    world.steps(200)
    shown = [world.board.open]
    world.up.cut = world.down.cut = True
    world.steps(1050, seal=False)
    shown.append(world.board.open)
    world.up.cut = world.down.cut = False
    world.settle()
    assert (
        [*shown, world.board.open] == [True, False, True]
        and world.arrived == world.sealed
        and world.gateway.holes == []
    )


def test_a_gateway_that_starts_anew_before_it_heard_of_a_rate_finds_the_one_of_the_settings():
    world = World()
    world.steps(200)
    world.settle()
    world.board.receive(world.gateway.propose(921_600), world.ticks_us)
    world.start_gateway()
    world.board.receive(world.gateway.output(world.now_ns), world.ticks_us)
    for _ in range(5):
        world.board.output(world.ticks_us)
        assert world.board.baud == 115_200 and world.board.open


def test_what_was_under_way_when_a_frame_was_wanted_does_not_have_it_wanted_again():
    world = World()
    world.steps(200)
    world.settle()
    packets = []
    for _ in range(3):
        world.seal()
        size = world.board.output(world.ticks_us)
        packets.append(bytes(world.board.packer.buffer[:size]))

    def said() -> list[int]:
        world.now_ns += 50_000_000
        return [kind for kind, _ in Unpacker(64).feed(world.gateway.output(world.now_ns))]

    gateway, now = world.gateway, world.now_ns
    assert gateway.receive(packets[1], now) == [] and link.WANT in said()
    assert gateway.receive(packets[2], now) == []  # said before the board heard it
    assert gateway.receive(b"".join(packets), now) == world.sealed[-3:]
    assert link.WANT not in said()


def test_what_was_agreed_is_said_at_the_rate_that_the_gateway_still_hears():
    world = World()
    world.steps(200)
    world.settle()
    world.board.receive(world.gateway.propose(460_800), world.ticks_us)
    size = world.board.output(world.ticks_us)
    assert world.board.baud == 115_200
    world.gateway.receive(bytes(world.board.packer.buffer[:size]), world.now_ns)
    assert world.gateway.baud == 460_800
    assert world.board.output(world.ticks_us) == 0 and world.board.baud == 460_800


def test_what_came_after_the_turn_began_is_no_long_silence():
    """A board hears with ticks taken after its read, and answers with those of the turn before."""
    world = World()
    world.steps(200)
    world.settle()
    world.board.receive(world.gateway.propose(460_800), world.ticks_us)
    world.board.output(world.ticks_us)
    world.board.output(world.ticks_us)
    world.now_ns += 2_000_000_000
    world.board.receive(world.gateway.output(world.now_ns), world.ticks_us)
    world.board.output(world.ticks_us - 50)
    assert world.board.open and world.board.baud == 460_800


@pytest.mark.parametrize("baud", [0, 1, 9599, 3_000_001, 2**32 - 1])
def test_a_rate_that_no_port_has_is_not_agreed_to(baud):
    world = World()
    world.steps(200)
    world.board.receive(world.gateway.propose(baud), world.ticks_us)
    world.steps(2)
    assert world.gateway.baud is None and world.board.baud == 115_200


def test_a_board_with_keys_answers_an_offer_by_that_alone():
    board = World().board
    packer, unpacker = Packer(64), Unpacker(64)
    board.output(0)  # that it started
    board.receive(bytes(packer.buffer[: packer.pack(pairing.OFFER, bytes(32))]), 0)
    size = board.output(0)
    assert unpacker.feed(bytes(board.packer.buffer[:size])) == [(pairing.KEYED, b"")]
    assert (link.OFFER, link.KEYED) == (pairing.OFFER, pairing.KEYED)
    assert board.output(0) == 0 and not board.open


@given(st.lists(st.tuples(st.integers(0, 9_000_000), st.integers(0, 9_000_000)), min_size=1),
       st.integers(-90, 90))  # fmt: skip
def test_the_bound_holds_whatever_the_way_there_and_back_took(delays, drift):
    """The board's clock runs wrong by `drift` ppm, the line as it likes: the truth is inside."""
    start, offset = 5_000_000_000, Offset(100)

    def ticks(now: int) -> int:
        return int((now - start) * (1_000_000 + drift) // 1_000_000 // 1000)

    now = start
    for there, back in delays:
        said = now + 1_000_000_000
        heard = said + there
        now = heard + 2_000_000 + back
        offset.told(said, ticks(heard), ticks(heard + 2_000_000), now)
        for later in (0, 500_000_000):
            found = offset.of(ticks(now + later))
            assert found is not None
            assert abs(found[0] - (now + later)) <= found[1]
    assert offset.steps == 0


def test_a_clock_that_stepped_is_counted_and_followed():
    offset = Offset(100)
    for second in range(10):
        said = second * 1_000_000_000
        offset.told(said, said // 1000, said // 1000, said + 1_000_000)
    offset.told(10**10, 10**7 + 5_000_000, 10**7 + 5_000_000, 10**10 + 1_000_000)
    assert offset.steps == 1
    found = offset.of(10**7 + 5_000_000)
    assert found is not None and abs(found[0] - 10**10) <= found[1]


@pytest.mark.parametrize(("boot", "first"), [(1, 2**32 - 1), (2**32 - 1, 0), (7, 2**32 - 1)])
def test_who_greets_in_the_boards_place_makes_nobody_deaf(boot, first):
    """One packet, and the gateway would have waited for what never comes."""
    world = World()
    world.now_ns += 1_000_000_000
    said = world.gateway.output(world.now_ns)
    ((_, hello),) = Unpacker(64).feed(said)
    session = struct.unpack(link.HELLO_BODY, hello)[2]
    told = (1, session, NAME, boot, first, first, *FIRMWARE)
    packer = Packer(64)
    size = packer.pack(link.WELCOME, struct.pack(link.WELCOME_BODY, *told))
    world.gateway.receive(bytes(packer.buffer[:size]), world.now_ns)
    world.board.receive(said, world.ticks_us)
    world.seal()
    world.steps(800, seal=False)
    world.seal()
    world.steps(20, seal=False)
    assert world.arrived == world.sealed and len(world.sealed) == 2


@pytest.mark.parametrize("octets", [b"", b"\0" * 500, bytes(range(256)) * 20])
def test_garbage_is_nothing_to_either_end(octets):
    world = World()
    assert world.gateway.receive(octets, 0) == []
    world.board.receive(octets, 0)
    world.steps(200)
    world.settle()
    assert world.arrived == world.sealed
