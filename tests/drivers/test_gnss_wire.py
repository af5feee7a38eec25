"""What a receiver sends, message by message: vectors, other people's logs, and bytes that lie."""

import random
from collections import Counter
from pathlib import Path

import pytest
from pyubx2 import UBXReader

from drivers.gnss import gpsd, nmea, ubx
from drivers.gnss.check import crc24q
from drivers.gnss.fix import Antenna, FixType, Guard, Mode, Rf, Signals, Suspicion, Utc
from drivers.gnss.splitter import NMEA_BYTES_MAX, UBX_PAYLOAD_BYTES_MAX
from drivers.gnss.wire import Bad, Epochs, Fix, Splitter
from drivers.line import FrameError, Instant
from evidence.leap import BUILT_IN, NS
from tests.drivers.make_gnss import VECTORS
from tests.drivers.vector import vector, vectors

NOW = Instant(BUILT_IN.tai_ns(1_795_651_200), None)  # 2026-11-26
FACTS = {
    "nav_status": ubx.Status(345_618_250, Suspicion.AFFIRMED),
    "nav_sat": ubx.Satellites(345_618_250, Signals(3, 4, 2, 42.0, 47, 9)),
    "nav_timels": ubx.LeapSeconds(345_618_250, 18, True, 1, 3600),
    "nav_svin": ubx.Survey(True, False),
    "nav_eoe": ubx.End(345_618_250),
    "tim_tp": ubx.TimePulse(2446, 345_619 * NS, -3217, True, False, True, 2),
    "tim_tp_unlocked": ubx.TimePulse(2446, NS, None, False, True, True, 0),
    "mon_rf": Rf(Suspicion.INDICATED, 180, 3100, 140, Antenna.OPEN),
    "mon_ver": ubx.Version(
        "EXT CORE 1.00 (94e56e)", "00190000", ("FWVER=TIM 2.20", "PROTVER=29.20")
    ),
    "sec_sig_1": Guard(Suspicion.AFFIRMED, Suspicion.NONE),
    "sec_sig_2": Guard(Suspicion.UNKNOWN, Suspicion.INDICATED),
    "valget_tmode": ubx.TimeMode(Mode.FIXED),
}


def test_the_vectors_are_those_that_are_made():
    assert {name: raw for name, (_, raw) in VECTORS.items()} == vectors("gnss")


@pytest.mark.parametrize("name", sorted(FACTS))
def test_facts(name: str):
    assert ubx.read(vector("gnss", name)) == FACTS[name]


def test_position_and_time():
    said = ubx.read(vector("gnss", "nav_pvt"))
    assert isinstance(said, ubx.Pvt)
    assert said.utc == Utc(2026, 11, 26, 0, 0, 0, 249_999_988)
    assert said.place == (469_480_000, -74_474_001, 600_123, 901, 1302)
    assert (said.accuracy_ns, said.fix_type, said.resolved) == (23, FixType.SPACE, True)
    cold = ubx.read(vector("gnss", "nav_pvt_cold"))
    assert isinstance(cold, ubx.Pvt)
    assert (cold.accuracy_ns, cold.place.horizontal_mm, cold.resolved) == (None, None, False)


def test_satellites_as_the_library_reads_them():
    """NAV-SAT is read by hand, for speed."""
    raw = vector("gnss", "nav_sat")
    said = UBXReader.parse(raw)
    levels = [getattr(said, f"cno_{at:02}") for at in range(1, said.numSvs + 1)]
    used = [getattr(said, f"svUsed_{at:02}") for at in range(1, said.numSvs + 1)]
    found = ubx.read(raw)
    assert isinstance(found, ubx.Satellites)
    assert found.signals.used == sum(used)
    assert found.signals.tracked == sum(map(bool, levels))
    assert found.signals.cn0_max == max(levels)


def test_sentences():
    said = nmea.read(vector("gnss", "rmc_leap"))
    assert said is not None
    assert (said.clock, said.day, said.valid) == ((23, 59, 60, 0), (2016, 12, 31), True)
    said = nmea.read(vector("gnss", "gga"))
    assert said is not None and said.place is not None
    assert said.height_mm == 600_100
    assert said.place[:2] == (469_480_000, -74_474_000)


def test_rtcm_is_told_from_garbage():
    raw = vector("gnss", "rtcm_1005")
    assert crc24q(raw) == 0
    assert Splitter().feed(raw) == [raw]


# --- other people's logs


@pytest.mark.parametrize(
    ("name", "good", "bad", "fixes"),
    [
        ("pygpsdata-nmea4.log", 57, 0, 1),
        ("pygpsdata-nmeabadck.log", 1, 2, 1),
        ("pygpsdata-nmeastartup.log", 12, 0, 1),
    ],
)
def test_logs(captures: Path, name: str, good: int, bad: int, fixes: int):
    """Of every line it is known what became of it, however it is cut."""
    raw = (captures / "nmea" / name).read_bytes()
    for size in (len(raw), 1, 7):
        splits, items = Splitter(), []
        for at in range(0, len(raw), size):
            items += splits.feed(raw[at : at + size])
        items += splits.flush()
        faults = [item.fault.fault for item in items if isinstance(item, Bad)]
        assert faults == ["check_word"] * bad
        assert len(items) - len(faults) == good
        whole = b"".join(item if isinstance(item, bytes) else item.raw for item in items)
        assert whole == raw
    epochs = Epochs()
    said = epochs.feed(raw, NOW) + epochs.flush(NOW)
    found = [item for item in said if isinstance(item, Fix)]
    assert len(found) == fixes
    assert found[0].faults == bad


def test_a_log_is_a_log(captures: Path):
    """What it says is all there, and that it is years old is said too."""
    epochs = Epochs()
    epochs.feed((captures / "nmea" / "pygpsdata-nmea4.log").read_bytes(), NOW)
    fix = epochs.flush(NOW)[0]
    assert isinstance(fix, Fix)
    assert str(fix.utc) == "2021-03-06T10:36:07+0ns"
    assert fix.place == (534_506_570, -22_404_103, 104_500, 29_000, 31_000)
    assert fix.signals is not None and fix.signals.used == 6
    assert {doubt.name for doubt in fix.doubts} == {"PAST"}
    assert not fix.time_counts and fix.bound_ns is None


# --- bytes that lie


def test_limits():
    long = b"$GNTXT," + b"A" * NMEA_BYTES_MAX
    assert [item.fault.fault for item in Splitter().feed(long) if isinstance(item, Bad)] == [
        "length"
    ]
    size = (UBX_PAYLOAD_BYTES_MAX + 1).to_bytes(2, "little")
    faults = Splitter().feed(b"\xb5\x62\x01\x07" + size + bytes(100))
    assert isinstance(faults[0], Bad) and faults[0].fault.fault == "length"
    splits = Splitter(gpsd=True)
    for _ in range(40):
        splits.feed(b'{"class":"' + b"x" * 10_000)
        assert len(splits._rest) <= 26_384


def test_json_is_garbage_on_a_line():
    line = b'{"class":"TPV","mode":3}\r\n'
    assert Splitter(gpsd=True).feed(line) == [line]
    assert all(isinstance(item, Bad) for item in Splitter().feed(line))


def test_a_length_that_lies_costs_no_good_message():
    """The next whole message ends the wait, at once."""
    good = vector("gnss", "nav_status")
    items = Splitter().feed(b"\xb5\x62\x01\x07\xff\x1f" + bytes(20) + good)
    assert items[-1] == good
    assert isinstance(items[0], Bad) and items[0].fault.fault == "truncated"


def test_bytes_made_to_be_searched_for_ever_are_dropped():
    bait = b"".join(b"\xb5\x62\x01\x07" + bytes((at % 256, 0x1F)) for at in range(60_000))
    splits = Splitter()
    faults = {item.fault.fault for item in splits.feed(bait) if isinstance(item, Bad)}
    assert "flood" in faults
    good = vector("gnss", "nav_status")
    assert splits.feed(good * 2)[-1] == good


SEED = 20_261_125
GPSD_LINES = [
    b'{"class":"TPV","mode":3,"time":"2026-11-26T00:00:00.000Z","lat":46.9,"lon":7.4}\r\n',
    b'{"class":"SKY","satellites":[{"PRN":1,"ss":40.0,"used":true}]}\r\n',
    b'{"class":"DEVICES","devices":[{"path":"/dev/ttyS0"}]}\r\n',
    b'{"class":"VERSION","release":"3.22"}\r\n',
]


def remade(raw: bytes, chance: random.Random) -> bytes:
    """A message with other content and a good check word: what a splitter lets through."""
    body = bytearray(raw)
    for _ in range(chance.randint(1, 8)):
        body[chance.randrange(len(body))] = chance.choice([0, 1, 255, chance.randrange(256)])
    if raw[:2] == b"\xb5\x62":
        from drivers.gnss.check import ubx as made

        payload = bytes(body[6:-2])[: chance.choice([len(body), len(body), chance.randrange(60)])]
        return made((raw[2], raw[3]), payload)
    return bytes(body)


def test_whatever_the_bytes_only_frame_errors():
    """2,000 cases: vectors bent, cut, joined and with their check words mended."""
    chance = random.Random(SEED)
    seeds = [*vectors("gnss").values(), *GPSD_LINES]
    seen: Counter[str] = Counter()
    for _ in range(2_000):
        parts = [chance.choice(seeds) for _ in range(chance.randint(1, 4))]
        parts = [remade(part, chance) if chance.random() < 0.7 else part for part in parts]
        data = b"".join(parts)
        if chance.random() < 0.3:
            cut = chance.randrange(len(data))
            data = data[:cut] + chance.randbytes(chance.randrange(20)) + data[cut + 1 :]
        epochs = Epochs(through_gpsd=chance.random() < 0.5)
        items = epochs.feed(data, NOW) + epochs.settle(NOW) + epochs.flush(NOW)
        for item in items:
            if isinstance(item, Bad):
                assert isinstance(item.fault, FrameError)
                seen[item.fault.fault] += 1
            else:
                item.flags(), item.state(), str(item.utc)
                seen["fix"] += 1
    assert {"fix", "check_word", "shape", "size_mismatch", "truncated", "sync"} <= set(seen)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 16_000 + b"\r\n",
        b'{"class":"TPV","lat":1e999,"lon":0}\r\n',
        b'{"class":"TPV","time":"2026-13-45T99:99:99Z","mode":3}\r\n',
        b'{"class":"TPV","time":3}\r\n',
        b'{"class":"TPV","lat":NaN}\r\n',
        b'{"class":"SKY","satellites":' + b"[" * 9_000 + b"}\r\n",
        b'{"class":"\xff\xfe"}\r\n',
        b'{"class":7}\r\n',
    ],
)
def test_lines_of_a_gpsd_that_is_none(line: bytes):
    try:
        gpsd.read(line)
    except FrameError as fault:
        assert fault.fault == "shape"
    epochs = Epochs(through_gpsd=True)
    for item in epochs.feed(line, NOW):
        if isinstance(item, Fix):
            assert not item.time_counts
