"""All that Gridseal may send to a device, and the one function through which it is sent.

1. The table is closed: what is not in it is not sent. An encoded command is compared with the table
   as bytes, just before it goes out, so that a mistake above cannot become a write below.
2. IEEE C37.118.2-2011 Table 15: data off, data on, send HDR, CFG-1, CFG-2 and CFG-3. Never the
   extended frame, whose meaning is the vendor's, nor what C37.118.2-2024 adds (rename and configure
   write).
3. IEEE 1344: data off, data on, send the header, configuration file 1 or 2. Never command 8, which
   gives the PMU a reference phasor.
4. Modbus: the four functions that read (MODBUS Application Protocol V1.1b3, 6.1 to 6.4), of one
   unit, within their limits; over TCP and TLS framed by MBAP, on a serial line by address and CRC.
   No other function, no broadcast, no request inside another.
5. u-blox receivers: polls of what they are and of how they measure, and the rate at which they tell
   the messages that are read here, on the port that asks, in RAM: what is lost with power. No rate
   of 0, no other item of configuration, no other layer.
6. gpsd: to be told what it hears, its devices untouched.
7. A board of ours: the link's own packets, HELLO, ACK, WANT, PING and BAUD, each in its one
   encoding (firmware_bridge.link, .packet); nothing that pairs it, and nothing for a device behind
   it, whose line it cannot write to.
8. An ask refused is a mistake of ours, never of the peer: AskError, for which nobody retries.

It opens nothing and waits for nothing: the line is non-blocking, and an ask is a few bytes. Through
TLS an ask is checked as it is, just before it is encrypted.
"""

import os
import re
import socket
from binascii import crc32, crc_hqx
from collections.abc import Callable
from typing import Final, Protocol

from drivers.gnss.check import UBX_SYNC, fletcher
from drivers.line import LinkError
from drivers.modbus import crc

C37118_COMMANDS: Final = {
    1: "data off",
    2: "data on",
    3: "send HDR",
    4: "send CFG-1",
    5: "send CFG-2",
    6: "send CFG-3",
}
_C37118_COMMAND_BYTES = 18
_C37118_SYNCS = (b"\xaa\x41", b"\xaa\x42")  # a command frame of 2005 or 2011


IEEE1344_COMMANDS: Final = {
    1: "data off",
    2: "data on",
    3: "send header",
    4: "send configuration 1",
    5: "send configuration 2",
}
_IEEE1344_COMMAND_BYTES = 16

MODBUS_READS: Final = {  # name, most of one read
    1: ("read coils", 2000),
    2: ("read discrete inputs", 2000),
    3: ("read holding registers", 125),
    4: ("read input registers", 125),
}
_MODBUS_PDU_BYTES = 5
_MODBUS_MBAP = b"\0\0\0\6"  # protocol 0, and the length of unit and PDU
_MODBUS_UNIT_MAX = 247  # on a serial line; 0 is everybody

UBX_POLLS: Final = {  # class, identifier, payload
    (0x0A, 0x04, b""): "poll MON-VER",
    (0x06, 0x3D, b""): "poll CFG-TMODE2",
    (0x06, 0x71, b""): "poll CFG-TMODE3",
    (0x06, 0x8B, bytes(4) + b"\x01\x00\x03\x20"): "poll CFG-TMODE-MODE",  # of the RAM layer
}
UBX_RATES: Final = {  # class, identifier: name, and CFG-MSGOUT-...-UART1 (0: has none)
    (0x01, 0x03): ("NAV-STATUS", 0x2091001B),
    (0x01, 0x07): ("NAV-PVT", 0x20910007),
    (0x01, 0x26): ("NAV-TIMELS", 0x20910061),
    (0x01, 0x35): ("NAV-SAT", 0x20910016),
    (0x01, 0x3B): ("NAV-SVIN", 0x20910089),
    (0x01, 0x61): ("NAV-EOE", 0x20910160),
    (0x0A, 0x09): ("MON-HW", 0),
    (0x0A, 0x38): ("MON-RF", 0x2091035A),
    (0x0D, 0x01): ("TIM-TP", 0x2091017E),
    (0x0D, 0x04): ("TIM-SVIN", 0),
    (0x27, 0x09): ("SEC-SIG", 0x20910635),
}
UBX_RATE_MAX: Final = 60  # epochs a message: once a minute
_UBX_CFG_MSG, _UBX_CFG_VALSET = (0x06, 0x01), (0x06, 0x8A)
_UBX_VALSET_RAM = b"\x00\x01\x00\x00"  # version 0, layer RAM and no other, no transaction
_UBX_VALSET_ITEMS_MAX = 64
_UBX_PORTS = 3  # the keys of UART1, UART2 and USB follow one another
_UBX_KEYS = frozenset(
    key + port for _, key in UBX_RATES.values() if key for port in range(_UBX_PORTS)
)
_GPSD_WATCH = re.compile(
    rb'\?WATCH=\{"enable":true,"json":true,"raw":2(?:,"device":"[\w./:@+-]{1,128}")?\};\n', re.ASCII
)

BOARD_PACKETS: Final = {  # kind: name, and octets of its body
    0x01: ("HELLO", 8),
    0x02: ("ACK", 18),
    0x03: ("WANT", 12),
    0x04: ("PING", 12),
    0x05: ("BAUD", 8),
}
BOARD_BAUDS: Final = range(9600, 3_000_001)  # what a board agrees to (firmware_bridge.link)
_BOARD_AT_ONCE_MAX = 4  # packets of one ask
_BOARD_CRC_BYTES = 4


class Outlet(Protocol):
    """What takes bytes where a descriptor would bypass encryption: all at once, or it raises."""

    def write(self, data: bytes, /) -> int:
        """How many it took. Raises OSError."""


class AskError(Exception):
    """Something was about to be sent that the table does not hold."""


def send(
    line: int | Outlet, protocol: str, encoded: bytes, to: tuple[str, int] | None = None
) -> str:
    """Sends one ask, whole, and returns what the table calls it.

    `line`: a descriptor, or TLS. `to`: numeric address and port, where the descriptor is a UDP
    socket that is bound to no peer.

    Raises AskError with nothing sent, LinkError when the line does not take it.
    """
    named = _PROTOCOLS.get(protocol)
    if named is None:
        raise AskError(f"nothing may be sent by {protocol!r}")
    name = named(encoded)
    borrowed = socket.socket(fileno=line) if to is not None and isinstance(line, int) else None
    try:
        if borrowed is not None and to is not None:
            sent = borrowed.sendto(encoded, to)
        else:
            sent = os.write(line, encoded) if isinstance(line, int) else line.write(encoded)
    except OSError as fault:
        raise LinkError(f"cannot send {name}: {fault.strerror or fault}") from fault
    finally:
        if borrowed is not None:
            borrowed.detach()  # the descriptor is the line's, not ours to close
    if sent != len(encoded):
        raise LinkError(f"the line took {sent} of {len(encoded)} bytes of {name}")
    return name


def _c37118(encoded: bytes) -> str:
    """The name of a C37.118 command frame that may be sent."""
    if len(encoded) != _C37118_COMMAND_BYTES or encoded[:2] not in _C37118_SYNCS:
        raise AskError(f"not a plain C37.118 command frame: {encoded[:20].hex()}")
    if int.from_bytes(encoded[2:4], "big") != len(encoded) or crc_hqx(encoded, 0xFFFF):
        raise AskError(f"FRAMESIZE or CHK of a command is wrong: {encoded.hex()}")
    name = C37118_COMMANDS.get(int.from_bytes(encoded[14:16], "big"))
    if name is None:
        raise AskError(f"C37.118 command {encoded[14:16].hex()} is not in the table")
    return name


def _modbus_tcp(encoded: bytes) -> str:
    """The name of a read over TCP or TLS; any transaction, any unit."""
    if len(encoded) != 7 + _MODBUS_PDU_BYTES or encoded[2:6] != _MODBUS_MBAP:
        raise AskError(f"not a Modbus read over TCP: {encoded[:20].hex()}")
    return _modbus_read(encoded[7:])


def _modbus_rtu(encoded: bytes) -> str:
    """The name of a read on a serial line, of one unit."""
    if len(encoded) != 3 + _MODBUS_PDU_BYTES or not crc.holds(encoded):
        raise AskError(f"not a Modbus read on a serial line: {encoded[:20].hex()}")
    if not 1 <= encoded[0] <= _MODBUS_UNIT_MAX:
        raise AskError(f"unit {encoded[0]} is not one to ask: 1 to {_MODBUS_UNIT_MAX}")
    return _modbus_read(encoded[1:6])


def _modbus_read(pdu: bytes) -> str:
    name, most = MODBUS_READS.get(pdu[0], ("", 0))
    if not name:
        raise AskError(f"Modbus function {pdu[0]} is not in the table")
    address, length = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
    if not 1 <= length <= most or address + length > 0x10000:
        raise AskError(f"{name}: {length} from {address} is not 1 to {most} of what there is")
    return name


def _ieee1344(encoded: bytes) -> str:
    """The name of an IEEE 1344 command frame that may be sent."""
    # The upper half of the IDCODE is 0 in all that we send: without it this would be a data frame.
    whole = len(encoded) == _IEEE1344_COMMAND_BYTES and encoded[4:8] == bytes(4)
    if not whole or crc_hqx(encoded, 0xFFFF):
        raise AskError(f"not an IEEE 1344 command frame: {encoded[:20].hex()}")
    name = IEEE1344_COMMANDS.get(int.from_bytes(encoded[12:14], "big"))
    if name is None:
        raise AskError(f"IEEE 1344 command {encoded[12:14].hex()} is not in the table")
    return name


def _ubx(encoded: bytes) -> str:
    """The name of a poll or of rates that a u-blox receiver may be sent."""
    if encoded[:2] != UBX_SYNC or len(encoded) < 8 or fletcher(encoded[2:-2]) != encoded[-2:]:
        raise AskError(f"not a UBX message: {encoded[:20].hex()}")
    identity, payload = (encoded[2], encoded[3]), encoded[6:-2]
    if int.from_bytes(encoded[4:6], "little") != len(payload):
        raise AskError(f"LENGTH of a UBX message is wrong: {encoded[:20].hex()}")
    name = UBX_POLLS.get((*identity, payload))
    if name is not None:
        return name
    if identity == _UBX_CFG_MSG and len(payload) == 3:  # the short form: of this port alone
        row = UBX_RATES.get((payload[0], payload[1]))
        if row is not None and 1 <= payload[2] <= UBX_RATE_MAX:
            return f"rate of {row[0]}"
    if identity == _UBX_CFG_VALSET and payload[:4] == _UBX_VALSET_RAM:
        items = payload[4:]
        keys = [int.from_bytes(items[at : at + 4], "little") for at in range(0, len(items), 5)]
        rates = items[4::5]
        whole = len(items) % 5 == 0 and 1 <= len(keys) <= _UBX_VALSET_ITEMS_MAX
        if whole and _UBX_KEYS.issuperset(keys) and all(1 <= r <= UBX_RATE_MAX for r in rates):
            return f"rates of {len(keys)} messages"
    raise AskError(f"UBX {encoded[2:].hex(' ')[:80]} is not in the table")


def _gpsd(encoded: bytes) -> str:
    """The one thing that gpsd is asked."""
    if _GPSD_WATCH.fullmatch(encoded) is None:
        raise AskError(f"gpsd is not asked {encoded[:80]!r}")
    return "watch"


def _board(encoded: bytes) -> str:
    """The names of the packets of the link that a board of ours may be sent."""
    packets = encoded.split(b"\0")
    if packets.pop() or not 1 <= len(packets) <= _BOARD_AT_ONCE_MAX:
        raise AskError(f"not whole packets of the board's link: {encoded[:20].hex()}")
    return ", ".join(_board_packet(each) for each in packets)


def _board_packet(stuffed: bytes) -> str:
    plain, at = bytearray(), 0
    while at < len(stuffed):  # COBS; all of these are shorter than its longest run
        code = stuffed[at]
        plain += stuffed[at + 1 : at + code]
        at += code
        if at < len(stuffed):
            plain.append(0)
    name, size = BOARD_PACKETS.get(plain[0], ("", 0)) if plain else ("", 0)
    if not name or at != len(stuffed) or len(plain) != 1 + size + _BOARD_CRC_BYTES:
        raise AskError(f"a board is not sent {stuffed[:20].hex()}")
    body = plain[:-_BOARD_CRC_BYTES]
    if crc32(body) != int.from_bytes(plain[-_BOARD_CRC_BYTES:], "big"):
        raise AskError(f"the CRC of {name} is wrong: {stuffed.hex()}")
    if name == "BAUD" and int.from_bytes(body[-4:], "big") not in BOARD_BAUDS:
        raise AskError(f"a board is not set to {int.from_bytes(body[-4:], 'big')} baud")
    return name


_PROTOCOLS: Final[dict[str, Callable[[bytes], str]]] = {
    "c37118": _c37118,
    "ieee1344": _ieee1344,
    "modbus-tcp": _modbus_tcp,
    "modbus-rtu": _modbus_rtu,
    "ubx": _ubx,
    "gpsd": _gpsd,
    "mcu": _board,
}
