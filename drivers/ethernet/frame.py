"""One Ethernet frame as it was on the wire: addresses, tags, EtherType, and where the payload lies.

    MAC addresses, EtherType     IEEE 802.3-2018 3.2
    VLAN tags                    IEEE 802.1Q-2018 9.3: 0x8100, and 0x88A8 around it
    HSR tag, 0x892F              IEC 62439-3:2016 5.7: path, LSDU size, sequence; before the payload
    PRP trailer, 0x88FB          IEC 62439-3:2016 4.2.7: sequence, LAN, LSDU size; at the very end

1. Nothing is copied but the addresses: the payload is a span of the frame, trailer excluded.
2. A trailer counts only when its suffix, its LAN and its size all fit this frame: payload may end
   in 88 FB by chance. Where padding was added behind it, by a bridge, it is padding too.
3. Padding is part of the payload. Whoever reads that knows how long it is.
4. Whatever the bytes, the only exception is FrameError.

It opens nothing, and knows nothing of what is inside.
"""

from typing import NamedTuple

from drivers.line import FrameError

ADDRESSES_BYTES = 12  # destination and source
HEAD_BYTES_MIN = 14
FRAME_BYTES_MAX = 9216  # a jumbo frame; 802.3 itself ends at 2,000, and none of ours reaches that
TAGS_MAX = 4  # VLAN and HSR together: two and one are usual at most

TYPE_VLAN = 0x8100
TYPE_SERVICE_VLAN = 0x88A8
TYPE_OLD_VLAN = 0x9100  # before 802.1ad; bridges still send it
TYPE_HSR = 0x892F
TYPE_GOOSE = 0x88B8  # IEC 61850-8-1 Annex C
TYPE_SV = 0x88BA  # IEC 61850-9-2 Annex C
_VLAN_TYPES = frozenset((TYPE_VLAN, TYPE_SERVICE_VLAN, TYPE_OLD_VLAN))
_LENGTH_MAX = 0x05DC  # 802.3 3.2.6: up to here it is a length; from 0x0600 on a type
_RCT_SUFFIX = b"\x88\xfb"
_RCT_BYTES = 6
_HSR_BYTES = 6  # with the EtherType behind it
_LANS = (0x0A, 0x0B)


class Tag(NamedTuple):
    """One VLAN tag, outermost first."""

    tpid: int
    tci: int

    @property
    def vlan(self) -> int:
        """VID; 0 where the tag only carries a priority."""
        return self.tci & 0x0FFF

    @property
    def priority(self) -> int:
        return self.tci >> 13


class Redundancy(NamedTuple):
    """What tells the copies of one frame: same source and sequence, different LAN."""

    hsr: bool  # else PRP
    sequence: int  # of the source, 16 bits
    lan: int  # PRP: 10 or 11 for LAN A or B. HSR: the path, 0 to 15


class Ethernet(NamedTuple):
    """A frame taken apart. The payload is raw[start:end]."""

    destination: bytes
    source: bytes
    tags: tuple[Tag, ...]
    ethertype: int
    start: int
    end: int
    redundancy: Redundancy | None


def parse(raw: bytes) -> Ethernet:
    """Raises FrameError: truncated, frame_size, tags, length_field."""
    size = len(raw)
    if not HEAD_BYTES_MIN <= size <= FRAME_BYTES_MAX:
        name = "truncated" if size < HEAD_BYTES_MIN else "frame_size"
        raise FrameError(name, f"{size} bytes; an Ethernet frame has {HEAD_BYTES_MIN} and more")
    at, kind = ADDRESSES_BYTES, raw[12] << 8 | raw[13]
    tags: tuple[Tag, ...] = ()
    redundancy: Redundancy | None = None
    if kind in _VLAN_TYPES or kind == TYPE_HSR:
        kind, at, tags, redundancy = _tagged(raw)
    if kind <= _LENGTH_MAX:
        raise FrameError("length_field", f"{kind} is a length, not an EtherType")
    end = size
    if redundancy is None and raw[-2:] == _RCT_SUFFIX:
        redundancy = _trailer(raw, at + 2)
        end -= _RCT_BYTES if redundancy is not None else 0
    return Ethernet(raw[:6], raw[6:12], tags, kind, at + 2, end, redundancy)


def _tagged(raw: bytes) -> tuple[int, int, tuple[Tag, ...], Redundancy | None]:
    """EtherType, where it stands, and the tags before it."""
    at, tags = ADDRESSES_BYTES, list[Tag]()
    redundancy: Redundancy | None = None
    for _ in range(TAGS_MAX + 1):
        if at + 2 > len(raw):
            raise FrameError("truncated", "the frame ends in its tags")
        kind = raw[at] << 8 | raw[at + 1]
        if kind in _VLAN_TYPES and at + 4 <= len(raw):
            tags.append(Tag(kind, raw[at + 2] << 8 | raw[at + 3]))
            at += 4
        elif kind == TYPE_HSR and redundancy is None and at + _HSR_BYTES <= len(raw):
            redundancy = Redundancy(True, raw[at + 4] << 8 | raw[at + 5], raw[at + 2] >> 4)
            at += _HSR_BYTES
        elif kind in _VLAN_TYPES or kind == TYPE_HSR:
            break
        else:
            return kind, at, tuple(tags), redundancy
    raise FrameError("tags", f"more than {TAGS_MAX} tags, two of HSR, or one cut short")


def _trailer(raw: bytes, start: int) -> Redundancy | None:
    """The PRP trailer, where these last bytes are one: rule 2."""
    at = len(raw) - _RCT_BYTES
    lan, size = raw[at + 2] >> 4, (raw[at + 2] & 0x0F) << 8 | raw[at + 3]
    # IEC 62439-3 4.2.7.4: the size is of all behind the EtherType, trailer included.
    if at < start or lan not in _LANS or size != len(raw) - start:
        return None
    return Redundancy(False, raw[at] << 8 | raw[at + 1], lan)
