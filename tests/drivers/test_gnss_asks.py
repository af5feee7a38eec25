"""What may be sent to a receiver: polls, rates of what is read, in RAM; and nothing that would
change how it measures, or outlast its power.
"""

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyubx2 import SET, TXN_NONE, UBXMessage

from drivers import asks
from drivers.gnss.check import ubx
from drivers.gnss.session import Session, Terms
from drivers.line import Instant
from evidence.leap import NS
from tests.recorder import table

RAM, BBR, FLASH = 1, 2, 4
PVT_USB, NMEA_GGA_USB, TMODE = (
    "CFG_MSGOUT_UBX_NAV_PVT_USB",
    "CFG_MSGOUT_NMEA_ID_GGA_USB",
    "CFG_TMODE_MODE",
)


def valset(layers: int, *items: tuple[str, int]) -> bytes:
    return bytes(UBXMessage.config_set(layers, TXN_NONE, list(items)).serialize())


def cfg_msg(identity: tuple[int, int], rate: int) -> bytes:
    return ubx((0x06, 0x01), bytes((*identity, rate)))


ALLOWED = {
    "poll MON-VER": ubx((0x0A, 0x04)),
    "poll CFG-TMODE2": ubx((0x06, 0x3D)),
    "poll CFG-TMODE3": ubx((0x06, 0x71)),
    "poll CFG-TMODE-MODE": bytes(UBXMessage.config_poll(0, 0, ["CFG_TMODE_MODE"]).serialize()),
    "rate of NAV-PVT": cfg_msg((0x01, 0x07), 1),
    "rate of MON-RF": cfg_msg((0x0A, 0x38), 60),
    "rates of 1 messages": valset(RAM, (PVT_USB, 1)),
    "rates of 2 messages": valset(RAM, (PVT_USB, 1), ("CFG_MSGOUT_UBX_SEC_SIG_UART2", 10)),
}
REFUSED = {
    "to flash": valset(FLASH, (PVT_USB, 1)),
    "to RAM and battery": valset(RAM | BBR, (PVT_USB, 1)),
    "off": valset(RAM, (PVT_USB, 0)),
    "too seldom": valset(RAM, (PVT_USB, 61)),
    "of what is not read": valset(RAM, (NMEA_GGA_USB, 1)),
    "fixed mode": valset(RAM, (TMODE, 2)),
    "fixed mode, beside a rate": valset(RAM, (PVT_USB, 1), (TMODE, 2)),
    "a transaction": bytes(UBXMessage.config_set(RAM, 1, [(PVT_USB, 1)]).serialize()),
    "nothing": valset(RAM)[:0] + ubx((0x06, 0x8A), b"\0\1\0\0"),
    "erased": bytes(UBXMessage.config_del(RAM, TXN_NONE, [PVT_USB]).serialize()),
    "rate 0": cfg_msg((0x01, 0x07), 0),
    "rate of RXM-RAWX": cfg_msg((0x02, 0x15), 1),
    "rates of all ports": ubx((0x06, 0x01), b"\x01\x07" + bytes([1] * 6)),
    "a port's baud": bytes(
        UBXMessage("CFG", "CFG-PRT", SET, portID=1, baudRate=115200).serialize()
    ),
    "a reset": ubx((0x06, 0x04), b"\xff\xff\x00\x00"),
    "kept": ubx((0x06, 0x09), bytes(12)),
    "jamming monitor": ubx((0x06, 0x39), bytes(8)),
    "fixed, the older way": ubx((0x06, 0x71), bytes(40)),
    "assistance": ubx((0x13, 0x40), bytes(24)),
    "another item polled": bytes(UBXMessage.config_poll(0, 0, ["CFG_RATE_MEAS"]).serialize()),
    "NMEA": b"$PUBX,41,1,0007,0003,9600,0*10\r\n",
    "check word": ubx((0x0A, 0x04))[:-1] + b"\0",
    "length": b"\xb5\x62\x0a\x04\x01\x00\x0f\x39",
    "cut": ubx((0x0A, 0x04))[:-1],
    "two in one": ubx((0x0A, 0x04)) * 2,
    "empty": b"",
}


def sent(protocol: str, raw: bytes) -> tuple[str, bytes]:
    near, far = os.pipe()
    try:
        os.set_blocking(near, False)
        return asks.send(far, protocol, raw), os.read(near, 4096)
    finally:
        os.close(near)
        os.close(far)


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_what_may_be_asked_is_sent_as_it_is(name: str):
    assert sent("ubx", ALLOWED[name]) == (name, ALLOWED[name])
    assert table.name_of(ALLOWED[name])


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_nothing_else_is_sent(name: str):
    with pytest.raises(asks.AskError):
        sent("ubx", REFUSED[name])
    assert not table.name_of(REFUSED[name])


@given(st.binary(max_size=80), st.integers(0, 255), st.integers(0, 255))
def test_no_message_that_happens_to_be_one(payload: bytes, group: int, number: int):
    """Whatever is let through stands in the table that the tests have of their own."""
    raw = ubx((group, number), payload)
    try:
        name, _ = sent("ubx", raw)
    except asks.AskError:
        return
    assert name and table.name_of(raw)


def test_what_gpsd_is_asked():
    plain = b'?WATCH={"enable":true,"json":true,"raw":2};\n'
    named = b'?WATCH={"enable":true,"json":true,"raw":2,"device":"/dev/ttyACM0"};\n'
    assert sent("gpsd", plain) == ("watch", plain)
    assert sent("gpsd", named) == ("watch", named)
    for raw in (
        b'?DEVICE={"path":"/dev/ttyACM0","bps":9600};\n',
        b'?DEVICE={"path":"/dev/ttyACM0","hexdata":"b5620604"};\n',
        b"?POLL;\n",
        plain + b"?POLL;\n",
        plain.replace(b"};", b',"device":"x\\"};?POLL;"};'),
        plain[:-1],
    ):
        with pytest.raises(asks.AskError):
            sent("gpsd", raw)


@pytest.mark.parametrize("protocol_version", [None, "18.00", "27.31", "34.10"])
@pytest.mark.parametrize("slow", [False, True])
def test_all_that_a_session_wants_may_be_asked(protocol_version: str | None, slow: bool):
    """Over ten minutes in which UBX comes and goes; and no more often than it must."""
    session = Session(Terms(10 * NS, asks=True, slow=slow))
    start = 1_800_000_000 * NS
    asked: list[bytes] = []
    for second in range(600):
        now = Instant(start + second * NS, None)
        if second == 2 and protocol_version is not None:
            texts = [b"EXT CORE".ljust(30, b"\0"), b"0019".ljust(10, b"\0")]
            texts.append(f"PROTVER={protocol_version}".encode().ljust(30, b"\0"))
            session.feed(ubx((0x0A, 0x04), b"".join(texts)), now)
        asked += session.asks(now)
    for raw in asked:
        assert sent("ubx", raw)[0]
    old = protocol_version in (None, "18.00")
    kinds = {struct.unpack(">H", raw[2:4])[0] for raw in asked}
    assert kinds == {0x0A04, 0x0601, *([0x063D, 0x0671] if old else [0x068A, 0x068B])} or not old
    assert (0x068A in kinds) == (not old)
    assert len(asked) < 600 * 2


def test_nothing_is_wanted_where_nothing_may_be_asked():
    session = Session(Terms(10 * NS))
    assert session.asks(Instant(NS, None)) == []
