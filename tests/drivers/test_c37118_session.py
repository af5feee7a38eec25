"""The conversation: which configuration rules, what a frame becomes, what is asked and when."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from drivers.c37118 import session as sessions
from drivers.c37118 import want
from drivers.c37118.session import Item, Session, Terms
from drivers.c37118.wire import (
    Block,
    Command,
    Format,
    FrameType,
    Layout,
    Stamp,
    Station,
    decode_command,
    encode_command,
    encode_configuration,
    encode_data,
    encode_fragments,
    encode_header_text,
    encode_values,
)
from drivers.line import STREAMS_MAX, Frame, FrameError, Instant, Setup
from evidence.code import Flag, Kind, TimeSource
from evidence.leap import BUILT_IN, NS
from tests.drivers.pmu import SOC, configuration, data
from tests.drivers.vector import vector

HEARD = Instant((SOC + 37) * NS + 5_000_000, 1_000_000)
CFG3 = encode_configuration(configuration(), Stamp(SOC))
CFG2 = encode_configuration(configuration(FrameType.CFG2), Stamp(SOC))
CFG1 = encode_configuration(configuration(FrameType.CFG1), Stamp(SOC))
LAYOUT = Layout(configuration())
FEWER = configuration(phasors=configuration().stations[0].phasors[:1], cfgcnt=2)


def after(ns: int) -> Instant:
    return Instant(HEARD.tai + ns, HEARD.bound)


def begun(**terms: Any) -> Session:
    """A session in which CFG-3 rules IDCODE 7."""
    session = Session(Terms(**{"idcode": 7} | terms))
    session.feed(CFG3, HEARD)
    return session


def told(items: Sequence[Item]) -> list[str]:
    """Each item in a word: the Setup's configuration type, or the frame's type or fault."""
    types = {number: kind.name for number, kind in enumerate(FrameType)}
    words = []
    for item in items:
        if isinstance(item, Setup):
            kind = types[item.configuration[1] >> 4] if item.configuration else "bare"
            words.append(f"setup {kind}")
        else:
            words.append(item.fault.fault if item.fault else types[item.raw[1] >> 4])
    return words


def test_a_configuration_is_a_setup_and_a_frame():
    setup, frame = Session(Terms(idcode=7)).feed(CFG3, HEARD)
    assert isinstance(setup, Setup) and isinstance(frame, Frame)
    assert (setup.key, setup.kind, setup.rate) == ("idcode=7", Kind.C37118, (50, 1))
    assert setup.configuration == frame.raw == CFG3
    (block,) = setup.blocks
    assert (block.station, block.idcode, block.service_class) == ("Bench", 7, "P")
    assert (block.window_us, block.group_delay_us) == (40_000, 0)
    assert [(channel.name, channel.quantity, channel.unit) for channel in block.channels] == [
        ("VA", "voltage", "V"),
        ("IA", "current", "A"),
        ("FREQ", "frequency", "Hz"),
        ("DFREQ", "rocof", "Hz/s"),
    ]
    assert frame.kind == Kind.C37118_INFO


def test_what_a_cfg2_does_not_say_is_not_said():
    (setup, _) = Session(Terms(idcode=7)).feed(CFG2, HEARD)
    assert isinstance(setup, Setup)
    assert (setup.blocks[0].service_class, setup.blocks[0].window_us) == ("", None)


def test_a_data_frame_is_stamped_by_its_device():
    (frame,) = begun().feed(data(LAYOUT, 75), HEARD)
    flags = Flag.LOCKED | Flag.TRACEABLE
    assert frame == Frame(
        "idcode=7", Kind.C37118, data(LAYOUT, 75), (SOC + 38) * NS + 500_000_000, 100,
        TimeSource.DEVICE, flags, HEARD,
    )  # fmt: skip


def test_simulated_says_so_in_every_frame():
    session = Session(Terms(idcode=7, simulated=True))
    items = session.feed(CFG3 + data(LAYOUT, 0) + data(FEWER_LAYOUT, 1), HEARD)
    frames = [item for item in items if isinstance(item, Frame)]
    assert len(frames) == 3
    assert all(frame.flags & Flag.SIMULATED for frame in frames)


FEWER_LAYOUT = Layout(FEWER)


def test_a_second_changes_with_soc_stat_and_quality():
    session = begun(time_bound_ns=5_000)
    frames = session.feed(
        data(LAYOUT, 49) + data(LAYOUT, 50) + data(LAYOUT, 51, 0x0000) + data(LAYOUT, 52, 0x2000),
        HEARD,
    )
    assert [frame.tai - (SOC + 37) * NS for frame in frames if isinstance(frame, Frame)] == [
        980_000_000, 1_000_000_000, 1_020_000_000, 1_040_000_000,
    ]  # fmt: skip
    assert [frame.bound for frame in frames if isinstance(frame, Frame)] == [100, 100, 5_000, None]


@pytest.mark.parametrize(
    ("soc", "flag"), [(BUILT_IN.expires_s, Flag.LEAP_UNKNOWN), (1483228799, Flag.LEAP)]
)
def test_an_instant_that_is_not_sure_has_no_bound(soc: int, flag: Flag):
    """Past the leap table, and in the second that a repeating clock would repeat."""
    values = LAYOUT.decode(data(LAYOUT, 0))
    (frame,) = begun().feed(encode_values(LAYOUT, Stamp(soc), values), HEARD)
    assert isinstance(frame, Frame)
    assert frame.bound is None
    assert frame.flags & flag


def test_frames_before_a_configuration_are_kept():
    """Sealed though not decodable: stamped by the gateway, under a bare Setup."""
    setup, frame, again = Session(Terms(idcode=7)).feed(data(LAYOUT, 0) + data(LAYOUT, 1), HEARD)
    assert setup == Setup("idcode=7", Kind.C37118, b"", (0, 0), ())
    assert isinstance(frame, Frame) and isinstance(again, Frame)
    assert (frame.tai, frame.bound, frame.source) == (*HEARD, TimeSource.UNKNOWN)
    assert frame.flags == Flag.AGENT_STAMPED
    assert frame.fault is None


def test_a_configuration_sent_again_is_no_news():
    """Its SOC and CHK differ; what it says does not."""
    later = encode_configuration(configuration(), Stamp(SOC + 60, 500))
    assert told(begun().feed(later, HEARD)) == ["CFG3"]


def test_unannounced_change_loses_nothing():
    session = begun()
    items = session.feed(data(LAYOUT, 0) + data(FEWER_LAYOUT, 1) + data(FEWER_LAYOUT, 2), HEARD)
    assert told(items) == ["DATA", "setup bare", "DATA", "DATA"]
    assert session.counts["configuration_unannounced"] == 1
    assert decode_command(session.next_ask(HEARD) or b"").command == Command.SEND_CFG3
    cfg = encode_configuration(FEWER, Stamp(SOC))
    items = session.feed(cfg + data(FEWER_LAYOUT, 3), HEARD)
    assert told(items) == ["setup CFG3", "CFG3", "DATA"]
    assert session.next_ask(HEARD) is None


def test_two_frame_sizes_under_one_idcode_make_no_storm():
    """The PMU answers each ask, and each answer is belied by the next frame: ten minutes of it."""
    session = begun()
    setups: list[int] = []
    asks: list[int] = []
    for number in range(600 * 50):
        heard = after(number * 20_000_000)
        raw = data(FEWER_LAYOUT if number % 2 else LAYOUT, number)
        items = session.feed(raw, heard)
        if session.next_ask(heard) is not None:
            asks.append(number // 50)
            items += session.feed(CFG3, heard)
        setups += [number // 50 for item in items if isinstance(item, Setup)]
        kept = [item for item in items if isinstance(item, Frame) and item.kind == Kind.C37118]
        assert [(item.raw, item.fault) for item in kept] == [(raw, None)]
    for minute in range(10):
        assert sum(second // 60 == minute for second in setups) <= sessions.SETUPS_A_MINUTE_MAX + 1
        assert sum(second // 60 == minute for second in asks) <= sessions.SETUPS_A_MINUTE_MAX
    assert setups[-1] > 500  # it is given another chance each time
    assert session.counts["configuration_flapping"] >= 1


def test_a_stream_that_was_held_bare_is_asked_about_and_ruled_when_the_minute_is_over():
    session = begun()
    others = [CFG3, encode_configuration(configuration(cfgcnt=2), Stamp(SOC))]
    items = [item for turn in range(40) for item in session.feed(others[1 - turn % 2], HEARD)]
    assert told([item for item in items if isinstance(item, Setup)]) == [
        *["setup CFG3"] * (sessions.SETUPS_A_MINUTE_MAX - 1),
        "setup bare",
    ]
    assert sum(isinstance(item, Frame) for item in items) == 40
    assert session.counts["configuration_flapping"] == 1
    almost = after(60 * NS - 1)
    assert told(session.feed(data(LAYOUT, 0), almost)) == ["DATA"]
    assert session.next_ask(almost) is None
    assert decode_command(session.next_ask(after(60 * NS)) or b"").command == Command.SEND_CFG3
    items = session.feed(CFG3 + data(LAYOUT, 1), after(60 * NS))
    assert told(items) == ["setup CFG3", "CFG3", "DATA"]
    assert session.next_ask(after(62 * NS)) is None


def test_announced_change_is_asked_about_when_it_comes_and_when_it_is_done():
    session = begun()
    assert session.next_ask(HEARD) is None
    assert told(session.feed(data(LAYOUT, 0, 0x0440), HEARD)) == ["DATA"]
    assert session.next_ask(HEARD) is not None
    session.feed(CFG3, HEARD)
    assert session.next_ask(HEARD) is None
    session.feed(data(LAYOUT, 1, 0x0440), HEARD)
    assert session.next_ask(HEARD) is None
    session.feed(data(LAYOUT, 2, 0x0040), HEARD)
    assert session.next_ask(HEARD) is None  # one was asked for just now
    assert session.next_ask(after(want.ASK_NS_MIN)) is not None
    assert session.counts["configuration_announced"] == 2


def test_changed_cfgcnt_is_a_setup():
    session = begun()
    cfg = encode_configuration(configuration(cfgcnt=2), Stamp(SOC))
    assert told(session.feed(cfg, HEARD)) == ["setup CFG3", "CFG3"]
    assert session.counts["configuration_changed"] == 1


def test_the_fuller_configuration_rules():
    session = Session(Terms(idcode=7))
    assert told(session.feed(CFG1, HEARD)) == ["setup CFG1", "CFG1"]
    assert told(session.feed(CFG2, HEARD)) == ["setup CFG2", "CFG2"]
    assert told(session.feed(CFG1, HEARD)) == ["CFG1"]
    assert told(session.feed(CFG3, HEARD)) == ["setup CFG3", "CFG3"]
    assert told(session.feed(CFG2, HEARD)) == ["CFG2"]
    changed = encode_configuration(FEWER.of_type(FrameType.CFG2), Stamp(SOC))
    assert told(session.feed(changed, HEARD)) == ["setup CFG2", "CFG2"]


def test_cfg1_says_what_could_be_and_changes_nothing():
    """CFG-1 lists all that a PMU can send: another frame size there is no change."""
    session = Session(Terms(idcode=7))
    fewer = encode_configuration(FEWER.of_type(FrameType.CFG2), Stamp(SOC))
    assert told(session.feed(fewer, HEARD)) == ["setup CFG2", "CFG2"]
    assert told(session.feed(CFG1 + data(FEWER_LAYOUT, 0), HEARD)) == ["CFG1", "DATA"]


def test_fragments_make_one_setup():
    fragments = encode_fragments(configuration(), Stamp(SOC), 40)
    assert len(fragments) > 3
    session = Session(Terms(idcode=7))
    items = [item for fragment in fragments for item in session.feed(fragment, HEARD)]
    assert told(items) == ["setup bare"] + ["CFG3"] * (len(fragments) - 1) + ["setup CFG3", "CFG3"]
    setups = [item for item in items if isinstance(item, Setup)]
    assert setups[-1].configuration == b"".join(fragments)
    assert told(session.feed(data(LAYOUT, 0), HEARD)) == ["DATA"]


def test_a_lost_fragment_starts_over():
    fragments = encode_fragments(configuration(), Stamp(SOC), 40)
    session = Session(Terms(idcode=7))
    for fragment in (*fragments[:1], *fragments[2:]):
        session.feed(fragment, HEARD)
    assert not session.configured()
    for fragment in fragments:
        session.feed(fragment, HEARD)
    assert session.configured()


def test_a_greedy_configuration_is_a_fault_and_changes_nothing():
    session = Session(Terms())
    assert told(session.feed(vector("c37118", "cfg2_65535_phasors"), HEARD)) == ["shape"]
    session = begun(idcode=None)
    assert told(session.feed(data(LAYOUT, 0), HEARD)) == ["DATA"]


def test_more_pmus_than_a_descriptor_states_are_a_fault_and_their_data_is_kept():
    many = replace(configuration(FrameType.CFG2), stations=(Station("S", 1, Format(0)),) * 1100)
    session = Session(Terms(idcode=7))
    assert told(session.feed(encode_configuration(many, Stamp(SOC)), HEARD)) == [
        "too_many_channels"
    ]
    frame = encode_data(Layout(many), Stamp(SOC), [Block(0, [], 50, 0)] * 1100)
    assert told(session.feed(frame, HEARD)) == ["setup bare", "DATA"]


def test_another_idcode():
    session = begun()
    (frame,) = session.feed(encode_header_text("x", 8, Stamp(SOC)), HEARD)
    assert isinstance(frame, Frame) and frame.fault is not None
    assert (frame.fault.fault, frame.key) == ("unknown_idcode", "idcode=8")
    assert frame.raw == encode_header_text("x", 8, Stamp(SOC))


def test_invented_idcodes_are_bounded():
    session = Session(Terms())
    for idcode in range(1, STREAMS_MAX + 1):
        items = session.feed(encode_header_text("x", idcode, Stamp(SOC)), HEARD)
        assert told(items) == ["setup bare", "HEADER"]
    for idcode in range(1000, 1100):
        items = session.feed(encode_header_text("x", idcode, Stamp(SOC)), HEARD)
        assert told(items) == ["streams"]


def test_bad_bytes_are_frames_with_a_fault():
    session = begun()
    hurt = bytearray(data(LAYOUT, 0))
    hurt[20] ^= 1
    items = session.feed(bytes(hurt) + data(LAYOUT, 1), HEARD)
    assert told(items) == ["check_word", "DATA"]
    assert isinstance(items[0], Frame) and items[0].raw == bytes(hurt)
    assert told(session.feed(data(LAYOUT, 2)[:-1], HEARD)) == []
    assert told(session.flush(HEARD)) == ["truncated"]


def test_commands_are_frames_too():
    """A capture has both directions; the asker's clock stamps nothing of ours."""
    raw = encode_command(Command.DATA_ON, 7, Stamp(1, 0))
    setup, frame = Session(Terms()).feed(raw, HEARD)
    assert isinstance(setup, Setup) and isinstance(frame, Frame)
    assert frame.kind == Kind.C37118_INFO
    assert frame.flags & Flag.AGENT_STAMPED
    assert frame.tai == HEARD.tai


def test_fracsec_beyond_time_base_is_no_time():
    values = LAYOUT.decode(data(LAYOUT, 0))
    (heard,) = begun().feed(encode_values(LAYOUT, Stamp(SOC, 1_000_000), values), HEARD)
    assert isinstance(heard, Frame)
    assert heard.flags & Flag.AGENT_STAMPED


# --- what is asked


def test_asks_go_round_the_types_and_grow_seldom():
    session = Session(Terms(idcode=7))
    asked = []
    for second in range(600):
        ask = session.next_ask(Instant(HEARD.tai + second * NS, None))
        if ask is not None:
            asked.append((second, decode_command(ask).command))
    assert [command for _, command in asked[:4]] == [6, 5, 4, 6]
    assert [second for second, _ in asked[:5]] == [0, 1, 2, 4, 6]
    assert len(asked) < 30
    assert asked[-1][0] - asked[-2][0] == want.ASK_NS_MAX // NS


def test_who_listens_only_asks_nothing():
    session = begun(commands=False)
    session.feed(data(FEWER_LAYOUT, 0), HEARD)
    assert session.counts["configuration_unannounced"] == 1
    assert session.next_ask(HEARD) is None


def test_configuration_on_file():
    session = Session(Terms(commands=False, configuration=CFG2))
    assert session.idcodes == (7,)
    assert told(session.begin()) == ["setup CFG2"]
    assert told(session.feed(data(LAYOUT, 0), HEARD)) == ["DATA"]


def test_the_file_is_believed_again_after_frames_that_fit():
    session = Session(Terms(commands=False, configuration=CFG2))
    session.begin()
    assert told(session.feed(data(FEWER_LAYOUT, 0), HEARD)) == ["setup bare", "DATA"]
    for number in range(sessions.RETURN_FRAMES - 1):
        assert told(session.feed(data(LAYOUT, number), HEARD)) == ["DATA"]
    assert told(session.feed(data(LAYOUT, 99), HEARD)) == ["setup CFG2", "DATA"]
    (frame,) = session.feed(data(LAYOUT, 100), HEARD)
    assert isinstance(frame, Frame) and frame.bound == 100


def test_a_file_that_is_no_configuration():
    with pytest.raises(FrameError):
        Session(Terms(configuration=data(LAYOUT, 0)))


def test_commands_bear_the_gateways_time():
    session = begun()
    raw = session.command(Command.DATA_OFF, Instant((SOC + 37) * NS + 250_000_000, 40_000))
    header = decode_command(raw).header
    assert (header.soc, header.fracsec, header.time_quality) == (SOC, 250_000, 6)
