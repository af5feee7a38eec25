"""The kernel's filter of a packet socket: classic BPF by EtherType and APPID, before anything
reaches the process.

1. VLAN and HSR tags that still stand in the frame are passed over, as many as
   drivers.ethernet.frame knows; one that the kernel has taken out is not there to be passed.
2. What it lets through is let through whole.
3. A load beyond the end of a frame ends the program and drops the frame: that is the kernel's rule
   (bpf(4)), and the right one here.

Pure: it makes the program, whoever owns a socket attaches it.
"""

from collections.abc import Iterable, Mapping
from struct import Struct

from drivers.ethernet.frame import (
    TAGS_MAX,
    TYPE_HSR,
    TYPE_OLD_VLAN,
    TYPE_SERVICE_VLAN,
    TYPE_VLAN,
)

APPIDS_MAX = 512  # of one filter: more than one interface subscribes to, and far below
TEXT_BYTES_MAX = 64  # compared of each text, at the most: whoever hears compares the rest
INSTRUCTIONS_MAX = 4096  # of one program: BPF_MAXINSNS
WHOLE = 0x40000  # of what passes: more than a frame has

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, k
_PACK = Struct("=HBBI").pack

# linux/filter.h, bpf_common.h.
_LD_IMM, _LDH_IND, _LDX_IMM = 0x00, 0x48, 0x01
_LD_IND = {4: 0x40, 2: 0x48, 1: 0x50}  # of so many bytes
_ADD_X, _TAX, _JA, _JEQ, _RET = 0x0C, 0x07, 0x05, 0x15, 0x06
_JGE, _AND = 0x35, 0x54
_TYPE_AT = 12
_APPID_AT = 14  # IEC 61850-8-1 and 9-2 Annex C: the first two bytes behind the EtherType
# Behind the eight bytes of Annex C: the message's tag, its length, and its first element.
_LENGTH_AT, _FIRST_AT = 23, 24
_LONG_LENGTH = 0x80  # X.690 8.1.3.5: how many bytes of length follow, by its other bits
_TAG_CODE = 11  # instructions that pass over one tag


def program(
    accept: Mapping[int, Iterable[int]], first: Mapping[int, Iterable[bytes]] | None = None
) -> bytes:
    """Lets EtherTypes through, each with these APPIDs, or with any where none is named; and with
    one of these as the contents of the `first` element of the message, or with any.

    As SO_ATTACH_FILTER takes it: struct sock_filter, one after another. Raises ValueError.
    """
    wanted = {kind: sorted(set(appids)) for kind, appids in accept.items()}
    if sum(map(len, wanted.values())) > APPIDS_MAX:
        raise ValueError(f"more than {APPIDS_MAX} APPIDs in one filter")
    code: list[Instruction] = [(_LDX_IMM, 0, 0, 0)]  # X: how many bytes of tags lie before
    for left in range(TAGS_MAX, 0, -1):
        code += _past_tag((left - 1) * _TAG_CODE)
    code.append((_LDH_IND, 0, 0, _TYPE_AT))
    for kind, appids in wanted.items():
        block = _matching(appids, sorted(set((first or {}).get(kind, ()))))
        code += [(_JEQ, 1, 0, kind), (_JA, 0, 0, len(block)), *block]
    code.append((_RET, 0, 0, 0))
    if len(code) > INSTRUCTIONS_MAX:
        raise ValueError(f"a filter of {len(code)} instructions; at most {INSTRUCTIONS_MAX}")
    return b"".join(_PACK(*each) for each in code)


def _past_tag(ahead: int) -> list[Instruction]:
    """Adds a tag's length to X, or jumps over the `ahead` instructions that look for more."""
    return [
        (_LDH_IND, 0, 0, _TYPE_AT),
        (_JEQ, 4, 0, TYPE_VLAN),
        (_JEQ, 3, 0, TYPE_SERVICE_VLAN),
        (_JEQ, 2, 0, TYPE_OLD_VLAN),
        (_JEQ, 3, 0, TYPE_HSR),
        (_JA, 0, 0, 5 + ahead),
        (_LD_IMM, 0, 0, 4),
        (_JA, 0, 0, 1),
        (_LD_IMM, 0, 0, 6),
        (_ADD_X, 0, 0, 0),
        (_TAX, 0, 0, 0),
    ]


def _matching(appids: list[int], first: list[bytes]) -> list[Instruction]:
    """Ends the program: for these APPIDs, or for all when there is none; the same of the first
    elements.
    """
    ending = _beginning(first) if first else [(_RET, 0, 0, WHOLE)]
    if not appids:
        return ending
    code: list[Instruction] = [(_LDH_IND, 0, 0, _APPID_AT)]
    for left, appid in enumerate(reversed(appids)):
        # To what comes behind this list, and the return that ends it.
        code[1:1] = [(_JEQ, 0, 1, appid), (_JA, 0, 0, 2 * left + 1)]
    return [*code, (_RET, 0, 0, 0), *ending]


def _past_length(at: int) -> list[Instruction]:
    """Adds to X the further octets that a length at `at` has: its last one is there then."""
    return [
        (_LD_IND[1], 0, 0, at),
        (_JGE, 0, 3, _LONG_LENGTH),
        (_AND, 0, 0, _LONG_LENGTH - 1),
        (_ADD_X, 0, 0, 0),
        (_TAX, 0, 0, 0),
    ]


def _beginning(first: list[bytes]) -> list[Instruction]:
    """Ends the program: for messages whose first element has these contents, however long a form
    its length and that of the message have.
    """
    code = [*_past_length(_LENGTH_AT), *_past_length(_FIRST_AT + 1)]
    for contents in first:
        wanted = bytes((len(contents) & 0xFF,)) + contents[:TEXT_BYTES_MAX]
        parts: list[tuple[int, int, int]] = []  # width, where, what
        at = 0
        while at < len(wanted):
            width = max(width for width in _LD_IND if width <= len(wanted) - at)
            parts.append((width, at, int.from_bytes(wanted[at : at + width], "big")))
            at += width
        for number, (width, at, value) in enumerate(parts):
            other = 2 * (len(parts) - number - 1) + 1  # behind the return
            code += [(_LD_IND[width], 0, 0, _FIRST_AT + 1 + at), (_JEQ, 0, other, value)]
        code.append((_RET, 0, 0, WHOLE))
    return [*code, (_RET, 0, 0, 0)]
