"""What we decode of C37.118 is what tshark decodes: every data frame of every capture, and drawn
ones in every FORMAT, to the digits that it prints.

| field | tshark 4.0 | tolerance |
|---|---|---|
| phasors | magnitude and degrees, or both parts, to 3 digits | 0.0006, or 1e-6 of the value |
| FREQ, DFREQ | integers as they are; floats to 6 digits | none; 1e-5 of the value |
| analogs | integers as they are, without ANUNIT; floats to 6 digits | none; 1e-5 of the value |
| 0x8000 where an integer is missing (C37.118.2-2011 6.3) | the number that it is | not compared |
"""

import math
import re
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from drivers.c37118 import wire
from hil.capture import Tally, chunks
from tests.hil.packet import pcap
from tests.peer.tshark import texts

Key = tuple[int, int, int]  # IDCODE, SOC, FRACSEC
Told = list[tuple[str, str, str]]
_NUMBER = r"(-?\s*(?:\d+\.\d+|inf|nan))"
_PHASOR = re.compile(
    rf"\s*{_NUMBER}[VA] ∠\s*{_NUMBER}° alt\s*{_NUMBER}\s*\+j\s*{_NUMBER}[VA](?:; unscaled.*)?"
)
_FILES = {
    "c37118/C37.118_1PMU_UDP.pcap": 356,
    "c37118/C37.118_1PMU_TCP.pcap": 252,
    "c37118/C37.118_2PMUsInSync_TCP.pcap": 3002,
    "c37118/c37_1100_clean_tcp.pcap": 422,
    "selfmade/pypmu_pmu_pdc.pcapng": 114,
}
# Ports of those captures that are not the protocol's own.
DECODE_AS = ("-d", "tcp.port==1100,synphasor", "-d", "tcp.port==1410,synphasor")
DRAWN = 400


def ours(data: bytes) -> Iterator[tuple[Key, wire.Layout, bytes]]:
    """Every data frame of a capture, under the configuration heard before it."""
    splitters: dict[tuple[int, int], wire.Splitter] = {}
    layouts: dict[tuple[int, int, int], wire.Layout] = {}
    for chunk in chunks(data, Tally()):
        flow = chunk.flow.number, chunk.direction
        for item in splitters.setdefault(flow, wire.Splitter()).feed(chunk.payload):
            if not isinstance(item, bytes):
                continue
            head = wire.parse_header(item)
            if head.frame_type in wire.CFG_TYPES:
                layouts[*flow, head.idcode] = wire.Layout(wire.decode_configuration(item))
            elif head.frame_type is wire.FrameType.DATA and (*flow, head.idcode) in layouts:
                key = head.idcode, head.soc, head.fracsec
                yield key, layouts[*flow, head.idcode], item


def theirs(tshark: Path, file: Path) -> Iterator[tuple[Key, Told]]:
    """The same by tshark; frames that it has no configuration for are passed over."""
    for told in texts(tshark, file, "synphasor", "synphasor.frtype==0", DECODE_AS):
        fields = {name: show for name, show, _ in told}
        if "synphasor.data.conf_frame" in fields:
            soc = next(shown for name, _, shown in told if name == "synphasor.soc")
            raw = fields["synphasor.fracsec_raw"]
            yield (int(fields["synphasor.idcode_stream_source"]), seconds(soc), int(raw)), told


def seconds(shown: str) -> int:
    text = shown.removeprefix("SOC time stamp: ").removesuffix(".000000000 UTC")
    return int(datetime.strptime(text, "%b %d, %Y %H:%M:%S").replace(tzinfo=UTC).timestamp())


def compare(layout: wire.Layout, frame: bytes, told: Told) -> int:
    """Field by field; how many were compared."""
    values = iter(zip(layout.slots, layout.decode(frame), strict=True))
    shown = [each for each in told if each[0] in _SHOWN]
    compared = 0
    for name, show, text in shown:
        slot, value = next(values)
        if name == "synphasor.phasor":
            second = next(values)[1]
            found = _PHASOR.fullmatch(text.split('",')[1])
            assert found is not None, text
            numbers = [float(part.replace(" ", "")) for part in found.groups()]
            polar = slot.part == "magnitude"
            first, other = (numbers[0], math.radians(numbers[1])) if polar else numbers[2:]
            if not (math.isnan(value) or math.isnan(second)):
                assert value == pytest.approx(first, rel=1e-6, abs=6e-4), text
                assert second == pytest.approx(other, rel=1e-6, abs=6e-4), text
        else:
            compare_number(slot, value, name, show, text)
        compared += 1
    assert next(values, None) is None
    return compared


def compare_number(slot: wire.Slot, value: float, name: str, show: str, text: str) -> None:
    if name in ("synphasor.data.status", "synphasor.digital_status_word"):
        return  # a word of bits: `words` compares them whole
    if math.isnan(value):
        return
    if name == "synphasor.frequency_deviation_from_nominal":
        actual = re.search(r"actual frequency: ([\d.]+)Hz", text)
        assert actual is not None
        assert value == pytest.approx(float(actual[1]), abs=1e-9)
    elif name == "synphasor.analog_value":
        number = re.search(rf'",\s*{_NUMBER}', text) or re.search(r'",\s*(-?\d+)', text)
        assert number is not None, text
        raw = value if slot.code == "f" else value / slot.factor
        assert raw == pytest.approx(float(number[1]), rel=1e-5, abs=6e-4), text
    else:
        shown = float(text.split(": ")[1].removesuffix("Hz/s").removesuffix("Hz"))
        assert value == pytest.approx(shown, rel=1e-5, abs=6e-4), text


_SHOWN = (
    "synphasor.data.status", "synphasor.phasor", "synphasor.frequency_deviation_from_nominal",
    "synphasor.actual_frequency_value", "synphasor.rate_change_frequency",
    "synphasor.analog_value", "synphasor.digital_status_word",
)  # fmt: skip
_BITS = (
    ("status", 14, 3), ("sync", 13, 1), ("sorting", 12, 1), ("trigger", 11, 1),
    ("CFGchange", 10, 1), ("data_modified", 9, 1), ("pmu_tq", 6, 7), ("t_unlock", 4, 3),
    ("trigger_reason", 0, 15),
)  # fmt: skip


def words(layout: wire.Layout, frame: bytes, told: Told) -> None:
    """STAT bit by bit, and the digital words."""
    values = list(zip(layout.slots, layout.decode(frame), strict=True))
    digitals = [int(value) for slot, value in values if slot.quantity == "digital"]
    shown = [int(show, 16) for name, show, _ in told if name == "synphasor.digital_status_word"]
    assert digitals == shown
    for field, low, mask in _BITS:
        bits = [int(show, 0) for name, show, _ in told if name == f"synphasor.data.{field}"]
        assert [int(stat) >> low & mask for stat in layout.stats(frame)] == bits, field


@pytest.mark.parametrize("name", sorted(_FILES))
def test_recorded_frames(captures: Path, program: Callable[[str], Path], name: str):
    file = captures / name
    shown = dict(theirs(program("tshark"), file))
    found = {key: (layout, frame) for key, layout, frame in ours(file.read_bytes())}
    assert found.keys() == shown.keys()
    assert len(found) == _FILES[name]
    compared = sum(compare(*found[key], shown[key]) for key in found)
    assert compared >= 4 * len(found)
    for key in found:
        words(*found[key], shown[key])


@pytest.mark.parametrize("name", sorted(_FILES))
def test_recorded_configurations(captures: Path, program: Callable[[str], Path], name: str):
    """Names, counts, factors, rate."""
    file = captures / name
    found = []
    for chunk in chunks(file.read_bytes(), Tally()):
        for item in wire.Splitter().feed(chunk.payload):
            if isinstance(item, bytes) and wire.parse_header(item).frame_type in wire.CFG_TYPES:
                found.append(said(wire.decode_configuration(item)))
    shown = []
    for told in texts(program("tshark"), file, "synphasor", "synphasor.frtype==3", DECODE_AS):
        fields = [(name, show.rstrip()) for name, show, _ in told if name in _CONFIGURED]
        shown.append([each for each in fields if each != ("synphasor.channel_name", "")])
    assert found == shown
    assert found


_CONFIGURED = (
    "synphasor.idcode_stream_source", "synphasor.conf.timebase", "synphasor.conf.numpmu",
    "synphasor.idcode_data_source", "synphasor.num_phasors",
    "synphasor.num_analog_values", "synphasor.num_digital_status_words", "synphasor.channel_name",
    "synphasor.conf.fnom", "synphasor.conf.cfgcnt", "synphasor.rate_of_transmission",
)  # fmt: skip


def said(configuration: wire.Configuration) -> list[tuple[str, str]]:
    """A configuration in tshark's words, those of its fields that have a name."""
    found: list[tuple[str, str | int]] = [
        ("idcode_stream_source", configuration.idcode),
        ("conf.timebase", configuration.time_base),
        ("conf.numpmu", len(configuration.stations)),
    ]
    for station in configuration.stations:
        labels = [each.name for each in station.phasors]
        labels += [each.name for each in station.analogs]
        labels += [label for word in station.digitals for label in word.names]
        found += [
            ("idcode_data_source", station.idcode),
            ("num_phasors", len(station.phasors)), ("num_analog_values", len(station.analogs)),
            ("num_digital_status_words", len(station.digitals)),
            *(("channel_name", label) for label in labels if label),
            ("conf.fnom", int(station.nominal_hz == 50)), ("conf.cfgcnt", station.cfgcnt),
        ]  # fmt: skip
    found.append(("rate_of_transmission", configuration.data_rate))
    return [(f"synphasor.{name}", str(value)) for name, value in found]


# --- drawn


def draw(chance: Random, idcode: int) -> tuple[bytes, list[bytes]]:
    """A configuration of any FORMAT, and data frames of any octets beneath it."""
    phasors = tuple(
        wire.Phasor(f"PH{at}", chance.random() < 0.5, chance.randrange(1 << 24)) for at in range(3)
    )
    station = wire.Station(
        f"Station {idcode}", idcode, wire.Format(chance.randrange(16)), phasors,
        tuple(wire.Analog(f"AN{at}", at, 1) for at in range(2)),
        (wire.Digital(tuple(f"bit {bit}" for bit in range(16)), 0, 0xFFFF),),
        chance.choice((50, 60)), 1,
    )  # fmt: skip
    configuration = wire.Configuration(
        wire.FrameType.CFG2, idcode, 1_000_000, (station,) * chance.choice((1, 2)), 50, 2
    )
    told = wire.encode_configuration(configuration, wire.Stamp(1_700_000_000))
    layout = wire.Layout(configuration)
    frames = []
    for at in range(2):
        body = b"".join(_drawn(chance, slot.code) for slot in layout.slots)
        stamp = wire.Stamp(1_700_000_000, 20_000 * at)
        frames.append(wire.build(wire.FrameType.DATA, 2, idcode, stamp, body))
    return told, frames


def _drawn(chance: Random, code: str) -> bytes:
    if code == "f":
        return struct.pack(">f", chance.gauss(0, 1) * 10 ** chance.randint(-1, 4))
    return struct.pack(">" + code, chance.randint(-32_767 if code == "h" else 0, 32_767))


def test_drawn_frames(program: Callable[[str], Path], tmp_path: Path):
    packets = []
    for idcode in range(1, DRAWN + 1):
        told, frames = draw(Random(idcode), idcode)
        packets += [udp(idcode, raw) for raw in (told, *frames)]
    file = tmp_path / "drawn.pcap"
    file.write_bytes(pcap(packets))
    shown = dict(theirs(program("tshark"), file))
    found = {key: (layout, frame) for key, layout, frame in ours(file.read_bytes())}
    assert found.keys() == shown.keys()
    assert len(found) == 2 * DRAWN
    for key in found:
        compare(*found[key], shown[key])
        words(*found[key], shown[key])


def udp(port: int, payload: bytes) -> bytes:
    """An IPv4 packet from a port of its own: each configuration rules its own conversation."""
    head = struct.pack(">HHHH", 20_000 + port, 4713, 8 + len(payload), 0)
    size = 28 + len(payload)
    addresses = bytes((10, 0, 0, 1, 10, 0, 0, 2))
    return struct.pack(">BBHHHBBH", 0x45, 0, size, port, 0, 64, 17, 0) + addresses + head + payload
