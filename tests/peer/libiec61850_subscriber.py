"""libiec61850 hears GOOSE, and says as JSON lines what it made of it.

    .oracle/bin/python libiec61850_subscriber.py INTERFACE APPID GOCBREF...

Runs in an environment of its own, .oracle, as a process of its own: the library is GPLv3, and
nothing of ours is here.

1. `{"ready": true}` comes first, when it hears; a line for every message after it, in order.
2. It ends when its standard input does.

A message that the library refuses is a line too: `valid` is false, and everything else is still of
the message before. It learns a data set's form from the first message that it hears of a control
block, and refuses every other: a test has a control block for each form. It never sees a VLAN tag:
the kernel has taken it out.
"""

import json
import os
import sys
from typing import Any

import pyiec61850.pyiec61850 as lib  # type: ignore[import-not-found]


def value_of(value: Any) -> list[Any]:
    """[type, value], as the publisher takes them."""
    kind = lib.MmsValue_getType(value)
    if kind in (lib.MMS_STRUCTURE, lib.MMS_ARRAY):
        count = lib.MmsValue_getArraySize(value)
        members = [value_of(lib.MmsValue_getElement(value, at)) for at in range(count)]
        return ["structure" if kind == lib.MMS_STRUCTURE else "array", members]
    if kind not in SIMPLE:
        return [f"type {kind}", None]
    name, read = SIMPLE[kind]
    return [name, read(value)]


def octets(value: Any) -> str:
    size = lib.MmsValue_getOctetStringSize(value)
    return bytes(lib.MmsValue_getOctetStringOctet(value, at) for at in range(size)).hex()


def bits(value: Any) -> str:
    size = lib.MmsValue_getBitStringSize(value)
    return "".join("01"[lib.MmsValue_getBitStringBit(value, at)] for at in range(size))


SIMPLE = {
    lib.MMS_BOOLEAN: ("boolean", lib.MmsValue_getBoolean),
    lib.MMS_INTEGER: ("integer", lib.MmsValue_toInt64),
    lib.MMS_UNSIGNED: ("unsigned", lib.MmsValue_toUint32),
    lib.MMS_FLOAT: ("float", lib.MmsValue_toDouble),
    lib.MMS_BIT_STRING: ("bit-string", bits),
    lib.MMS_OCTET_STRING: ("octet-string", octets),
    lib.MMS_VISIBLE_STRING: ("visible-string", lib.MmsValue_toString),
    lib.MMS_STRING: ("mms-string", lib.MmsValue_toString),
    lib.MMS_UTC_TIME: (
        "utc-time",
        lambda value: [lib.MmsValue_getUtcTimeInMs(value), lib.MmsValue_getUtcTimeQuality(value)],
    ),
    lib.MMS_BINARY_TIME: ("binary-time", lib.MmsValue_getBinaryTimeAsUtcMs),
}


class Heard(lib.GooseHandler):  # type: ignore[misc]
    """Called by the library's own thread for every message."""

    def trigger(self) -> None:
        heard = self._libiec61850_goose_subscriber
        values = lib.GooseSubscriber_getDataSetValues(heard)
        count = lib.MmsValue_getArraySize(values) if values else 0
        said = {
            "valid": lib.GooseSubscriber_isValid(heard),
            "parse_error": int(lib.GooseSubscriber_getParseError(heard)),
            "gocbref": lib.GooseSubscriber_getGoCbRef(heard),
            "goid": lib.GooseSubscriber_getGoId(heard),
            "datset": lib.GooseSubscriber_getDataSet(heard),
            "t_ms": lib.GooseSubscriber_getTimestamp(heard),
            "stnum": lib.GooseSubscriber_getStNum(heard),
            "sqnum": lib.GooseSubscriber_getSqNum(heard),
            "confrev": lib.GooseSubscriber_getConfRev(heard),
            "ttl_ms": lib.GooseSubscriber_getTimeAllowedToLive(heard),
            "simulation": lib.GooseSubscriber_isTest(heard),
            "ndscom": lib.GooseSubscriber_needsCommission(heard),
            "values": [value_of(lib.MmsValue_getElement(values, at)) for at in range(count)],
        }
        print(json.dumps(said), flush=True)


def main() -> None:
    interface, appid, *gocbrefs = sys.argv[1:]
    receiver = lib.GooseReceiver_create()
    handlers, subscriptions = [], []
    for gocbref in gocbrefs:
        subscriber = lib.GooseSubscriber_create(gocbref, None)
        lib.GooseSubscriber_setAppId(subscriber, int(appid))
        handlers.append(Heard())
        subscriptions.append(lib.GooseSubscriberForPython())
        subscriptions[-1].setLibiec61850GooseSubscriber(subscriber)
        subscriptions[-1].setEventHandler(handlers[-1])
        subscriptions[-1].subscribe()
        lib.GooseReceiver_addSubscriber(receiver, subscriber)
    lib.GooseReceiver_setInterfaceId(receiver, interface)
    lib.GooseReceiver_start(receiver)
    if not lib.GooseReceiver_isRunning(receiver):
        sys.exit(f"nothing can be heard on {interface}")
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        pass
    # No farewells: stopping the receiver waits for its thread, which may be waiting for Python.
    os._exit(0)


if __name__ == "__main__":
    main()
