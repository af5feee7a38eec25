"""What can go wrong with the answer of a Modbus device, each on request: a function of the answer.

1. A fault changes what goes out and nothing in the device: the answer was made and has its number.
2. What it makes is a Play: bytes, each after a time, and perhaps a hang-up. A port plays it.
3. One fault, one answer, in the order in which they were asked for.

It opens nothing and waits for nothing.
"""

import random
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from hil.devices.modbus import check

MBAP_BYTES = 7
GATEWAY_TARGET = 11  # V1.1b3 7: a gateway says that its device does not answer
GARBAGE_BYTES = 20
PAUSE_S = 0.05  # in the middle of an answer, where one is asked for


class Said(NamedTuple):
    """An answer as it would go out, and what came before it."""

    tcp: bool
    request: bytes  # the ADU
    answer: bytes  # the ADU
    before: bytes  # the ADU of the last answer to another request on this line; empty at first


class Play(NamedTuple):
    """What goes out instead."""

    pieces: tuple[tuple[float, bytes], ...]  # seconds after the one before, bytes
    hang_up: bool = False


class Fault(NamedTuple):
    """One of FAULTS; its argument is seconds, a code, or octets, as the fault has it."""

    name: str
    argument: float = 0.0


def adu(tcp: bool, request: bytes, unit: int, pdu: bytes) -> bytes:
    """An answer to a request, whole."""
    if not tcp:
        return check.sealed(bytes((unit,)) + pdu)
    return request[:4] + (len(pdu) + 1).to_bytes(2, "big") + bytes((unit,)) + pdu


def played(fault: Fault, said: Said) -> Play:
    """What goes out with this fault."""
    return FAULTS[fault.name](said, fault.argument)


def _pdu(said: Said, raw: bytes) -> bytes:
    return raw[MBAP_BYTES:] if said.tcp else raw[1:-2]


def _unit(said: Said, raw: bytes) -> int:
    return raw[MBAP_BYTES - 1] if said.tcp else raw[0]


def _remade(said: Said, pdu: bytes, unit: int | None = None) -> Play:
    number = _unit(said, said.answer) if unit is None else unit
    return Play(((0.0, adu(said.tcp, said.request, number, pdu)),))


def _exception(said: Said, code: float) -> Play:
    function = _pdu(said, said.request)[0] | 0x80
    return _remade(said, bytes((function, int(code) or GATEWAY_TARGET)))


def _no_answer(said: Said, _: float) -> Play:
    return Play(())


def _late(said: Said, seconds: float) -> Play:
    return Play(((seconds, said.answer),))


def _wrong_unit(said: Said, _: float) -> Play:
    return _remade(said, _pdu(said, said.answer), _unit(said, said.answer) % 247 + 1)


def _wrong_function(said: Said, _: float) -> Play:
    pdu = _pdu(said, said.answer)
    return _remade(said, bytes((7 - pdu[0] & 0x7F,)) + pdu[1:])


def _short(said: Said, octets: float) -> Play:
    """The answer ends too early, and nothing says so: on TCP its length still promises the rest."""
    return Play(((0.0, said.answer[: -(int(octets) or 3)]),))


def _fewer(said: Said, _: float) -> Play:
    """A good answer to a smaller request: the last register is missing."""
    pdu = _pdu(said, said.answer)
    return _remade(said, bytes((pdu[0], max(pdu[1] - 2, 0))) + pdu[2:-2])


def _crossed(said: Said, _: float) -> Play:
    """The answer to another request, as it was."""
    return Play(((0.0, said.before or said.answer),))


def _swapped(said: Said, _: float) -> Play:
    """The answer to another request, under this one's unit and transaction: a gateway's mistake."""
    return _remade(said, _pdu(said, said.before or said.answer))


def _twice(said: Said, _: float) -> Play:
    return Play(((0.0, said.answer), (0.0, said.answer)))


def _check(said: Said, _: float) -> Play:
    """A wrong CRC; on TCP, which has none, a header of another protocol."""
    raw = bytearray(said.answer)
    raw[2 if said.tcp else -1] ^= 0x5A
    return Play(((0.0, bytes(raw)),))


def _garbage(said: Said, octets: float) -> Play:
    """Noise, and no answer."""
    return Play(((0.0, _noise(int(octets) or GARBAGE_BYTES)),))


def _garbage_before(said: Said, octets: float) -> Play:
    """Noise, and the answer close behind it."""
    return Play(((0.0, _noise(int(octets) or GARBAGE_BYTES) + said.answer),))


def _echo(said: Said, _: float) -> Play:
    """A two-wire transceiver that hears what it sends: the request comes back first."""
    return Play(((0.0, said.request + said.answer),))


def _slowly(said: Said, seconds: float) -> Play:
    """With a pause in the middle: a USB adapter's latency, a gateway's two packets."""
    half = len(said.answer) // 2
    pause_s = seconds or PAUSE_S
    return Play(((0.0, said.answer[:half]), (pause_s, said.answer[half:])))


def _hang_up(said: Said, _: float) -> Play:
    """The connection ends in the middle of an answer."""
    return Play(((0.0, said.answer[: len(said.answer) // 2]),), True)


def _noise(octets: int) -> bytes:
    """The same for every run. No byte of it begins an answer of a usual unit on a serial line."""
    rng = random.Random(octets)
    return bytes(rng.randrange(0xF8, 0x100) for _ in range(octets))


FAULTS: Final[Mapping[str, Callable[[Said, float], Play]]] = {
    "exception": _exception,
    "no-answer": _no_answer,
    "late": _late,
    "wrong-unit": _wrong_unit,
    "wrong-function": _wrong_function,
    "short": _short,
    "fewer": _fewer,
    "crossed": _crossed,
    "swapped": _swapped,
    "twice": _twice,
    "check": _check,
    "garbage": _garbage,
    "garbage-before": _garbage_before,
    "echo": _echo,
    "slowly": _slowly,
    "hang-up": _hang_up,
}
