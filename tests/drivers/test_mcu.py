"""A board's session: its own end of the link is the firmware's, with no line in between."""

import itertools
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pytest

from drivers import asks
from drivers.c37118.session import Terms as PmuTerms
from drivers.c37118.wire import FrameType, Layout, Stamp, encode_configuration
from drivers.decode import compiled, decode
from drivers.line import Frame, FrameError, Instant, Setup
from drivers.mcu.input import Input
from drivers.mcu.past import Past
from drivers.mcu.session import Session, Tap, Terms
from evidence import event, gap
from evidence.code import Cause, Class, Event, Flag, Kind, Reason, TimeSource
from evidence.leap import NS
from firmware_bridge import frame as board
from firmware_bridge.firmware.bridge import FIRMWARE
from firmware_bridge.link import Board
from firmware_bridge.packet import Packer
from firmware_bridge.ring import Ring
from tests.drivers.pmu import SOC, configuration, data
from tests.recorder import table

KEY, PUBLIC = bytes(range(32)), bytes(range(32, 64))
CFG = encode_configuration(configuration(FrameType.CFG2), Stamp(SOC))
LAYOUT = Layout(configuration(FrameType.CFG2))
TAI0 = (SOC + 37) * NS
STEP_NS = 5_000_000
BOARD_KEY = "board"
PMU_KEY = "tap=0,idcode=7"
RAW = Tap("raw", None)


class World:
    """A board with two ports, C37.118 and raw; the gateway's session; time that a test moves.

    The board's ticks are the time since it started; the line takes no time.
    """

    def __init__(
        self,
        key: bytes = KEY,
        public: bytes = PUBLIC,
        file: bytes = CFG,
        tap: Tap = RAW,
        inputs: Mapping[tuple[int, int], Input] = MappingProxyType({}),
    ) -> None:
        """`tap`: what port 1 carries."""
        self.key, self.public = key, public
        self.now_ns, self.boots, self.flags = 100 * NS, 0, board.CHECKED
        self.said: list[bytes] = []
        self.heard: list[bytes] = []
        taps = (Tap("c37118", PmuTerms(None, False, file)), tap)
        sessions = itertools.count(1)
        self.terms = Terms(PUBLIC, KEY, taps, 100, inputs=inputs)
        self._number = lambda: next(sessions)
        self.past = Past(PUBLIC, KEY)
        self.items: list[Frame | Setup] = []
        self.open()
        self.start()

    def open(self) -> None:
        """The gateway opens the line, anew."""
        self.session = Session(self.terms, self.past, self._number)
        self.items += self.session.begin()

    def start(self) -> None:
        """The board begins a boot."""
        self.boots += 1
        self.began_ns, self.ring = self.now_ns, Ring(16_384)
        self.chain = board.Chain(self.key, self.public, self.boots)
        self.board = Board(self.ring, self.boots, self.public[:8], FIRMWARE, 460_800, self.key)
        self.say(struct.pack(board.BOOT_BODY, *FIRMWARE, bytes(32), bytes(16)), board.BOOT)

    @property
    def ticks_us(self) -> int:
        return (self.now_ns - self.began_ns) // 1000

    def seal(self, body: bytes, kind: int = board.TAPPED, port: int = 0, span_us: int = 0) -> bytes:
        into = bytearray(board.FRAME_MAX_BYTES)
        into[board.HEADER_BYTES : board.HEADER_BYTES + len(body)] = body
        ticks = self.ticks_us
        size = self.chain.seal(into, kind, port, self.flags, ticks, span_us, len(body))
        return bytes(into[:size])

    def say(self, body: bytes, kind: int = board.TAPPED, port: int = 0, span_us: int = 0) -> bytes:
        raw = self.seal(body, kind, port, span_us)
        assert self.ring.put(memoryview(raw))
        return raw

    def now(self) -> Instant:
        return Instant(TAI0 + self.now_ns, 500)

    def hear(self, octets: bytes) -> None:
        self.heard.append(octets)
        self.items += self.session.feed(octets, self.now_ns, self.now())

    def go(self, steps: int = 20) -> "World":
        """Time goes on, and what each end says is heard by the other."""
        for _ in range(steps):
            said = self.session.output(self.now_ns)
            if said:
                self.said.append(said)
                self.board.receive(said, self.ticks_us)
            while size := self.board.output(self.ticks_us):
                self.hear(bytes(self.board.packer.buffer[:size]))
            self.now_ns += STEP_NS
        return self

    def inject(self, body: bytes, kind: int = 0x82) -> None:
        """A packet that the board never sent: DATA is a frame where the next one is due."""
        packer = Packer(len(body))
        self.hear(bytes(packer.buffer[: packer.pack(kind, body)]))

    def frames(self, key: str, kind: Kind) -> list[Frame]:
        return [
            one
            for one in self.items
            if isinstance(one, Frame) and (one.key, one.kind, one.fault) == (key, kind, None)
        ]

    def faults(self) -> list[str]:
        return [
            one.fault.fault
            for one in self.items
            if isinstance(one, Frame) and one.fault is not None
        ]


def test_a_tapped_pmu_reads_as_any_other():
    world = World().go()
    raws = [world.say(data(LAYOUT, number)) for number in range(3)]
    world.go()
    assert [(one.key, one.kind) for one in world.items if isinstance(one, Setup)] == [
        (BOARD_KEY, Kind.MCU_INFO),
        (PMU_KEY, Kind.MCU_C37118),
        ("tap=1", Kind.MCU_INFO),
    ]
    found = world.frames(PMU_KEY, Kind.MCU_C37118)
    assert [one.raw for one in found] == raws, "header, body and tag as they came"
    assert [one.tai for one in found] == [TAI0 + number * 20_000_000 for number in range(3)]
    assert {one.source for one in found} == {TimeSource.DEVICE}
    direct = decode(Kind.C37118, CFG, data(LAYOUT, 2))
    assert decode(Kind.MCU_C37118, CFG, raws[2]) == direct
    assert compiled(Kind.MCU_C37118, CFG).slots == compiled(Kind.C37118, CFG).slots


@pytest.mark.parametrize(
    ("stat", "verdict"),
    [(0, []), (0x2000, [(Class.TIME_DOUBTFUL, Reason.STAT_SYNC)])],
)
def test_its_words_are_judged_as_any_others(stat: int, verdict: list[tuple[Class, Reason]]):
    raw = World().say(data(LAYOUT, 1, stat))
    judge = compiled(Kind.MCU_C37118, CFG).judge
    assert judge(tuple(raw[at : at + size] for at, size in judge.slices)) == verdict


def test_ticks_tell_when_it_arrived_however_late_it_is_brought():
    world = World().go()
    world.say(data(LAYOUT, 1), span_us=3000)
    at_ns = world.now_ns
    world.now_ns += 400_000_000  # the line is away
    world.go()
    (one,) = world.frames(PMU_KEY, Kind.MCU_C37118)
    off_ns = one.heard.tai - (TAI0 + at_ns - 1_500_000)  # the middle of its span
    assert one.heard.bound is not None and abs(off_ns) <= one.heard.bound < 3_000_000
    assert one.heard.bound >= 500 + 1_500_000, "the gateway's clock, and half of the span"


def test_a_span_as_long_as_its_field_is_no_bound():
    world = World().go()
    world.say(data(LAYOUT, 1), span_us=0xFFFFFFFF)
    at_ns = world.now_ns
    (one,) = world.go().frames(PMU_KEY, Kind.MCU_C37118)
    assert one.heard.bound is None and abs(one.heard.tai - TAI0 - at_ns) < 1_000_000


def test_raw_octets_are_stamped_by_the_boards_ticks():
    world = World().go()
    raw = world.say(b"\x01\x03\x00\x00", port=1)
    at_ns = world.now_ns
    (one,) = world.go().frames("tap=1", Kind.MCU_INFO)
    assert one.raw == raw and one.flags == Flag.AGENT_STAMPED
    assert one.bound is not None and abs(one.tai - TAI0 - at_ns) <= one.bound
    with pytest.raises(FrameError, match="no_values"):
        decode(one.kind, b"", one.raw)


def test_every_good_frame_is_sealed_once_whatever_is_in_it():
    """Or the board's chain would have holes that no device made."""
    world = World(file=b"").go()
    bodies = (data(LAYOUT, 1), CFG, data(LAYOUT, 2), b"\xaa\x01 no frame at all", b"")
    raws = [world.say(body) for body in bodies]
    raws += [world.say(b"", board.LEVEL), world.say(b"what", 77), world.say(b"x", port=9)]
    world.go()
    good = [one for one in world.items if isinstance(one, Frame) and one.fault is None]
    sealed = [one.raw for one in good if one.kind in (Kind.MCU_C37118, Kind.MCU_INFO)]
    assert sorted(sealed[1:]) == sorted(raws)  # the first is BOOT
    setups = [one.configuration for one in world.items if isinstance(one, Setup)]
    assert setups.count(CFG) == 1, "a configuration that passes by rules from then on"
    assert decode(Kind.MCU_C37118, CFG, world.frames(PMU_KEY, Kind.MCU_C37118)[-1].raw)


def test_what_is_not_the_boards_is_named_and_moves_nothing():
    world = World().go()
    raw = world.say(data(LAYOUT, 1))
    world.go()
    flipped = bytearray(world.seal(data(LAYOUT, 2)))
    flipped[40] ^= 1
    world.inject(bytes(flipped))
    assert world.faults() == ["board_tag"]
    world.session._link._next = 1  # so that the link hands it on
    world.inject(raw)
    assert world.faults() == ["board_tag", "board_replayed"]
    assert len(world.frames(PMU_KEY, Kind.MCU_C37118)) == 1


def test_a_forged_frame_in_the_place_of_one_that_is_due_costs_none():
    world = World().go()
    raw = world.say(data(LAYOUT, 1))
    world.inject(raw[:-1] + bytes([raw[-1] ^ 1]))
    world.inject(raw[:20])
    world.go(60)
    assert world.faults() == ["board_tag"] * 2
    assert [one.raw for one in world.frames(PMU_KEY, Kind.MCU_C37118)] == [raw]
    assert not world.frames(BOARD_KEY, Kind.GAP)


def test_a_frame_under_another_key_is_never_sealed():
    world = World(key=bytes(32)).go()
    world.say(data(LAYOUT, 1))
    world.go(250)
    assert set(world.faults()) == {"board_tag"} and world.session.counts["times_forged"]
    assert not [one for one in world.items if isinstance(one, Frame) and one.fault is None]


def test_another_board_is_called_so():
    world = World(public=bytes(32)).go()
    assert "another board answers: its key begins with 0000000000000000" in world.session.stranger
    assert set(world.faults()) == {"other_board"} and not world.session.greeted


@pytest.mark.parametrize(
    ("cause", "said", "count"),
    [
        (board.RING_FULL, Cause.NOT_KEPT, 12),
        (board.TOO_LONG, Cause.NOT_KEPT, 12),
        (board.OVERRUN, Cause.NOT_HEARD, None),
        (board.NOISE, Cause.NOT_HEARD, None),
    ],
)
def test_what_the_board_lost_is_a_gap_of_its_port(cause: int, said: Cause, count: int | None):
    world = World().go()
    world.say(b"\x01\x03\x00\x00", port=1)
    first_ns, first_us = world.now_ns, world.ticks_us
    world.go(100)
    raw = world.say(struct.pack(board.LOST_BODY, cause, 12, 900, first_us), board.LOST, port=1)
    world.go()
    (one,) = world.frames("tap=1", Kind.GAP)
    hole = gap.read(one.raw)
    assert (hole.cause, hole.count) == (said, count)
    assert abs(hole.first - TAI0 - first_ns) < 2_000_000
    assert abs(hole.last - hole.first - 100 * STEP_NS) < 2_000_000
    assert raw in [one.raw for one in world.frames(BOARD_KEY, Kind.MCU_INFO)]


def test_more_octets_of_what_was_counted_are_no_gap_of_their_own():
    world = World().go()
    world.say(data(LAYOUT, 1))
    told = struct.pack(board.LOST_BODY, board.TOO_LONG, 0, 900, world.ticks_us)
    raw = world.say(told, board.LOST, port=1)
    world.go()
    assert not world.frames("tap=1", Kind.GAP)
    assert raw in [one.raw for one in world.frames(BOARD_KEY, Kind.MCU_INFO)]


@pytest.mark.parametrize("cause", [board.RING_FULL, board.NOISE])
def test_of_a_stream_that_has_a_rate_the_runner_states_what_is_missing(cause: int):
    """Twice would be two holes; and noise between two frames is none, though it spans both."""
    world = World().go()
    for number in range(3):
        world.say(data(LAYOUT, number))
    told = struct.pack(board.LOST_BODY, cause, 2, 900, world.ticks_us)
    raw = world.say(told, board.LOST)
    world.go()
    assert not world.frames(PMU_KEY, Kind.GAP)
    assert raw in [one.raw for one in world.frames(BOARD_KEY, Kind.MCU_INFO)]
    assert sum(world.session.counts[f"lost_{name}"] for name in ("not_kept", "not_heard")) == 2


def test_a_reset_of_the_board_is_told_and_what_it_had_is_a_gap():
    world = World().go()
    world.say(data(LAYOUT, 1))
    world.go()
    for number in range(5):
        world.say(data(LAYOUT, 2 + number))  # nobody will hear these
    world.start()
    world.go(40)
    world.say(data(LAYOUT, 9))
    world.go()
    assert len(world.frames(PMU_KEY, Kind.MCU_C37118)) == 2
    (hole,) = [gap.read(one.raw) for one in world.frames(BOARD_KEY, Kind.GAP)]
    assert (hole.cause, hole.count) == (Cause.NOT_HEARD, None)
    told = [event.read(one.raw) for one in world.frames(BOARD_KEY, Kind.EVENT)]
    assert [one.event for one in told] == [Event.RESTARTED] * 2
    assert told[1].text == "the board started: boot 2, firmware {}.{}.{}".format(*FIRMWARE)


def test_a_reset_while_the_line_was_away_is_told_too():
    """As with USB, whose device is gone while the board starts."""
    world = World().go()
    world.say(data(LAYOUT, 1))
    world.go()
    world.now_ns += 5 * NS
    world.start()
    world.open()
    world.go()
    (one,) = world.frames(BOARD_KEY, Kind.GAP)
    hole = gap.read(one.raw)
    assert hole.count is None and 4 * NS < hole.last - hole.first < 6 * NS


def test_what_did_not_hold_is_missing_by_its_count():
    world = World().go()
    key, world.chain._hmac = world.chain._hmac, board.Chain(bytes(32), PUBLIC, 1)._hmac
    for number in range(3):
        world.say(data(LAYOUT, number))
    world.chain._hmac = key
    world.say(data(LAYOUT, 3))
    world.go(400)  # each is asked for again until it is plain that the board has no other
    assert set(world.faults()) == {"board_tag"}
    (one,) = world.frames(BOARD_KEY, Kind.GAP)
    assert gap.read(one.raw).count == 3


def test_what_is_played_again_once_the_line_is_back_is_not_sealed():
    world = World().go()
    raws = [world.say(data(LAYOUT, number)) for number in range(3)]
    world.go()
    world.open()
    world.go()
    world.session._link._next = 1
    for raw in raws:
        world.inject(raw)
    assert world.faults() == ["board_replayed"] * 3
    assert len(world.frames(PMU_KEY, Kind.MCU_C37118)) == 3


def test_all_that_is_said_to_a_board_stands_in_both_tables():
    world = World().go(60)
    for number in range(30):
        world.say(data(LAYOUT, number))
        world.go(2)
    world.said.append(world.session._link.propose(115_200))
    names = {name for said in world.said for name in asks._board(said).split(", ")}
    assert names == {"HELLO", "ACK", "PING", "BAUD"}
    assert {table.name_of(said) for said in world.said} == {"board's link"}


def test_a_board_frame_cut_anywhere_is_a_named_fault():
    raw = World().say(data(LAYOUT, 1))
    for size in range(len(raw)):
        with pytest.raises(FrameError):
            decode(Kind.MCU_C37118, CFG, raw[:size])
    cut: Sequence[bytes] = [raw + b"\0", b"\2" + raw[1:], raw[:1] + b"\3" + raw[2:]]
    for one in cut:
        with pytest.raises(FrameError, match="board_"):
            decode(Kind.MCU_C37118, CFG, one)
