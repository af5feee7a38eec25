"""What is made of the frames of streams: rows of COMTRADE or of readings, and the lines of plots.

1. A frame is decoded once. What is made of a stream depends on nothing but its own frames, in their
   order; so streams may be drafted in two processes, and come to the same bytes.
2. Which lines there are depends on all streams, in the order in which they are met. So both
   processes open every stream, and each is given the frames of its own.
3. What both made is put together at the end: a sheet is one's, a line the least and the greatest of
   both.

It reads no store.
"""

import marshal
import pickle
from collections.abc import Iterator
from typing import NamedTuple

from drivers.line import FrameError
from drivers.values import Compiled, Values
from evidence.code import Kind
from record.known import KnownDescriptor
from record.reconstruct import comtrade, reading
from record.reconstruct.comtrade import Sheet
from record.reconstruct.comtrade import State as SheetState
from record.reconstruct.curve import Curve
from record.reconstruct.drawing import Drawing, Pen
from record.reconstruct.passage import Stretch
from record.reconstruct.reading import Readings
from record.reconstruct.second import Second
from record.reconstruct.spool import Places, Spool
from record.wanted import frames_of

KEPT_OF, KEPT = 4, 3  # of so many streams the one of this number is drafted by who reads them all
_OPEN, _TAKE = b"\x00", b"\x01"


class Stream(NamedTuple):
    """One stream under one descriptor. `sheet`, `pen`: None: nothing is made of that sort."""

    known: KnownDescriptor
    frames: Compiled | None
    sheet: Sheet | Readings | None
    pen: Pen | None


class _Drafted(NamedTuple):
    """What the second process made. `sheets`: by the number of the stream."""

    sheets: dict[int, SheetState]
    curves: list[Curve]
    places: Places


class Draft:
    """All streams of a bundle, from `begins` to before `ends`, ns TAI."""

    def __init__(self, drawing: Drawing, spool: Spool, span: tuple[int, int]) -> None:
        self._drawing, self._spool, self._span = drawing, spool, span
        self._streams: list[Stream] = []

    def open(self, known: KnownDescriptor) -> tuple[int, Stream]:
        """The next stream, and its number."""
        frames = frames_of(known)
        pen = None
        sheet: Sheet | Readings | None = None
        if frames is not None and known.descriptor.kind != Kind.GOOSE:
            pen = self._drawing.pen(known, frames)
        if frames is not None and known.descriptor.kind in comtrade.KINDS:
            sheet = Sheet(known, frames, self._span)
        elif frames is not None and known.descriptor.kind in reading.KINDS:
            sheet = Readings(known, frames)
        self._streams.append(Stream(known, frames, sheet, pen))
        return len(self._streams) - 1, self._streams[-1]

    def take(self, number: int, one: Stretch) -> None:
        """What a stream measured."""
        known, frames, sheet, pen = self._streams[number]
        if frames is None:
            return
        tais, values = _decoded(frames, one)
        if values and sheet is not None:
            self._spool.add(known.name, sheet.rows(tais, one.quality, values))
        if values and pen is not None:
            pen.take(tais, values)

    def close(self) -> None:
        """After the last."""
        for one in self._streams:
            if one.pen is not None:
                one.pen.lift()


class Shared(Draft):
    """The same, in two processes: this one, and `second`, which ends with it."""

    def __init__(self, drawing: Drawing, spool: Spool, span: tuple[int, int]) -> None:
        """Raises OSError."""
        super().__init__(drawing, spool, span)
        self._far = Spool()
        self.second = Second("draws streams", self._work)

    def open(self, known: KnownDescriptor) -> tuple[int, Stream]:
        self.second.tell(_OPEN + pickle.dumps(known))
        return super().open(known)

    def take(self, number: int, one: Stretch) -> None:
        if number % KEPT_OF == KEPT:
            super().take(number, one)
        else:
            self.second.tell(_TAKE + marshal.dumps((number, *one[:3], list(one.found))))

    def close(self) -> None:
        super().close()
        made: _Drafted = self.second.answer()
        for number, state in made.sheets.items():
            sheet = self._streams[number].sheet
            if sheet is not None:
                sheet.state = state
        for curve, other in zip(self._drawing.curves(), made.curves, strict=True):
            curve.join(other)
        self._spool.join(self._far, made.places)

    def _work(self, messages: Iterator[bytes]) -> _Drafted:
        """In the second process."""
        draft, drafted = Draft(self._drawing, self._far, self._span), set[int]()
        for message in messages:
            if message[:1] == _OPEN:
                draft.open(pickle.loads(message[1:]))  # noqa: S301 (of our own process)
                continue
            number, *parts = marshal.loads(message[1:])  # noqa: S302 (likewise)
            draft.take(number, Stretch(*parts))
            drafted.add(number)
        draft.close()
        sheets = {
            number: sheet.state
            for number in drafted
            if (sheet := draft._streams[number].sheet) is not None
        }
        return _Drafted(sheets, list(self._drawing.curves()), self._far.places())


def _decoded(frames: Compiled, one: Stretch) -> tuple[list[int], list[Values]]:
    """Instants and values; without the frames that are none: their receipts say so."""
    decode = frames.decode
    try:
        return [tai for tai, _ in one.found], [decode(raw) for _, raw in one.found]
    except FrameError:
        tais: list[int] = []
        values: list[Values] = []
        for tai, raw in one.found:
            try:
                values.append(decode(raw))
            except FrameError:
                continue
            tais.append(tai)
        return tais, values
