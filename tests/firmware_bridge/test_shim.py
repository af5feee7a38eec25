"""What differs between boards, by a `machine` of ours: serial ports, pins, the REPL, randomness."""

import errno
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.firmware import main
from firmware_bridge.shim import entropy, flash, pin, repl
from firmware_bridge.shim.uart import Port


class Uart:
    """As stm32 and rp2 have it: what `init` is not told is what the port has of its own."""

    def __init__(self, number: int, **told: Any) -> None:
        self.number, self.waiting = number, 0
        self.told: dict[str, Any] = {}
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


def test_pins_that_a_board_does_not_let_be_chosen_are_refused(machine):
    def uart(number: int, *, baudrate: int, timeout: int, rxbuf: int) -> Uart:
        return Uart(number, baudrate=baudrate)

    machine.UART = uart
    assert Port(1, 115_200, True, (None, None)).baud == 115_200
    with pytest.raises(ValueError, match="cannot be chosen"):
        Port(1, 115_200, True, (5, None))


@pytest.mark.parametrize("pins", [(None, None), (5, None), (None, 4)])
def test_a_uart_that_would_be_on_its_flashs_pins_is_refused(machine, monkeypatch, pins):
    monkeypatch.setattr(sys, "platform", "esp32")
    with pytest.raises(ValueError, match="choose rx and tx"):
        Port(1, 115_200, True, pins)
    assert Port(2, 115_200, True, pins).baud == 115_200
    told = Port(1, 115_200, True, (5, 4)).polled.told
    assert (told["rx"], told["tx"]) == (5, 4)


def test_a_place_that_is_no_uart_is_refused_on_a_board(monkeypatch):
    monkeypatch.setitem(sys.modules, "termios", None)
    with pytest.raises(ValueError, match="no terminal /dev/ttyS0"):
        Port("/dev/ttyS0", 460_800, False, (None, None))


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


@pytest.mark.parametrize("platform", ["samd", "nrf", "mimxrt"])
def test_a_source_that_nobody_knows_makes_no_keys(monkeypatch, platform):
    assert "getrandom" in entropy.source() or sys.platform != "linux"
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(entropy.EntropyError, match=platform):
        entropy.draw()


@pytest.mark.parametrize(("levels", "held"), [
    ("0" * 60, True), ("1", False), ("0" * 30 + "1" + "0" * 60, False),
])  # fmt: skip
def test_keys_are_wiped_for_who_holds_the_pin_and_not_by_noise(machine, monkeypatch, levels, held):
    opened: list[tuple[object, ...]] = []
    left = iter(levels)

    class Pin:
        IN, OUT, PULL_UP = 0, 1, 2

        def __init__(self, *told: object) -> None:
            opened.append(told)

        def value(self) -> int:
            return int(next(left))

    machine.Pin = Pin
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert pin.held(7) is held
    assert opened == [(7, Pin.IN, Pin.PULL_UP)]  # one that has no wire is not held


class Board(types.ModuleType):
    """What `machine` has to do with a start: it says what was begun, and when."""

    def __init__(self) -> None:
        super().__init__("machine")
        self.said: list[str] = []
        said = self.said

        class WDT:
            def __init__(self, timeout: int) -> None:
                said.append("guarded")

            def feed(self) -> None:
                pass

        class Pin:
            IN, OUT = 0, 1

            def __init__(self, line: object, *_: object) -> None:
                if line != 25:
                    raise ValueError("no such pin")

            def value(self, *_: int) -> int:
                return 1

        self.WDT, self.Pin, self.UART = WDT, Pin, Uart


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Starts what the flash holds, as on a board; what was done until it ended, or turned."""
    board = Board()
    monkeypatch.setitem(sys.modules, "machine", board)
    monkeypatch.setattr(repl, "close", lambda: board.said.append("closed"))
    monkeypatch.setattr(repl, "reset", lambda: board.said.append("reset"))
    monkeypatch.setattr(main, "_wrong", lambda light, *_: board.said.append(shown(light)))

    def paired(*_: object) -> None:
        board.said.append("pairs")
        raise KeyboardInterrupt

    def shown(light: Any) -> str:
        return "wrong" if light._value is not None else "wrong, unseen"

    monkeypatch.setattr(main, "_paired", paired)

    def start(settings: str, keys: str | None) -> list[str]:
        (tmp_path / "board.json").write_text(settings)
        if keys is not None:
            (tmp_path / "keys.json").write_text(keys)
        with pytest.raises((ValueError, KeyboardInterrupt)):
            main.run(str(tmp_path))
        return board.said

    return start


SETTINGS = """{"taps": [{"place": 1, "baud": 115200, "framing": "raw"}], "ring_bytes": 4096,
    "link": {"place": 2, "baud": %d}, "head_seconds": 0, "led": 25%s}"""
KEYS = '{"seed": "%s", "public": "%s", "key": "%s"}' % (3 * ("11" * 32,))


def test_a_technician_at_the_prompt_of_a_board_without_keys_is_not_reset(started):
    assert started(SETTINGS % (460_800, ""), None) == ["pairs"]


@pytest.mark.parametrize(("settings", "keys", "said"), [
    (SETTINGS % (460_800, ""), "no keys", ["closed", "wrong", "reset"]),
    (SETTINGS % (2_999_999, ""), KEYS, ["closed", "wrong", "reset"]),  # no such rate there
    (SETTINGS % (460_800, ', "open_pin": 3'), KEYS, ["closed", "wrong", "reset"]),
    (SETTINGS % (460_800, ', "pulse": 3'), KEYS, ["closed", "guarded", "closed", "wrong", "reset"]),
    ("{", KEYS, ["closed", "wrong, unseen", "reset"]),
    (SETTINGS % (2_999_999, ""), None, ["wrong"]),
])  # fmt: skip
def test_what_keeps_a_board_from_starting_is_shown_and_no_prompt_is_beside_keys(
    started, settings, keys, said
):
    assert started(settings, keys) == said
