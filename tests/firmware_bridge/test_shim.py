"""What differs between boards, by a `machine` of ours: serial ports, pins, the REPL, randomness."""

import sys
import types
from typing import Any

import pytest

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
