"""libiec61850 publishes GOOSE and Sampled Values on command: a JSON line in, a JSON line out.

Runs in an environment of its own, .oracle, as a process of its own: the library is GPLv3, and
nothing of ours is here.

1. A command is done when its answer is there, and what it sent has left the library.
2. It ends when its standard input does.

    {"do": "goose", "interface": ..., "gocbref": ..., "datset": ..., "goid": ..., "appid": ...,
     "dst": hex, "vlan": [id, priority] or null, "confrev": ..., "ttl_ms": ..., "simulation": ...,
     "ndscom": ...}
    {"do": "publish", "values": [[type, value], ...], "change": true or false}
    {"do": "sv", "interface": ..., "svid": ..., "datset": ..., "appid": ..., "dst": hex,
     "vlan": ..., "confrev": ..., "smpsynch": ..., "wrap": ..., "asdus": ..., "channels": ...}
    {"do": "sample", "frames": ..., "rate": frames a second, 0 for as fast as can be}
"""

import json
import sys
import time
from typing import Any

import pyiec61850.pyiec61850 as lib  # type: ignore[import-not-found]


class PeerError(Exception):
    """The library did not do what it was asked."""


def mms(kind: str, value: Any) -> Any:
    """One value of a data set."""
    if kind in ("structure", "array"):
        empty = (
            lib.MmsValue_createEmptyStructure
            if kind == "structure"
            else lib.MmsValue_createEmptyArray
        )
        made = empty(len(value))
        for at, member in enumerate(value):
            lib.MmsValue_setElement(made, at, mms(*member))
        return made
    return SIMPLE[kind](value)


def bit_string(bits: str) -> Any:
    """Bits as they stand, the first one first."""
    made = lib.MmsValue_newBitString(len(bits))
    for at, bit in enumerate(bits):
        lib.MmsValue_setBitStringBit(made, at, bit == "1")
    return made


def octet_string(text: str) -> Any:
    octets = bytes.fromhex(text)
    made = lib.MmsValue_newOctetString(len(octets), max(len(octets), 1))
    for at, octet in enumerate(octets):
        lib.MmsValue_setOctetStringOctet(made, at, octet)
    return made


def utc_time(value: list[int]) -> Any:
    """Ms since 1970, and the octet of the quality."""
    made = lib.MmsValue_newUtcTimeByMsTime(value[0])
    lib.MmsValue_setUtcTimeQuality(made, value[1])
    return made


def binary_time(value: list[int]) -> Any:
    """Ms since 1970; 4 bytes (of the day) or 6."""
    made = lib.MmsValue_newBinaryTime(value[1] == 4)
    lib.MmsValue_setBinaryTime(made, value[0])
    return made


SIMPLE = {
    "boolean": lib.MmsValue_newBoolean,
    "integer": lib.MmsValue_newIntegerFromInt64,
    "unsigned": lib.MmsValue_newUnsignedFromUint32,
    "float32": lib.MmsValue_newFloat,
    "float64": lib.MmsValue_newDouble,
    "bit-string": bit_string,
    "octet-string": octet_string,
    "visible-string": lib.MmsValue_newVisibleString,
    "mms-string": lib.MmsValue_newMmsString,
    "utc-time": utc_time,
    "binary-time": binary_time,
}


def parameters(asked: dict[str, Any]) -> Any:
    made = lib.CommParameters()
    made.appId = asked["appid"]
    made.vlanId, made.vlanPriority = asked["vlan"] or (0, 4)
    lib.CommParameters_setDstAddress(made, *bytes.fromhex(asked["dst"]))
    return made


class Goose:
    """One control block."""

    def __init__(self, asked: dict[str, Any]) -> None:
        tagged = asked["vlan"] is not None
        self._made = lib.GoosePublisher_createEx(parameters(asked), asked["interface"], tagged)
        if not self._made:
            raise PeerError(f"no GOOSE publisher on {asked['interface']}")
        lib.GoosePublisher_setGoCbRef(self._made, asked["gocbref"])
        lib.GoosePublisher_setDataSetRef(self._made, asked["datset"])
        if asked["goid"]:
            lib.GoosePublisher_setGoID(self._made, asked["goid"])
        lib.GoosePublisher_setConfRev(self._made, asked["confrev"])
        lib.GoosePublisher_setTimeAllowedToLive(self._made, asked["ttl_ms"])
        lib.GoosePublisher_setSimulation(self._made, asked["simulation"])
        lib.GoosePublisher_setNeedsCommission(self._made, asked["ndscom"])

    def publish(self, asked: dict[str, Any]) -> None:
        if asked["change"]:
            lib.GoosePublisher_increaseStNum(self._made)
        values = lib.LinkedList_create()
        for kind, value in asked["values"]:
            lib.LinkedList_add(values, mms(kind, value))
        if lib.GoosePublisher_publish(self._made, values) != 0:
            raise PeerError("GoosePublisher_publish failed")
        lib.LinkedList_destroyDeep_MmsValueDelete(values)


class SampledValues:
    """One stream: each channel a 32-bit value and its quality, as 9-2LE has them."""

    def __init__(self, asked: dict[str, Any]) -> None:
        tagged = asked["vlan"] is not None
        self._made = lib.SVPublisher_createEx(parameters(asked), asked["interface"], tagged)
        if not self._made:
            raise PeerError(f"no SV publisher on {asked['interface']}")
        self._wrap, self._count = asked["wrap"], 0
        self._asdus = []
        for _ in range(asked["asdus"]):
            asdu = lib.SVPublisher_addASDU(
                self._made, asked["svid"], asked["datset"], asked["confrev"]
            )
            places = []
            for _channel in range(asked["channels"]):
                value = lib.SVPublisher_ASDU_addINT32(asdu)
                places.append((value, lib.SVPublisher_ASDU_addQuality(asdu)))
            lib.SVPublisher_ASDU_setSmpCntWrap(asdu, asked["wrap"])
            self._asdus.append((asdu, places))
        lib.SVPublisher_setupComplete(self._made)
        for asdu, _places in self._asdus:
            lib.SVPublisher_ASDU_setSmpSynch(asdu, asked["smpsynch"])

    def sample(self, asked: dict[str, Any]) -> None:
        """Channel n of sample c has the value n * 100,000 - c, and a quality of n."""
        begun = time.monotonic()
        for frame in range(asked["frames"]):
            for asdu, places in self._asdus:
                for channel, (value, quality) in enumerate(places):
                    lib.SVPublisher_ASDU_setINT32(asdu, value, channel * 100_000 - self._count)
                    lib.SVPublisher_ASDU_setQuality(asdu, quality, channel)
                lib.SVPublisher_ASDU_setSmpCnt(asdu, self._count)
                self._count = (self._count + 1) % self._wrap
            lib.SVPublisher_publish(self._made)
            ahead = asked["rate"] and begun + (frame + 1) / asked["rate"] - time.monotonic()
            if ahead > 0.001:
                time.sleep(ahead)


def main() -> None:
    goose: Goose | None = None
    stream: SampledValues | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "goose":
            goose = Goose(asked)
        elif asked["do"] == "sv":
            stream = SampledValues(asked)
        elif asked["do"] == "publish" and goose is not None:
            goose.publish(asked)
        elif asked["do"] == "sample" and stream is not None:
            stream.sample(asked)
        else:
            raise PeerError(f"{asked['do']} out of turn")
        print(json.dumps({"done": asked["do"]}), flush=True)


if __name__ == "__main__":
    main()
