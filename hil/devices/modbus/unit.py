"""One Modbus device: requests in, answers out, and what was counted.

1. `sequence` numbers its answers with data, from 1: it stands in the registers that have room for
   it, and the journal (`tell`) has each one.
2. It answers reads alone. A write is refused, counted as such, and never done.
3. It answers only what is addressed to it.
4. Where what it measures has no answer (hil.measurand.FAULTS) it says so by exception 4, as a
   device does whose measuring part has failed, and whoever made it is told.

PDUs only: hil.devices.modbus.port has the lines, and hil.devices.modbus.fault spoils answers.
"""

import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

from hil.devices.modbus.bank import COILS, DISCRETE, HOLDING, INPUT, Bank, Content
from hil.measurand import FAULTS

READS: Final = (COILS, DISCRETE, HOLDING, INPUT)
# MODBUS Application Protocol V1.1b3: all functions that change something, 6.5 to 6.17
WRITES: Final = (5, 6, 15, 16, 21, 22, 23)
REGISTERS_MAX = 125  # 6.3
BITS_MAX = 2000  # 6.1
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, FAILURE = 1, 2, 3, 4  # 7
_READ = struct.Struct(">BHH")


class Sent(NamedTuple):
    """One answer with data, as the device gave it."""

    unit: int
    sequence: int
    measured_tai: int  # the instant whose values it holds
    data: bytes


@dataclass(slots=True)
class Counts:
    """What happened, as the device saw it."""

    requests: int = 0
    answered: int = 0  # with data
    refused: int = 0  # with an exception
    writes: int = 0  # asked for, and refused
    faults: int = 0  # answers spoiled or kept back on request


class Unit:
    """One device at one address of a line."""

    def __init__(
        self,
        number: int,
        content: Content,
        now: Callable[[], int],
        tell: Callable[[Sent], None] | None = None,
        broke: Callable[[Exception], None] | None = None,
    ) -> None:
        """`now` gives ns TAI; `broke` is told of each answer that could not be given."""
        self.number = number
        self.content = content
        self.counts = Counts()
        self.sequence = 0
        self._bank = Bank(content)
        self._now = now
        self._tell, self._broke = tell, broke

    def answer(self, pdu: bytes) -> bytes:
        """The PDU of the answer."""
        self.counts.requests += 1
        function = pdu[0]
        if function in WRITES:
            self.counts.writes += 1
        if function not in READS:
            return self._refused(function, ILLEGAL_FUNCTION)
        if len(pdu) != _READ.size:
            return self._refused(function, ILLEGAL_VALUE)
        _, address, count = _READ.unpack(pdu)
        if not 1 <= count <= (BITS_MAX if function in (COILS, DISCRETE) else REGISTERS_MAX):
            return self._refused(function, ILLEGAL_VALUE)
        try:
            self._bank.refresh(self._now())
        except FAULTS as fault:
            if self._broke is not None:
                self._broke(fault)
            return self._refused(function, FAILURE)
        data = self._bank.read(function, address, count, self.sequence + 1)
        if data is None:
            return self._refused(function, ILLEGAL_ADDRESS)
        self.sequence += 1
        self.counts.answered += 1
        if self._tell is not None:
            self._tell(Sent(self.number, self.sequence, self._bank.measured_tai, data))
        return bytes((function, len(data))) + data

    def report(self) -> dict[str, object]:
        """The counts, with whose they are."""
        return {"unit": self.number, **asdict(self.counts)}

    def _refused(self, function: int, code: int) -> bytes:
        self.counts.refused += 1
        return bytes((function | 0x80, code))
