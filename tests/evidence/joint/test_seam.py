"""A seam's body says one thing in one way, and nothing that a line or a tie has not."""

from dataclasses import replace

import pytest

from evidence import cbor
from evidence.code import Reason, SeamKind
from evidence.joint import seam
from evidence.joint.seam import Dc, Line, Seam, Side, Tap
from evidence.refusal import EvidenceError

WEST = Side("WEST", "West Utility", b"\x01" * 16, b"\x02" * 16, 345.0, 2000.0)
EAST = Side("EAST", "East Utility", b"\x03" * 16, None, 345.0, 2000.0)
BRANCHES = tuple(bytes([number]) * 16 for number in (2, 5, 6))
SEAMS = {
    SeamKind.BUS: Seam("Border 345", SeamKind.BUS, (WEST, EAST)),
    SeamKind.LINE: Seam("Line 1", SeamKind.LINE, (WEST, EAST), Line(3.5, 35.0, 4.2e-4, 112.5)),
    SeamKind.SUM: Seam(
        "Star",
        SeamKind.SUM,
        (replace(WEST, branches=BRANCHES[:2]), replace(EAST, branches=BRANCHES[2:])),
    ),
    SeamKind.DC_TIE: Seam("East Tie", SeamKind.DC_TIE, (WEST, EAST), None, Dc(4.0, 0.015)),
}
LINE = [3.5, 35.0, 4.2e-4, 112.5]


@pytest.mark.parametrize("kind", SeamKind)
def test_what_is_written_is_read_and_written_again(kind):
    found = seam.read(SEAMS[kind].body())
    assert found == SEAMS[kind]
    assert found.body() == SEAMS[kind].body()
    assert found.footprints == {"WEST", "EAST"}


def _with(kind, **changed):
    value = list(cbor.decode(SEAMS[kind].body()))
    for place, item in changed.items():
        value[int(place.removeprefix("at"))] = item
    return cbor.encode(value)


def _east(branches):
    return ["EAST", "Other", b"\x04" * 16, None, 345.0, 1.0, list(branches)]


def _tapped(kind, **changed):
    tap = Tap(0.4, 1, 9, 17, 1.25)
    fields = {name: changed.get(name, getattr(tap, name)) for name in Tap.__slots__}
    return cbor.encode([*cbor.decode(SEAMS[kind].body()), list(fields.values())])


def test_a_tap_is_written_where_there_is_one_and_nothing_where_there_is_none():
    found = replace(SEAMS[SeamKind.LINE], tap=Tap(0.4, -8, 0, 8, -1.25))
    assert seam.read(found.body()) == found
    assert len(cbor.decode(found.body())) == len(cbor.decode(SEAMS[SeamKind.LINE].body())) + 1
    assert found.tap is not None
    assert found.tap.ratio_at(-8) == pytest.approx(0.44)


MANY = tuple(bytes([100 + number]) * 16 for number in range(seam.BRANCHES_MAX + 1))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (_with(SeamKind.BUS, at0=" Border"), "seam"),
        (_with(SeamKind.BUS, at1=9), "kind"),
        (_with(SeamKind.BUS, at4=LINE), "line"),
        (_with(SeamKind.LINE, at4=None), "line"),
        (_with(SeamKind.LINE, at4=[3.5, 0.0, 0.0, None]), "x ohm"),
        (_with(SeamKind.LINE, at4=[-3.5, 35.0, 0.0, None]), "r ohm"),
        (_with(SeamKind.LINE, at4=[3.5, 35.0, 0.0, 0.0]), "km"),
        (_with(SeamKind.LINE, at4=[3, 35.0, 0.0, None]), "r ohm"),
        (_with(SeamKind.LINE, at5=[4.0, 0.1]), "dc"),
        (_with(SeamKind.DC_TIE, at5=None), "dc"),
        (_with(SeamKind.DC_TIE, at5=[4.0, 1.0]), "loss share"),
        (_with(SeamKind.DC_TIE, at5=[-4.0, 0.1]), "fixed loss"),
        (
            _with(SeamKind.BUS, at3=["WEST", "Other", b"\x04" * 16, None, 345.0, 1.0, []]),
            "footprint",
        ),
        (_with(SeamKind.BUS, at3=["EAST", "Other", b"\x04" * 15, None, 345.0, 1.0, []]), "node"),
        (_with(SeamKind.BUS, at3=["EAST", "Other", b"\x04" * 16, None, 0.0, 1.0, []]), "rated kV"),
        (_with(SeamKind.BUS, at3=_east(BRANCHES[:1])), "branches"),
        (_with(SeamKind.SUM, at3=_east(())), "branches"),
        (_with(SeamKind.SUM, at3=_east(BRANCHES[:0:-1])), "branches"),
        (_with(SeamKind.SUM, at3=_east(BRANCHES[1:])), "each on one side"),
        (_with(SeamKind.SUM, at3=_east((b"\x06" * 15,))), "branch"),
        (_with(SeamKind.SUM, at3=_east(MANY)), "branches"),
        (cbor.encode([1, 2, 3]), "seam"),
        (_tapped(SeamKind.BUS), "tap"),
        (_tapped(SeamKind.LINE, ratio=0.0), "tap ratio"),
        (_tapped(SeamKind.LINE, low=12), "rising"),
        (_tapped(SeamKind.LINE, high=200), "at most 128"),
        (_tapped(SeamKind.LINE, step_percent=0.0), "tap step"),
        (_tapped(SeamKind.LINE, step_percent=-15.0), "above 0"),
        (
            _with(SeamKind.LINE)[:1].replace(b"\x86", b"\x87") + _with(SeamKind.LINE)[1:] + b"\xf6",
            "tap",
        ),
    ],
)
def test_what_no_seam_says_is_refused_by_name(body, named):
    with pytest.raises(EvidenceError, match=named) as refused:
        seam.read(body)
    assert refused.value.reason == Reason.SHAPE
