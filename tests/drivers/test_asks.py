"""Nothing goes to a device that the table does not hold, whatever the code above thinks."""

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import asks
from drivers.c37118.wire import FrameType, Stamp, build, encode_command, encode_header_text
from drivers.ieee1344.wire import build_command
from drivers.line import LinkError
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
        far.settimeout(5)
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
