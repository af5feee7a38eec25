"""A GOOSE publisher for tests of the session, and what comes out of that in short."""

from typing import Any

from drivers.goose import wire
from drivers.goose.data import UtcTime
from drivers.goose.dataset import DataSet, Member
from drivers.goose.pdu import Pdu
from drivers.goose.stream import Item
from drivers.line import Frame, Instant, Setup
from evidence import event, gap
from evidence.code import Event, Kind
from evidence.leap import BUILT_IN, NS

MS = 1_000_000
HOUR_S = 1_790_000_000
HOUR = BUILT_IN.tai_ns(HOUR_S)
GOOD = 0x8A  # LeapSecondsKnown, 10 bits
REFERENCE = "IED1LD0/LLN0$GO$gcb01"
DATASET = DataSet(REFERENCE, None, None, 3, (Member("Pos", "boolean"), Member("A", "")))


class Publisher:
    """Frames as a relay would send them."""

    def __init__(self, **fields: Any) -> None:
        self.fields: dict[str, Any] = {
            "gocbRef": REFERENCE,
            "datSet": "IED1LD0/LLN0$ds",
            "goID": "TRIP",
            "stNum": 1,
            "sqNum": 1,
            "simulation": False,
            "confRev": 3,
            "ndsCom": False,
            "ttl": 2000,
            "at_ns": 0,  # after HOUR: of t
            "quality": GOOD,
            "values": (("boolean", False), ("floating-point", 1.0)),
            "appid": 0x3001,
            "simulated": False,
            "source": bytes.fromhex("0030a7001122"),
            "extension": b"",
            **fields,
        }

    def frame(self, **changed: Any) -> bytes:
        self.fields.update(changed)
        told = self.fields
        seconds, ns = divmod(HOUR_S * NS + told["at_ns"], NS)
        t = UtcTime(seconds, (ns << 24) // NS, told["quality"])
        data = wire.encode_data(*told["values"])
        before = (told["gocbRef"], told["ttl"], told["datSet"], told["goID"], t)
        named = ("stNum", "sqNum", "simulation", "confRev", "ndsCom")
        numbers = (told[name] for name in named)
        pdu = Pdu._make((*before, *numbers, len(told["values"]), data, b""))
        return wire.encode_frame(
            bytes.fromhex("010ccd010001"),
            told["source"],
            told["appid"],
            wire.encode_pdu(pdu),
            simulated=told["simulated"],
            extension=told["extension"],
        )

    def again(self, **changed: Any) -> bytes:
        return self.frame(sqNum=self.fields["sqNum"] + 1, **changed)

    def change(self, at_ns: int, **changed: Any) -> bytes:
        (kind, before), *rest = self.fields["values"]
        fields = {"values": ((kind, not before), *rest), "stNum": self.fields["stNum"] + 1}
        return self.frame(**{**fields, "sqNum": 0, "at_ns": at_ns, **changed})


def at(ns: int, bound: int | None = 1000) -> Instant:
    return Instant(HOUR + ns, bound)


def told(items: list[Item]) -> list[Any]:
    """In short: what each item is."""
    found: list[Any] = []
    for item in items:
        if isinstance(item, Setup):
            found.append("setup" if item.configuration else "bare")
        elif item.fault is not None:
            found.append(item.fault.fault)
        elif item.kind == Kind.EVENT:
            found.append(event.read(item.raw).event)
        elif item.kind == Kind.GAP:
            found.append(gap.read(item.raw))
        else:
            found.append(Kind(item.kind).name)
    return found


def events(items: list[Item]) -> list[Any]:
    return [one for one in told(items) if isinstance(one, Event)]


def samples(items: list[Item]) -> list[Frame]:
    return [
        item
        for item in items
        if isinstance(item, Frame) and item.fault is None and item.kind == Kind.GOOSE
    ]
