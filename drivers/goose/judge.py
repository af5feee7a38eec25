"""What a GOOSE frame says against its own values.

    none, or not the configuration's data set  DATA_INVALID  MALFORMED, NO_CONFIGURATION
    ndsCom (IEC 61850-7-2 18.2)                DATA_INVALID  NEEDS_COMMISSIONING
    Reserved1 bit 15, or simulation            SIMULATED     SIMULATION
    simulation: `test` in edition 1            TEST          TEST_MODE
    a quality that is not good                 DATA_INVALID  POINT_INVALID
    a quality with its test bit                TEST          TEST_MODE
    a float that is no number                  DATA_INVALID  VALUE_INVALID

1. Which bit string is a quality (IEC 61850-7-3 6.2) is known from an SCL file only, by its bType.

Whether the instant is good enough is not judged here.
"""

from drivers.goose.frame import carry
from drivers.goose.layout import Layout
from drivers.goose.pdu import decode_pdu
from drivers.line import FrameError
from drivers.values import WHOLE, Values, Verdict, missing
from evidence.code import Class, Reason

QUALITY_BITS = 13
_VALIDITY_GOOD = "00"
_TEST_BIT = 11
# Faults that say that it is a GOOSE frame, and not one of this configuration.
_OTHER = frozenset(("no_configuration", "other_gocb_ref", "conf_rev", "data_set"))


class FrameJudge:
    """Of the frames of one stream; `layout`: None where its configuration is not known."""

    __slots__ = ("_layout", "_qualities", "slices")

    def __init__(self, layout: Layout | None) -> None:
        self.slices: tuple[tuple[int, int], ...] = WHOLE
        self._layout = layout
        slots = layout.slots if layout is not None else ()
        self._qualities = tuple(at for at, leaf in enumerate(slots) if leaf.btype == "Quality")

    def __call__(self, marks: tuple[bytes, ...]) -> list[Verdict]:
        raw = marks[0] if marks else b""
        try:
            carried = carry(raw)
            message = decode_pdu(raw, carried.start, carried.stop)
            values = self._values(raw)
        except FrameError as fault:
            other = fault.fault in _OTHER
            return [(Class.DATA_INVALID, Reason.NO_CONFIGURATION if other else Reason.MALFORMED)]
        found: list[Verdict] = []
        if message.ndsCom:
            found.append((Class.DATA_INVALID, Reason.NEEDS_COMMISSIONING))
        if carried.simulated or message.simulation:
            found.append((Class.SIMULATED, Reason.SIMULATION))
        if message.simulation:
            found.append((Class.TEST, Reason.TEST_MODE))
        for at in self._qualities:
            found += _of_quality(values[at])
        if missing(values):
            found.append((Class.DATA_INVALID, Reason.VALUE_INVALID))
        return found

    def _values(self, raw: bytes) -> Values:
        if self._layout is None:
            raise FrameError("no_configuration", "the stream's configuration is not known")
        return self._layout.decode(raw)


def _of_quality(quality: object) -> list[Verdict]:
    if not isinstance(quality, str) or len(quality) != QUALITY_BITS:
        return []
    found: list[Verdict] = []
    if not quality.startswith(_VALIDITY_GOOD):
        found.append((Class.DATA_INVALID, Reason.POINT_INVALID))
    if quality[_TEST_BIT] == "1":
        found.append((Class.TEST, Reason.TEST_MODE))
    return found
