"""Several Modbus devices behind one address, a TCP port or a serial line, and the faults asked of
them.

1. Requests are taken as whole ADUs; what is no request is counted and not answered.
2. A unit that is not here: on a serial line nobody answers, over TCP the gateway says so.
3. Faults wait unit by unit, each for one answer.

It has no line of its own: hil.devices.modbus.port.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence

from hil.devices.modbus import check
from hil.devices.modbus.fault import (
    FAULTS,
    GATEWAY_TARGET,
    MBAP_BYTES,
    Fault,
    Play,
    Said,
    adu,
    played,
)
from hil.devices.modbus.unit import Unit

FAULTS_MAX = 100_000  # waiting, of one unit
ANSWERS_MAX = 16  # remembered, for answers that are crossed
ADU_BYTES_MAX = 260  # MODBUS Messaging on TCP/IP V1.0b 3.1.3
RTU_READ_BYTES = 8
_RTU_LENGTH_AT = 6  # of functions 15 and 16: byte count; Serial Line V1.02 and V1.1b3 6.11, 6.12


class Rack:
    """The devices of one line."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = {unit.number: unit for unit in units}
        self.foreign = 0  # requests for a unit that is not here
        self.bad = 0  # ADUs that are none
        self._faults: dict[int, deque[Fault]] = {unit.number: deque() for unit in units}
        self._answers: OrderedDict[bytes, bytes] = OrderedDict()  # the last to each request

    def fault(self, unit: int, name: str, argument: float = 0.0, times: int = 1) -> None:
        """The next answers of this unit come with a fault of hil.devices.modbus.fault.

        ValueError: no such fault, no such unit.
        """
        if name not in FAULTS:
            raise ValueError(f"{name!r}; one of {', '.join(FAULTS)} expected")
        if unit not in self.units:
            raise ValueError(f"unit {unit} is not here")
        waiting = self._faults[unit]
        if not 1 <= times <= FAULTS_MAX - len(waiting):
            raise ValueError(f"{times} times; 1 to {FAULTS_MAX - len(waiting)} expected")
        waiting.extend([Fault(name, argument)] * times)

    def mend(self) -> None:
        """No more faults than those that are being played."""
        for waiting in self._faults.values():
            waiting.clear()

    def heard(self, tcp: bool, request: bytes) -> Play:
        """What goes out for a whole ADU."""
        number = request[MBAP_BYTES - 1] if tcp else request[0]
        unit = self.units.get(number)
        if unit is None:
            self.foreign += 1
            if not tcp:
                return Play(())
            pdu = bytes((request[MBAP_BYTES] | 0x80, GATEWAY_TARGET))
            return Play(((0.0, adu(tcp, request, number, pdu)),))
        pdu = unit.answer(request[MBAP_BYTES:] if tcp else request[1 : -check.CRC_BYTES])
        answer = adu(tcp, request, number, pdu)
        before = self._last_but(request, answer, tcp)
        waiting = self._faults[number]
        if not waiting:
            return Play(((0.0, answer),))
        unit.counts.faults += 1
        return played(waiting.popleft(), Said(tcp, request, answer, before))

    def _last_but(self, request: bytes, answer: bytes, tcp: bool) -> bytes:
        """The last answer to another request; what a device says again is no other's."""
        asked = request[MBAP_BYTES - 1 :] if tcp else request
        before = next((said for key, said in reversed(self._answers.items()) if key != asked), b"")
        self._answers[asked] = answer
        self._answers.move_to_end(asked)
        if len(self._answers) > ANSWERS_MAX:
            self._answers.popitem(last=False)
        return before

    def report(self) -> dict[str, object]:
        """What was counted: in all, and unit by unit."""
        return {
            "sent": sum(unit.counts.answered for unit in self.units.values()),
            "writes": sum(unit.counts.writes for unit in self.units.values()),
            "foreign": self.foreign,
            "bad": self.bad,
            "units": [unit.report() for unit in self.units.values()],
        }


def tcp_requests(rack: Rack, data: bytes) -> tuple[list[bytes], bytes]:
    """Whole ADUs, and the rest. Bytes that are no header are dropped with all behind them."""
    found: list[bytes] = []
    while len(data) >= MBAP_BYTES + 1:
        length = int.from_bytes(data[4:6], "big")
        if data[2:4] != b"\0\0" or not 2 <= length <= ADU_BYTES_MAX - 6:
            rack.bad += 1
            return found, b""
        if len(data) < 6 + length:
            break
        found.append(data[: 6 + length])
        data = data[6 + length :]
    return found, data


def rtu_requests(rack: Rack, data: bytes) -> tuple[list[bytes], bytes]:
    """Whole ADUs with a good CRC, and the rest. What is none is passed over byte by byte."""
    found: list[bytes] = []
    while len(data) >= RTU_READ_BYTES:
        size = RTU_READ_BYTES
        if data[1] in (15, 16):
            size = 9 + data[_RTU_LENGTH_AT]
        if len(data) < size:
            break
        if check.holds(data[:size]):
            found.append(data[:size])
            data = data[size:]
        else:
            rack.bad += 1
            data = data[1:]
    return found, data
