"""What publishers of GOOSE and Sampled Values have in common: the frame around the APDU, built by
scapy, and the interface that it goes out on, with what can go wrong there.

1. Frames are built from the standards' tables (IEC 61850-8-1 Annex C, IEC 62439-3), by other code
   than that which reads them in drivers/.
2. An outlet sends each frame as it is given; faults are asked for by name, one method each, and
   counted.
3. Nothing is published anywhere but here, in the bench.
"""

import socket
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from scapy.fields import BitField, ShortField, XShortField
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

SIMULATED = 0x8000  # of Reserved1
BYTE_MAX = 0x7F  # of a BER length in its short form
_LAN_A, _LAN_B = 10, 11


class Iec61850(Packet):
    """APPID, Length, Reserved1, Reserved2."""

    name = "IEC 61850"
    fields_desc = [  # noqa: RUF012
        XShortField("appid", 0),
        ShortField("length", 8),
        XShortField("reserved1", 0),
        XShortField("reserved2", 0),
    ]


class Hsr(Packet):
    """The tag of IEC 62439-3 5.7, behind 0x892F."""

    name = "HSR"
    fields_desc = [  # noqa: RUF012
        BitField("path", 0, 4),
        BitField("size", 0, 12),
        ShortField("sequence", 0),
        XShortField("type", 0),
    ]


class Rct(Packet):
    """The trailer of IEC 62439-3 4.2.7."""

    name = "PRP"
    fields_desc = [  # noqa: RUF012
        ShortField("sequence", 0),
        BitField("lan", _LAN_A, 4),
        BitField("size", 0, 12),
        XShortField("suffix", 0x88FB),
    ]


@dataclass(frozen=True, slots=True)
class Addressing:
    """Where frames go, and under what number."""

    ethertype: int
    appid: int
    destination: str = "01:0c:cd:01:00:01"
    source: str = "02:00:00:00:00:01"
    vlan: int | None = None  # VID; 0 for a tag with a priority alone
    priority: int = 4
    redundancy: Literal["", "prp", "hsr"] = ""


def tlv(tag: int, content: bytes) -> bytes:
    """One element in BER, its length as short as can be."""
    size = len(content)
    if size <= BYTE_MAX:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


def frames(
    to: Addressing, apdu: bytes, simulated: bool = False, sequence: int = 0
) -> tuple[bytes, ...]:
    """The frame that carries an APDU; two where redundancy makes two of it."""
    length = len(apdu) + 8
    body = bytes(
        Iec61850(appid=to.appid, length=length, reserved1=SIMULATED if simulated else 0) / Raw(apdu)
    )
    head = Ether(dst=to.destination, src=to.source)
    if to.redundancy == "hsr":
        # The size is of all behind itself, EtherType included, and the two octets before: as
        # Linux writes it (net/hsr).
        return tuple(
            _whole(
                head,
                to,
                0x892F,
                bytes(Hsr(path=path, size=len(body) + 6, sequence=sequence, type=to.ethertype))
                + body,
            )
            for path in (0, 1)
        )
    if to.redundancy == "prp":
        return tuple(
            _whole(
                head,
                to,
                to.ethertype,
                body + bytes(Rct(sequence=sequence, lan=lan, size=len(body) + 6)),
            )
            for lan in (_LAN_A, _LAN_B)
        )
    return (_whole(head, to, to.ethertype, body),)


def _whole(head: Packet, to: Addressing, kind: int, body: bytes) -> bytes:
    if to.vlan is None:
        return bytes(Ether(dst=head.dst, src=head.src, type=kind) / Raw(body))
    tag = Dot1Q(vlan=to.vlan, prio=to.priority, type=kind)
    return bytes(Ether(dst=head.dst, src=head.src, type=0x8100) / tag / Raw(body))


class Outlet:
    """One interface to send on. What goes out is `sent`; what was asked to go wrong is counted."""

    def __init__(self, interface: str) -> None:
        """Raises OSError. Call it in the namespace that the interface is in."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.bind((interface, 0))
        self._lose = 0
        self._held: list[bytes] | None = None
        self._last: tuple[bytes, ...] = ()
        self.counts: Counter[str] = Counter()
        self.cut = False  # nothing goes out

    def send(self, several: Iterable[bytes]) -> None:
        """A frame, or its two copies."""
        several = tuple(several)
        if self._lose:
            self._lose -= 1
            self.counts["lost"] += 1
            return
        self._last = several
        if self._held is not None:
            held, self._held = self._held, None
            if not held:
                self._held = list(several)
                return
            self.counts["reordered"] += 1
            self._put((*several, *held))
            return
        self._put(several)

    def lose(self, count: int = 1) -> None:
        """The next frames do not go out."""
        self._lose = count

    def reorder(self) -> None:
        """The next two change places."""
        self._held = []

    def replay(self) -> None:
        """The last one goes out again, as it was."""
        self.counts["replayed"] += 1
        self._put(self._last)

    def forge(self, several: Iterable[bytes]) -> None:
        """Somebody else's frame goes out between ours."""
        self.counts["forged"] += 1
        self._put(several)

    def close(self) -> None:
        self._socket.close()

    def _put(self, several: Iterable[bytes]) -> None:
        for frame in several:
            if self.cut:
                self.counts["cut"] += 1
                continue
            self._socket.send(frame)
            self.counts["sent"] += 1
