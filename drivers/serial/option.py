"""What a serial line is set to, whatever is spoken on it: the options that every serial scheme
shares.

1. A scheme's own struct either derives from SerialLine or states the same fields by the types here
   (two msgspec structs with fields cannot both be bases); `LineOptions` is what both fit.
2. Ranges are checked here, before anything is opened; what this machine's driver cannot do is found
   when the line is opened, and said in words.

It opens nothing.
"""

from typing import Annotated, Literal, Protocol

import msgspec

Baud = Annotated[int, msgspec.Meta(ge=300, le=4_000_000)]
Parity = Literal["none", "even", "odd"]
ByteSize = Literal[7, 8]
StopBits = Literal[1, 2]
# Who turns a two-wire line around: the transceiver by itself, or the kernel, by RTS (TIOCSRS485).
Rs485 = Literal["transceiver", "kernel"]
RtsLevel = Literal["high", "low"]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=1000)]

BAUD_DEFAULT = 115_200


class LineOptions(Protocol):
    """The options of a serial line, as open_line takes them."""

    @property
    def path(self) -> str: ...
    @property
    def baud(self) -> int: ...
    @property
    def parity(self) -> Parity: ...
    @property
    def bytesize(self) -> ByteSize: ...
    @property
    def stopbits(self) -> StopBits: ...
    @property
    def rs485(self) -> Rs485: ...
    @property
    def rts_on_send(self) -> RtsLevel: ...


class SerialLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A serial line, or anything that looks like one."""

    path: str
    baud: Baud = BAUD_DEFAULT
    parity: Parity = "none"
    bytesize: ByteSize = 8
    stopbits: StopBits = 1
    rs485: Rs485 = "transceiver"
    rts_on_send: RtsLevel = "high"  # of rs485 = "kernel": the level that opens the transmitter
    # of a protocol that asks and waits: rest between the last byte heard and the next one sent
    turnaround_ms: Milliseconds = 0.0


def bits_a_byte(options: LineOptions) -> int:
    """Of one byte on the wire: start, data, parity, stop."""
    return 1 + options.bytesize + (options.parity != "none") + options.stopbits


def bytes_ns(options: LineOptions, count: int) -> int:
    """How long so many bytes take on the wire, ns, rounded up."""
    return -(-count * bits_a_byte(options) * 1_000_000_000 // options.baud)
