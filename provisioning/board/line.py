"""A board's link at this machine: packets out, packets in, and a fault that is one line.

1. What is said is of the kinds of link.py, pairing.py and update.py alone, made by their own code.
2. Whatever is heard that is no packet is counted, and nothing of it is used.
3. A port is ours alone while it is open: a gateway that reads the board is to be stopped first.
"""

from collections import deque
from collections.abc import Collection, Iterator

from agent.clock import Linux
from drivers.serial import device
from firmware_bridge import link, pairing
from firmware_bridge.firmware import update
from firmware_bridge.packet import Packer, Unpacker
from provisioning.board.prompt import check_there
from provisioning.board.release import BoardError

BAUD = link.START_BAUD  # of the link, in the board.json that the firmware's page shows
NS = 1_000_000_000
KINDS = frozenset(
    (
        *(link.HELLO, link.ACK, link.PING, pairing.OFFER, pairing.REVEAL, pairing.CONFIRM),
        *(update.MANIFEST, update.FILE, update.FINISH),
    )
)
_READ_S = 0.02
_SAID_MAX_BYTES = 64  # of a body: what a board's end holds
CLOCK = Linux()


class Line:
    """An open port. Everything raises BoardError."""

    def __init__(self, port: str, baud: int) -> None:
        import serial

        self._port = port
        self._faults = (serial.SerialException, OSError, ValueError)
        self._packer, self._unpacker = Packer(_SAID_MAX_BYTES), Unpacker(link.BODY_MAX_BYTES)
        self._heard: deque[tuple[int, bytes]] = deque()  # and not taken yet
        self.octets = 0  # heard
        check_there(port)
        try:
            self._line = serial.Serial(port, baud, timeout=_READ_S, write_timeout=2, exclusive=True)
        except self._faults as fault:
            others = device.others_with(port)
            why = f"in use by {others}" if others else "it is no serial port, or in use"
            raise BoardError(f"{port}: cannot be opened: {why}") from fault

    @property
    def damaged(self) -> int:
        """Packets that came damaged."""
        return self._unpacker.damaged

    def say(self, kind: int, body: bytes) -> None:
        if kind not in KINDS:
            raise BoardError(f"{self._port}: a board is not sent packets of kind {kind:#04x}")
        size = self._packer.pack(kind, body)
        try:
            # A boundary first: whatever was on the line before ends there.
            self._line.write(b"\x00" + bytes(self._packer.buffer[:size]))
        except self._faults as fault:
            raise BoardError(f"{self._port}: the line went away") from fault

    def hear(self, until_ns: int) -> Iterator[tuple[int, bytes]]:
        """What comes until then; what came beside what was taken last, first."""
        while self._heard:
            yield self._heard.popleft()
        while CLOCK.monotonic_ns() < until_ns:
            try:
                octets = self._line.read(max(1, self._line.in_waiting))
            except self._faults as fault:
                raise BoardError(f"{self._port}: the line went away") from fault
            self.octets += len(octets)
            self._heard.extend(self._unpacker.feed(octets))
            while self._heard:
                yield self._heard.popleft()

    def asked(
        self, kind: int, body: bytes, wanted: Collection[int], every_ns: int, times: int
    ) -> tuple[int, bytes] | None:
        """The first answer of a kind that is wanted; None: it was asked so often, for nothing."""
        # An answer that was heard before it was asked for is another's.
        self._heard = deque(one for one in self._heard if one[0] not in wanted)
        for _ in range(times):
            self.say(kind, body)
            for heard, told in self.hear(CLOCK.monotonic_ns() + every_ns):
                if heard in wanted:
                    return heard, told
        return None

    def close(self) -> None:
        """Never raises."""
        import contextlib

        with contextlib.suppress(*self._faults):
            self._line.close()
