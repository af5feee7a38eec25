"""What differs between boards, by a `machine` of ours: serial ports, pins, the REPL, randomness."""

import errno
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.shim import flash, repl
from firmware_bridge.shim.uart import Port


class Uart:
    """As stm32 and rp2 have it: what `init` is not told is what the port has of its own."""

    def __init__(self, number: int, **told: Any) -> None:
        self.number, self.told, self.waiting = number, {}, 0
        self.init(**told)

    def init(self, **told: Any) -> None:
        self.told = {"rxbuf": 64, "timeout": 0, **told}
        if told["baudrate"] > 2_000_000:
            raise ValueError("set baudrate is not within 5% of desired value")

    def flush(self) -> None:
        if self.waiting:
            raise OSError(110)

    def any(self) -> int:
        return self.waiting


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    made = types.ModuleType("machine")
    made.UART = Uart  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "machine", made)
    return made


def test_a_port_keeps_its_buffer_at_another_rate_and_its_rate_where_there_is_none(machine):
    port = Port(1, 460_800, False, (None, None))
    port.rate(921_600)
    assert (port.baud, port.polled.told["rxbuf"]) == (921_600, 2048)
    port.rate(3_000_000)
    assert (port.baud, port.polled.told["baudrate"]) == (921_600, 921_600)
    assert port.polled.told["rxbuf"] == 2048
    port.polled.waiting = 1  # nothing of it goes out
    port.rate(115_200)
    assert port.baud == 921_600


@pytest.mark.parametrize(("waiting", "full"), [(1900, False), (1930, True), (2048, True)])
def test_a_buffer_into_which_a_fifo_no_longer_fits_has_run_over(machine, waiting, full):
    port = Port(1, 115_200, True, (None, None))
    port.polled.waiting = waiting
    assert port.overran() is full


def test_a_place_that_is_no_uart_is_refused_on_a_board(monkeypatch):
    monkeypatch.setitem(sys.modules, "termios", None)
    with pytest.raises(ValueError, match="no terminal usb"):
        Port("usb", 460_800, False, (None, None))


def test_a_paired_board_has_no_repl_on_usb_or_a_uart(monkeypatch):
    """As a stm32 is: USB in the second slot, a UART beside them."""
    said: list[object] = []
    slots = {0: "another", 1: "usb"}
    pyb, micropython = types.ModuleType("pyb"), types.ModuleType("micropython")
    pyb.repl_uart = lambda uart: said.append(("uart", uart))  # type: ignore[attr-defined]
    micropython.kbd_intr = lambda key: said.append(("key", key))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyb", pyb)
    monkeypatch.setitem(sys.modules, "micropython", micropython)
    monkeypatch.setattr(sys, "platform", "pyboard")
    monkeypatch.setattr(repl, "BOARD", True)
    monkeypatch.setattr(
        os, "dupterm", lambda to, slot=0: slots.__setitem__(slot, to), raising=False
    )
    repl.close()
    assert slots == {0: None, 1: None} and said == [("key", -1), ("uart", None)]


def test_a_flash_that_cannot_be_read_is_not_one_without_keys(tmp_path, monkeypatch):
    (tmp_path / "keys.json").write_bytes(b"{}")

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    assert flash.read(str(tmp_path / "none")) is None
    monkeypatch.setattr("builtins.open", broken)
    with pytest.raises(OSError, match="input/output"):
        flash.read(str(tmp_path / "keys.json"))


def test_what_is_wiped_leaves_nothing_beside_it_either(tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_bytes(b"keys")
    (tmp_path / f"keys.json{flash.BESIDE}").write_bytes(b"of a pairing that was cut")
    repl.wipe(str(path))
    assert list(tmp_path.iterdir()) == []
    repl.wipe(str(path))
