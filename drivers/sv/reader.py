"""Blocks into values, and what their frames say against them.

1. Values stand by member, not by sample: each slot's value is a tuple, one item an ASDU of its svID
   in the order heard. So `smpCnt` is beside every column, and tells where one is missing.
2. A block whose frames all have one shape is compared and unpacked in one go; any other is read
   frame by frame, to the same values.
3. The judge reads the bytes, never what somebody derived from them: counters for what is missing,
   every quality for what is invalid (IEC 61850-7-3 6.2.3) or test, floats for what is no number.

Pure; keeps shapes, SHAPES_MAX of them.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from struct import Struct
from typing import NamedTuple, cast

from drivers.line import FrameError
from drivers.sv.block import HEAD_BYTES, LENGTH_BYTES, decode_block, frame_count
from drivers.sv.counter import missing
from drivers.sv.dataset import (
    FLOATS,
    QUALITY,
    Configuration,
    Dataset,
    Member,
    code,
    quality_mask,
    size,
)
from drivers.sv.layout import PREFIX_BYTES, Layout, fields
from drivers.sv.pdu import decode_pdu
from drivers.values import WHOLE, Value, Values, Verdict
from drivers.values import missing as missing_values
from evidence.code import Class, Reason

SHAPES_MAX = 8  # kept of one configuration: a shape of a whole block takes some 200 KiB
Q_VALIDITY, Q_TEST = 0x0003, 0x0800  # IEC 61850-7-3 6.2.3 and 6.2.7, as 9-2LE numbers the bits
ANY = ""  # the svID of a data set that is everybody's
_SMP_CNT, _SMP_SYNCH, _MEMBERS = 0, 1, 2  # places within the values of one ASDU


class Slot(NamedTuple):
    """What one place of the values is, one item an ASDU. Block: of the configuration's svIDs."""

    block: int
    name: str
    quantity: str
    part: str
    unit: str


class _Flat(NamedTuple):
    """A block unpacked: values of all ASDUs, one after another."""

    values: tuple[Value, ...]
    owners: tuple[int, ...]  # whose data set: of each ASDU, until the pattern comes again
    widths: tuple[int, ...]  # how many values: the same
    invalid: bool
    test: bool


class _Shape(NamedTuple):
    """So many frames of one layout, as one number and one struct."""

    mask: int
    fixed: int
    unpack: Struct
    owners: tuple[int, ...]
    widths: tuple[int, ...]
    invalid: int  # a 1 wherever a bit of a validity stands
    test: int


class Reader:
    """One configuration, ready. `decode` and `judge` are as drivers.values.Compiled has them."""

    def __init__(self, configuration: Configuration) -> None:
        self._span = configuration.span
        self._datasets = configuration.datasets
        self._floats = any(
            member.type in FLOATS for each in self._datasets for member in each.members or ()
        )
        self._known = {each.sv_id: number for number, each in enumerate(self._datasets)}
        self._layouts: dict[tuple[int, bytes], Layout] = {}
        self._shapes: dict[tuple[int, int], _Shape] = {}
        self.slots = tuple(chain(*map(_slots, range(len(self._datasets)), self._datasets)))
        self.judge = BlockJudge(self)

    def decode(self, raw: bytes) -> Values:
        """A block's values, slot by slot. Raises FrameError."""
        flat = self._read(raw)
        return tuple(
            chain.from_iterable(
                self._columns(flat, owner, each.members)
                for owner, each in enumerate(self._datasets)
            )
        )

    def verdicts(self, raw: bytes) -> list[Verdict]:
        """What is wrong with a block. Raises FrameError where it cannot be read."""
        flat = self._read(raw)
        found: list[Verdict] = []
        if flat.invalid:
            found.append((Class.DATA_INVALID, Reason.POINT_INVALID))
        if flat.test:
            found.append((Class.TEST, Reason.TEST_MODE))
        if self._floats and missing_values(flat.values):
            found.append((Class.DATA_INVALID, Reason.VALUE_INVALID))
        for owner in sorted(set(flat.owners)):
            counts = _counts(flat, owner)
            if missing(counts, self._span):
                found.append((Class.DATA_INVALID, Reason.SAMPLES_MISSING))
            if len(set(counts)) != len(counts):
                # Two samples of one instant, and not copies of each other.
                found.append((Class.DATA_INVALID, Reason.MALFORMED))
        return found

    def _columns(
        self, flat: _Flat, owner: int, members: tuple[Member, ...] | None
    ) -> Iterator[Values]:
        """The values of one svID, in the order of its slots."""
        yield _column(flat, owner, _SMP_CNT)
        yield tuple([synch or 0 for synch in _column(flat, owner, _SMP_SYNCH)])
        if members is None:
            yield _column(flat, owner, _MEMBERS)
            return
        for place, member in enumerate(members, _MEMBERS):
            column, scale = _column(flat, owner, place), member.scale
            # A list is built faster than a generator is asked.
            numbers = cast(tuple[float, ...], column)
            yield column if scale == 1.0 else tuple([number * scale for number in numbers])

    def _read(self, raw: bytes) -> _Flat:
        """Raises FrameError."""
        count = frame_count(raw)
        shape = self._shapes.get((count, len(raw)))
        number = int.from_bytes(raw)
        if shape is None or number & shape.mask != shape.fixed:
            frames = decode_block(raw)
            layouts = [self._layout(frame) for frame in frames]
            if any(layout is not layouts[0] for layout in layouts):
                return self._singly(frames, layouts)
            if len(self._shapes) >= SHAPES_MAX:
                self._shapes.clear()
            shape = self._shapes[count, len(raw)] = self._shape(raw, layouts[0], count)
        return _Flat(
            shape.unpack.unpack(raw),
            shape.owners,
            shape.widths,
            number & shape.invalid != 0,
            number & shape.test != 0,
        )

    def _singly(self, frames: list[bytes], layouts: list[Layout]) -> _Flat:
        """Frames of several shapes."""
        values: list[Value] = []
        owners: list[int] = []
        widths: list[int] = []
        invalid = test = False
        for frame, layout in zip(frames, layouts, strict=True):
            shape = self._shape_of_one(layout)
            number = int.from_bytes(frame)
            values += shape.unpack.unpack(frame)
            owners += shape.owners
            widths += shape.widths
            invalid = invalid or number & shape.invalid != 0
            test = test or number & shape.test != 0
        return _Flat(tuple(values), tuple(owners), tuple(widths), invalid, test)

    def _layout(self, frame: bytes) -> Layout:
        """The layout of a frame, learned where it is new. Raises FrameError."""
        key = (len(frame), frame[:PREFIX_BYTES])
        found = self._layouts.get(key)
        if found is None or not found.fits(frame):
            found = Layout(frame, decode_pdu(frame))
            for place in found.places:
                self._check(place.sv_id, place.at_sample[1] - place.at_sample[0])
            if len(self._layouts) >= SHAPES_MAX:
                self._layouts.clear()
            self._layouts[key] = found
        return found

    def _check(self, sv_id: str, sample_bytes: int) -> None:
        members = self._datasets[self._owner(sv_id)].members
        if members is not None and size(members) != sample_bytes:
            text = (
                f"a sample of {sample_bytes} bytes of {sv_id!r}; its data set has {size(members)}"
            )
            raise FrameError("size_mismatch", text)

    def _owner(self, sv_id: str) -> int:
        """Which of the data sets. Raises FrameError."""
        number = self._known.get(sv_id, self._known.get(ANY))
        if number is None:
            raise FrameError("unknown_sv_id", f"{sv_id!r} is not of this configuration")
        return number

    def _shape(self, raw: bytes, layout: Layout, count: int) -> _Shape:
        """Of a block that was read."""
        one = self._shape_of_one(layout)

        def spread(frame: int, around: bytes) -> int:
            """What holds of one frame, for all of them; `around`: for an octet of their lengths."""
            octets = around * LENGTH_BYTES + frame.to_bytes(layout.size)
            return int.from_bytes(around * HEAD_BYTES + octets * count)

        mask = spread(layout.mask, b"\xff")
        # A frame's format begins with its byte order.
        every = f">{HEAD_BYTES}x" + f"{LENGTH_BYTES}x{one.unpack.format[1:]}" * count
        return _Shape(
            mask,
            int.from_bytes(raw) & mask,
            struct.Struct(every),
            one.owners,
            one.widths,
            spread(one.invalid, b"\0"),
            spread(one.test, b"\0"),
        )

    def _shape_of_one(self, layout: Layout) -> _Shape:
        """Of a frame by itself."""
        owners = tuple(self._owner(place.sv_id) for place in layout.places)
        invalid, test = bytearray(layout.size), bytearray(layout.size)
        codes: dict[str, str] = {}
        widths: list[int] = []
        for place, owner in zip(layout.places, owners, strict=True):
            start, stop = place.at_sample
            members = self._datasets[owner].members
            widths.append(_MEMBERS + (1 if members is None else len(members)))
            codes[place.sv_id] = f"{stop - start}s" if members is None else code(members)
            if members is not None:
                invalid[start:stop] = quality_mask(members, Q_VALIDITY)
                test[start:stop] = quality_mask(members, Q_TEST)
        return _Shape(
            layout.mask,
            layout.fixed,
            struct.Struct(">" + fields(layout.places, layout.size, codes)),
            owners,
            tuple(widths),
            int.from_bytes(invalid),
            int.from_bytes(test),
        )


class BlockJudge:
    """As drivers.values.Judge: it needs the whole block, and says what a reader finds."""

    slices: tuple[tuple[int, int], ...] = WHOLE

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __call__(self, marks: tuple[bytes, ...]) -> list[Verdict]:
        try:
            return self._reader.verdicts(marks[0] if marks else b"")
        except FrameError as fault:
            # A block that this configuration does not fit, or no block at all.
            unfit = fault.fault in ("size_mismatch", "unknown_sv_id")
            reason = Reason.NO_CONFIGURATION if unfit else Reason.MALFORMED
            return [(Class.DATA_INVALID, reason)]


def _column(flat: _Flat, owner: int, place: int) -> Values:
    """One value of each ASDU of one svID, in the order heard."""
    owners, widths, values = flat.owners, flat.widths, flat.values
    stride = sum(widths)
    if all(each == owner for each in owners) and len(set(widths)) == 1:
        return values[place :: widths[0]]
    starts = accumulate(widths, initial=0)
    offsets = [start for start, each in zip(starts, owners, strict=False) if each == owner]
    if len(offsets) == 1:
        return values[offsets[0] + place :: stride]
    several = [values[offset + place :: stride] for offset in offsets]
    return tuple(chain.from_iterable(zip(*several, strict=True)))


def _counts(flat: _Flat, owner: int) -> tuple[int, ...]:
    return cast(tuple[int, ...], _column(flat, owner, _SMP_CNT))


def _slots(number: int, dataset: Dataset) -> Sequence[Slot]:
    slots = [Slot(number, "smpCnt", "other", "", ""), Slot(number, "smpSynch", "other", "", "")]
    if dataset.members is None:
        return [*slots, Slot(number, "sample", "other", "", "")]
    return [
        *slots,
        *(Slot(number, each.name, each.quantity, each.part, each.unit) for each in dataset.members),
    ]


__all__ = ["ANY", "QUALITY", "BlockJudge", "Reader", "Slot"]
