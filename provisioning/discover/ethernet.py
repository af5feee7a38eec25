"""GOOSE and Sampled Values on one interface: every control block and every stream heard.

1. Nothing is sent, and nobody is asked: the socket is drivers.ethernet's, which hears.
2. A stream is told apart by sender, APPID and reference; STREAMS_MAX of them are kept. Of Sampled
   Values the first of those that begin alike, up to the counter, is taken apart, the rest counted.
3. Rates are what was counted in the time that was listened, and say so.

It needs CAP_NET_RAW, as the drivers do.
"""

import asyncio
from collections import Counter
from typing import NamedTuple

from drivers.ethernet.capture import Capture, Interest
from drivers.ethernet.frame import TYPE_GOOSE, TYPE_SV, Ethernet, parse
from drivers.goose.frame import carry
from drivers.goose.pdu import Pdu as GoosePdu
from drivers.goose.pdu import decode_pdu as decode_goose
from drivers.line import Clock, FrameError, LinkError
from drivers.sv.pdu import decode_pdu as decode_sv
from provisioning.discover.finding import Finding, Found, SearchError, short, url_of

STREAMS_MAX = 256  # of an interface
PAUSE_S = 0.01  # frames of so long are read together
_HEAD_BYTES = 26  # addresses, two VLAN tags and the EtherType, and APPID with its length


Facts = dict[str, str | int | bool | None]


class Heard(NamedTuple):
    """One stream, by its first frame."""

    kind: str
    reference: str  # gocbRef, or svID
    appid: int
    source: str
    destination: str
    vlan: int | None
    asdus: int  # of one frame
    facts: Facts
    alike: int = 0  # how many bytes of a frame are the same in each; 0: not told


Place = tuple[str, str, int, str]  # kind, reference, APPID, sender


class Streams:
    """Counts frames, and takes apart the first of each."""

    def __init__(self) -> None:
        self.counts: Counter[Place] = Counter()
        self.heard: dict[Place, Heard] = {}
        self.faults: Counter[str] = Counter()
        self._alike: dict[bytes, list[tuple[bytes, Place]]] = {}  # by their first bytes

    def take(self, raw: bytes) -> None:
        """One frame."""
        for begin, place in self._alike.get(raw[:_HEAD_BYTES], ()):
            if raw.startswith(begin):
                self.counts[place] += 1
                return
        try:
            one = _read(raw)
        except FrameError as fault:
            self.faults[fault.fault] += 1
            return
        if one is None:
            return
        place = (one.kind, one.reference, one.appid, one.source)
        if place not in self.heard and len(self.heard) >= STREAMS_MAX:
            return
        self.counts[place] += 1
        if self.heard.setdefault(place, one) is one and one.alike:
            self._alike.setdefault(raw[:_HEAD_BYTES], []).append((raw[: one.alike], place))


def _read(raw: bytes) -> Heard | None:
    """The stream of a frame; of several ASDUs the first, as all are mostly alike. Raises
    FrameError.
    """
    ethernet = parse(raw)
    if ethernet.ethertype == TYPE_GOOSE:
        carried = carry(raw)
        pdu = decode_goose(raw, carried.start, carried.stop)
        facts = _goose_facts(pdu, carried.simulated or pdu.simulation)
        return Heard("goose", pdu.gocbRef, carried.appid, *_addresses(ethernet), 1, facts)
    if ethernet.ethertype != TYPE_SV:
        return None
    found = decode_sv(raw)
    asdu = found.asdus[0]
    told: Facts = {
        "conf_rev": asdu.conf_rev,
        "smp_synch": asdu.smp_synch,
        "smp_rate": asdu.smp_rate,
        "sample_bytes": asdu.at_sample[1] - asdu.at_sample[0],
        "simulated": found.simulated,
    }
    place = (found.appid, *_addresses(ethernet), len(found.asdus))
    return Heard("sv", asdu.sv_id, *place, told, asdu.at_smp_cnt[0])


def _goose_facts(pdu: GoosePdu, simulated: bool) -> Facts:
    return {
        "go_id": pdu.goID,
        "dat_set": pdu.datSet,
        "conf_rev": pdu.confRev,
        "entries": pdu.numDatSetEntries,
        "st_num": pdu.stNum,
        "allowed_ms": pdu.timeAllowedtoLive,
        "simulated": simulated,
    }


def _addresses(ethernet: Ethernet) -> tuple[str, str, int | None]:
    source, destination = (
        address.hex("-").upper() for address in (ethernet.source, ethernet.destination)
    )
    return source, destination, ethernet.tags[0].vlan if ethernet.tags else None


async def search(interface: str, seconds: float, clock: Clock, found: Found) -> None:
    """What is heard there in so many seconds. Raises SearchError."""
    found.tell(f"{interface}: listening for GOOSE and Sampled Values, {seconds:.0f} s")
    streams = Streams()
    interest = Interest(interface, {TYPE_GOOSE: (), TYPE_SV: ()}, (), PAUSE_S)
    try:
        capture = Capture(interest, clock)
    except LinkError as fault:
        raise SearchError(str(fault)) from fault
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(seconds):
            while True:
                for packet in await capture.take():
                    streams.take(packet.raw)
    except TimeoutError:
        pass
    except LinkError as fault:
        found.tell(f"{interface}: {fault}")
    finally:
        capture.close()
        _tell(interface, streams, loop.time() - began, found)


def _tell(interface: str, streams: Streams, seconds: float, found: Found) -> None:
    """Also where the search was stopped."""
    for place, one in streams.heard.items():
        rate = streams.counts[place] / seconds if seconds > 0 else 0.0
        found.add(_finding(interface, one, rate))
    if not streams.heard:
        faults = ", ".join(f"{name} {count}" for name, count in streams.faults.items())
        what = f"no GOOSE and no Sampled Values in {seconds:.0f} s"
        found.add(Finding("ethernet", interface, f"{what}; {faults}" if faults else what))


def _finding(interface: str, one: Heard, rate: float) -> Finding:
    vlan = "" if one.vlan is None else f", VLAN {one.vlan}"
    way = f"APPID 0x{one.appid:04x}, {one.source} to {one.destination}{vlan}"
    reference = short(one.reference)
    facts = {
        "appid": one.appid,
        "source": one.source,
        "destination": one.destination,
        "vlan": one.vlan,
        "frames_a_second": round(rate, 2),
        **one.facts,
    }
    name = "".join(sign if sign.isalnum() else "-" for sign in reference).strip("-")
    if one.kind == "goose":
        what = f"GOOSE {reference}: {way}; confRev {one.facts['conf_rev']}"
        what += f", {one.facts['entries']} entries; {rate:.1f} frames a second"
        options: dict[str, str | int] = {"gocbref": one.reference, "appid": one.appid}
    else:
        samples = rate * one.asdus
        facts["samples_a_second"] = round(samples, 1)
        what = f"Sampled Values {reference}: {way}; {samples:.0f} samples a second counted"
        options = {"svid": one.reference, "appid": one.appid}
    if one.facts["simulated"]:
        what += "; SIMULATED"
    url = url_of(one.kind, interface, options)
    return Finding(one.kind, interface, what, url, name, facts)
