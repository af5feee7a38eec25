"""Nothing goes to a device that the table does not hold, whatever the code above thinks."""

import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import asks
from drivers.c37118.wire import FrameType, Stamp, build, encode_command, encode_header_text
from drivers.ieee1344.wire import build_command
from drivers.line import LinkError
from tests.drivers.make_modbus import rtu, tcp
from tests.drivers.vector import vectors


class Wire:
    """The far end of what is sent."""

    def __init__(self) -> None:
        self.near, self.far = os.pipe()
        os.set_blocking(self.near, False)
        os.set_blocking(self.far, False)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.near)
        os.close(self.far)

    def heard(self) -> bytes:
        try:
            return os.read(self.near, 65536)
        except BlockingIOError:
            return b""


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("command", "name"),
    [
        (1, "data off"),
        (2, "data on"),
        (3, "send HDR"),
        (4, "send CFG-1"),
        (5, "send CFG-2"),
        (6, "send CFG-3"),
    ],
)
def test_what_may_be_asked_is_sent_as_it_is(command: int, name: str, version: int):
    raw = encode_command(command, 7, Stamp(1_700_000_000), version)
    with Wire() as wire:
        assert asks.send(wire.far, "c37118", raw) == name
        assert wire.heard() == raw


REFUSED = {
    "extended": encode_command(8, 7, Stamp(0), extension=b"open breaker 1"),
    "extended, empty": encode_command(8, 7, Stamp(0)),
    "user command": encode_command(0x1234, 7, Stamp(0)),
    "command 0": encode_command(0, 7, Stamp(0)),
    "command 7": encode_command(7, 7, Stamp(0)),
    "data on with more behind": encode_command(2, 7, Stamp(0), extension=b"\0\0"),
    "two frames": encode_command(1, 7, Stamp(0)) * 2,
    "version 3": b"\xaa\xc3" + encode_command(2, 7, Stamp(0))[2:],
    "wrong CHK": encode_command(2, 7, Stamp(0))[:-1] + b"\0",
    "header": encode_header_text("ab", 7, Stamp(0)),
    "data": build(FrameType.DATA, 2, 7, Stamp(0), b"\0\2"),
    "nothing": b"",
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_may_not_be_asked_is_not_sent(name: str):
    with Wire() as wire:
        with pytest.raises(asks.AskError):
            asks.send(wire.far, "c37118", REFUSED[name])
        assert wire.heard() == b""


@given(st.binary(max_size=40))
def test_no_bytes_slip_through(raw: bytes):
    with Wire() as wire:
        try:
            asks.send(wire.far, "c37118", raw)
        except asks.AskError:
            assert wire.heard() == b""


def test_only_commands_of_the_vectors_may_be_sent():
    with Wire() as wire:
        for name, raw in vectors("c37118").items():
            if name != "command_data_on":
                with pytest.raises(asks.AskError):
                    asks.send(wire.far, "c37118", raw)


# --- Modbus


def modbus(function: int, address: int, length: int) -> bytes:
    return struct.pack(">BHH", function, address, length)


READS = [
    (1, 0, 2000, "read coils"),
    (2, 63536, 2000, "read discrete inputs"),
    (3, 65411, 125, "read holding registers"),
    (4, 65535, 1, "read input registers"),
]


@pytest.mark.parametrize(("function", "address", "length", "name"), READS)
@pytest.mark.parametrize("unit", [1, 247])
def test_modbus_reads_are_sent_as_they_are(
    function: int, address: int, length: int, name: str, unit: int
):
    pdu = modbus(function, address, length)
    for protocol, raw in (("modbus-tcp", tcp(unit, pdu)), ("modbus-rtu", rtu(unit, pdu))):
        with Wire() as wire:
            assert asks.send(wire.far, protocol, raw) == name
            assert wire.heard() == raw


PDUS = {
    "write one coil": b"\x05\0\1\xff\0",
    "write one register": b"\x06\0\1\0\3",
    "write registers": b"\x10\0\1\0\1\2\0\3",
    "write and read": b"\x17\0\3\0\6\0\x0e\0\1\2\0\1",
    "mask write": b"\x16\0\4\0\xf2\0\x25",
    "diagnostics": b"\x08\0\1\0\0",  # restarts communications
    "identification": b"\x2b\x0e\1\0",
    "function 0": modbus(0, 0, 1),
    "a refusal": modbus(0x83, 0, 1),
    "no register": modbus(3, 0, 0),
    "126 registers": modbus(3, 0, 126),
    "2,001 coils": modbus(1, 0, 2001),
    "beyond the last": modbus(4, 65411, 126),
    "over the end": modbus(4, 65535, 2),
    "more behind": modbus(3, 0, 1) + b"\0",
    "nothing": b"",
}


@pytest.mark.parametrize("name", sorted(PDUS))
def test_no_other_modbus_is_sent(name: str):
    for protocol, raw in (
        ("modbus-tcp", tcp(1, PDUS[name])),
        ("modbus-rtu", rtu(1, PDUS[name])),
    ):
        with Wire() as wire:
            with pytest.raises(asks.AskError):
                asks.send(wire.far, protocol, raw)
            assert wire.heard() == b""


@pytest.mark.parametrize(
    ("protocol", "raw"),
    [
        ("modbus-rtu", rtu(0, modbus(3, 0, 1))),  # to everybody
        ("modbus-rtu", rtu(248, modbus(3, 0, 1))),
        ("modbus-rtu", rtu(1, modbus(3, 0, 1))[:-1] + b"\0"),
        ("modbus-rtu", tcp(1, modbus(3, 0, 1))),
        ("modbus-tcp", rtu(1, modbus(3, 0, 1))),
        ("modbus-tcp", tcp(1, modbus(3, 0, 1)) * 2),
        ("modbus-tcp", b"\0\7\0\1" + tcp(1, modbus(3, 0, 1))[4:]),  # another protocol
        ("modbus-tcp", tcp(1, modbus(3, 0, 1))[:5] + b"\7" + tcp(1, modbus(3, 0, 1))[6:]),
        ("c37118", tcp(1, modbus(3, 0, 1))),
    ],
)
def test_modbus_of_another_frame_is_not_sent(protocol: str, raw: bytes):
    with Wire() as wire:
        with pytest.raises(asks.AskError):
            asks.send(wire.far, protocol, raw)
        assert wire.heard() == b""


@given(st.binary(min_size=5, max_size=5), st.integers(0, 255))
def test_whatever_modbus_slips_through_reads(pdu: bytes, unit: int):
    for protocol, raw in (("modbus-tcp", tcp(unit, pdu)), ("modbus-rtu", rtu(unit, pdu))):
        with Wire() as wire:
            try:
                asks.send(wire.far, protocol, raw)
            except asks.AskError:
                assert wire.heard() == b""
            else:
                assert pdu[0] in (1, 2, 3, 4)


class Sink:
    """What takes bytes to encrypt them: all, some, or none."""

    def __init__(self, takes: int | OSError) -> None:
        self.takes, self.taken = takes, b""

    def write(self, data: bytes) -> int:
        if isinstance(self.takes, OSError):
            raise self.takes
        self.taken += data[: self.takes]
        return min(self.takes, len(data))


def test_an_ask_through_tls_is_checked_before_it_is_encrypted():
    raw = tcp(1, modbus(3, 0, 1))
    sink = Sink(100)
    assert asks.send(sink, "modbus-tcp", raw) == "read holding registers"
    assert sink.taken == raw
    with pytest.raises(asks.AskError):
        asks.send(sink, "modbus-tcp", tcp(1, PDUS["write one coil"]))
    assert sink.taken == raw
    for takes in (5, OSError("want write")):
        with pytest.raises(LinkError, match="read holding registers"):
            asks.send(Sink(takes), "modbus-tcp", raw)


@pytest.mark.parametrize("command", [1, 2, 3, 4, 5])
def test_what_may_be_asked_of_ieee_1344(command: int):
    raw = build_command(command, 0xFFFFFFFF, 1_700_000_000)
    with Wire() as wire:
        assert asks.send(wire.far, "ieee1344", raw) == asks.IEEE1344_COMMANDS[command]
        assert wire.heard() == raw


def test_what_may_not_be_asked_of_ieee_1344():
    """The reference phasor, first of all; and what is no command at all."""
    asked = [build_command(number, 7, 1_700_000_000) for number in (0, 6, 7, 8, 9, 0x4000)]
    asked += [raw for name, raw in vectors("ieee1344").items() if name != "command_data_on"]
    asked += [asked[0][:-1] + b"\0", build_command(2, 7, 1_700_000_000) * 2, b""]
    asked += [encode_command(2, 7, Stamp(0)), build(FrameType.HEADER, 2, 7, Stamp(0), b"")]
    with Wire() as wire:
        for raw in asked:
            with pytest.raises(asks.AskError):
                asks.send(wire.far, "ieee1344", raw)
        assert wire.heard() == b""


def test_by_datagram_the_same_table_rules_and_the_line_stays_open():
    raw = encode_command(2, 7, Stamp(1_700_000_000))
    kinds = (socket.AF_INET, socket.SOCK_DGRAM)
    with socket.socket(*kinds) as near, socket.socket(*kinds) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(20)
        for _ in range(2):
            assert asks.send(near.fileno(), "c37118", raw, far.getsockname()) == "data on"
            assert far.recv(100) == raw
        with pytest.raises(asks.AskError):
            asks.send(near.fileno(), "c37118", REFUSED["extended"], far.getsockname())
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(100)


def test_a_protocol_without_a_table():
    with Wire() as wire, pytest.raises(asks.AskError):
        asks.send(wire.far, "goose", encode_command(1, 7, Stamp(0)))


def test_a_line_that_takes_nothing():
    with Wire() as wire:
        os.write(wire.far, bytes(65536))
        with pytest.raises(LinkError, match="data off"):
            asks.send(wire.far, "c37118", encode_command(1, 7, Stamp(0)))
