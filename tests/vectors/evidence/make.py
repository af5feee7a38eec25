"""Writes the vectors of this folder: the signed format's second definition.

1. Nothing of evidence/ is used here: CBOR, COSE, hashes and trees are written out once more, as
   plainly as can be, so that a vector and the code can only agree by both being right.
2. Every key, salt and frame comes from SEED by SHA-256, so a run of this script gives the same
   bytes again. ECDSA is the deterministic one of RFC 6979, made by tests/evidence/oracle.py.
3. A vector holds the message, its parts, who must have signed it, and the fields that it says.

Over 400 lines because it is one format, whole, to be read beside nothing else.

`python tests/vectors/evidence/make.py .oracle/bin/python` writes them.
"""

import base64
import hashlib
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nacl.bindings

HERE = Path(__file__).resolve().parent
SEED = "gridseal vectors 1"
MADE_BY = f"tests/vectors/evidence/make.py, seed {SEED!r}"
ZERO = bytes(32)
T0 = 1_795_392_037_000_000_000  # 2026-11-23T00:00:00 UTC, as ns TAI
SEQS = (23, 24, 255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32)
Sign = Callable[[bytes], bytes]
Vector = dict[str, Any]


def seeded(name: str, size: int = 32) -> bytes:
    """Bytes that nobody chose."""
    found = b""
    while len(found) < size:
        found += hashlib.sha256(f"{SEED} {name} {len(found)}".encode()).digest()
    return found[:size]


def head(major: int, number: int) -> bytes:
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 24:
            return bytes([major << 5 | number])
        if number < 1 << (8 * width):
            return bytes([major << 5 | info]) + number.to_bytes(width, "big")
    raise ValueError(number)


def cbor(value: Any) -> bytes:
    """RFC 8949 4.2.1: shortest heads, map keys in bytewise order."""
    if value is None or isinstance(value, bool):
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(cbor(item) for item in value)
    pairs = sorted((cbor(key), cbor(item)) for key, item in value.items())
    return head(5, len(pairs)) + b"".join(key + item for key, item in pairs)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def leaf(link: bytes) -> bytes:
    return sha256(b"\x00" + link)


def root(leaves: list[bytes]) -> bytes:
    """RFC 9162 2.1.1, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"")
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:]))


class Key:
    """Who signs: an Ed25519 key of this script's, or a P-256 key that another program holds."""

    def __init__(self, name: str) -> None:
        public, self._secret = nacl.bindings.crypto_sign_seed_keypair(seeded(name))
        self.alg, self.raw = -19, public

    def sign(self, message: bytes) -> bytes:
        return nacl.bindings.crypto_sign(message, self._secret)[:64]

    @property
    def kid(self) -> bytes:
        return sha256(self.raw)[:8]


class OracleKey(Key):
    """A P-256 key: its private number is seeded too."""

    def __init__(self, name: str, python: str) -> None:
        self._ask = {"python": python, "secret": seeded(name).hex()}
        self.alg, self.raw = -9, bytes.fromhex(self._answer("p256_public", ""))

    def sign(self, message: bytes) -> bytes:
        return bytes.fromhex(self._answer("p256_sign", message.hex()))

    def _answer(self, what: str, message: str) -> str:
        question = {"do": what, "secret": self._ask["secret"], "message": message}
        oracle = HERE.parent.parent / "evidence" / "oracle.py"
        done = subprocess.run(
            [self._ask["python"], str(oracle)],
            input=json.dumps([question]),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return str(json.loads(done.stdout)[0])


def signed(key: Key, payload: bytes, typ: int | None, aad: bytes = b"") -> Vector:
    """A COSE_Sign1 (RFC 9052 4.2, 4.4) with its parts."""
    protected = cbor({1: key.alg, 4: key.kid} | ({} if typ is None else {16: typ}))
    signature = key.sign(cbor(["Signature1", protected, aad, payload]))
    encoded = b"\xd2" + cbor([protected, {}, payload, signature])
    return {
        "key": {"alg": key.alg, "raw": key.raw},
        "aad": aad,
        "protected": protected,
        "payload": payload,
        "signature": signature,
        "encoded": encoded,
    }


def statement(kind: str, key: Key, typ: int, payload: Any, fields: Vector) -> Vector:
    return {"kind": kind, "typ": typ, **signed(key, cbor(payload), typ), "fields": fields}


def hidden(name: str, value: bytes) -> bytes:
    return sha256(seeded(f"salt {name}", 16) + value)


AUTHORITY, LOG = Key("authority"), Key("log")
DEVICE, RUN, RUN_BEFORE = Key("device"), Key("run"), Key("run before")
DEVICE_BEFORE = Key("device before")
BUSES = [seeded("bus 1", 16), seeded("bus 2", 16)]
SITE = hidden("site", b"Substation North")
POSITION = hidden("position", b"a position")
SURVEY, ANTENNA = hidden("survey", b"RTK"), hidden("antenna", b"a cable")
NAMES, OFFSET = hidden("names", b"North 345, an EIC"), hidden("offset", b"east of it")
TERMINALS = [[seeded("terminal", 16), BUSES[0], -1], [seeded("terminal 2", 16), BUSES[1], 0]]


def credential(
    device: Key, position: bytes | None, role: int, rotation: bytes | None = None
) -> Vector:
    cose_key: dict[int, Any] = {1: 1, -1: 6, -2: device.raw}
    if device.alg == -9:
        cose_key = {1: 2, -1: 1, -2: device.raw[:32], -3: device.raw[32:]}
    claims: dict[int, Any] = {
        1: "Utility A",
        2: "gw-1",
        4: 1_900_000_000,
        5: 1_795_000_000,
        7: seeded("serial", 8),
        8: {1: cose_key},
        -65537: role,
        -65538: SITE,
        -65539: position,
        -65540: [],
        -65541: [],
        -65542: SURVEY if position else None,
        -65543: ANTENNA if position else None,
        -65544: rotation,
    }
    if position:
        claims[-65540] = [[BUSES[0], NAMES, OFFSET], [BUSES[1], None, None]]
        claims[-65541] = TERMINALS
    fields: Vector = {
        "issuer": "Utility A",
        "subject": "gw-1",
        "serial": seeded("serial", 8),
        "not_before_s": 1_795_000_000,
        "expires_s": 1_900_000_000,
        "key": {"alg": device.alg, "raw": device.raw},
        "role": ["gateway", "bench"][role],
        "site": SITE,
        "position": position,
        "buses": BUSES if position else [],
        "terminals": [],
        "survey": claims[-65542],
        "antenna": claims[-65543],
        "rotation": claims[-65544],
        "named": [{"node": BUSES[0], "names": NAMES, "offset": OFFSET}] if position else [],
    }
    for values in claims[-65541]:
        row = dict(zip(("terminal", "node", "direction"), values, strict=True))
        fields["terminals"].append(row)
    return statement("credential", AUTHORITY, 65301, claims, fields)


def rotation(before: Key, key: Key, name: bytes) -> Vector:
    """A device key that hands over to the next, from the credential of this name."""
    asked = b"gridseal/1 rotation" + cbor([name, key.alg, key.raw])
    fields = {
        "credential": name,
        "key": {"alg": key.alg, "raw": key.raw},
        "tai": T0,
        "possession": key.sign(asked),
    }
    payload = [1, name, [key.alg, key.raw], T0, fields["possession"]]
    return statement("rotation", before, 65311, payload, fields)


def request(key: Key, full: bool, credential_name: bytes, over: bytes) -> Vector:
    """What a device asks: for its first credential, or for that of its next key."""
    fields: Vector = {
        "challenge": seeded("challenge", 16),
        "subject": "gw-1",
        "role": "gateway" if full else "bench",
        "key": {"alg": key.alg, "raw": key.raw},
        "plan": b'[site]\nname = "North"\n',
        "tls": seeded("PKCS 10", 60) if full else None,
        "credential": credential_name if full else None,
        "rotation": over if full else None,
        "tai": T0,
        "software": "gridseal 0.1.0",
    }
    payload = [1, *fields.values()]
    payload[3] = ["gateway", "bench"].index(fields["role"])
    payload[4] = [key.alg, key.raw]
    return statement("request", key, 65310, payload, fields)


def answer(asked: Vector, granted: Vector, full: bool) -> Vector:
    """What the authority answers: with certificates, or without."""
    pairs = [[seeded("salt site", 16), b"Substation North"]]
    fields: Vector = {
        "request": sha256(asked["payload"]),
        "credential": granted["encoded"],
        "pairs": pairs if full else [],
        "certificates": [seeded("certificate", 40), seeded("its issuer", 40)] if full else [],
        "ca": [seeded("ca", 40)] if full else [],
        "anchors": b'[log]\nname = "log"\n',
        "url": "https://record.example:8443" if full else "",
    }
    return statement("answer", AUTHORITY, 65312, [1, *fields.values()], fields)


def books(granted: bytes, before: bytes, asked: bytes, run_name: bytes) -> dict[str, Vector]:
    """A book of one entry of each act, one after the other."""
    fingerprint = sha256(DEVICE.raw)
    acts: list[tuple[str, Vector]] = [
        ("opened", {"root": {"alg": AUTHORITY.alg, "raw": AUTHORITY.raw}}),
        ("issued", {"credential": granted, "before": before, "request": asked}),
        ("issued_first", {"credential": before, "before": None, "request": None}),
        ("revoked", {"key": fingerprint, "why": 1, "text": "a laptop is gone"}),
        ("vouched", {"run": run_name, "number": 25_919, "head": seeded("head"), "text": "seen"}),
    ]
    made: dict[str, Vector] = {}
    previous = ZERO
    for number, (act, what) in enumerate(acts):
        number_of = ["opened", "issued", "revoked", "vouched"].index(act.split("_")[0]) + 1
        fields = {"issuer": "Utility A", "number": number, "previous": previous, "tai": T0}
        row = [AUTHORITY.alg, AUTHORITY.raw] if number == 0 else list(what.values())
        payload = [1, *fields.values(), number_of, row]
        entry = statement("book", AUTHORITY, 65313, payload, fields | {"what": what})
        made[f"book_{act}"] = entry
        previous = sha256(entry["payload"])
    return made


def record(matter: int, body: Any, full: bool = False) -> Vector:
    """What an authority says that others share: little, or as much as there is."""
    batch, name = seeded("batch"), seeded("an earlier record")
    fields: Vector = {
        "matter": matter,
        "author": "Utility A",
        "footprints": ["EAST", "WEST"] if full else [],
        "elements": ["North Tie"] if full else [],
        "parts": [[1, "Utility A"], [3, "Utility B"]] if full else [],
        "begins": T0,
        "ends": T0 + 3600 * 10**9,
        "parents": [name, {"batch": batch, "place": 17}] if full else [],
        "body": cbor(body),
    }
    payload = [1, *fields.values()]
    payload[8] = [name, [batch, 17]] if full else []
    return statement("record", AUTHORITY, 65315, payload, fields)


def conditions() -> dict[str, Vector]:
    """A handoff with its condition, a step of it, what the condition came to, and what was done."""
    text = "freq_hz at bus X < 59.4 for 60 s"
    row = ["freq_hz", 0, "X", BUSES[0], 2, 0, 0, "Hz", "Utility A", 100_000_000]
    takers = [[2, 3], [2, 3], [3], [3], [2, 3], [2]]
    limits = [["import", 600.0, "MW"]]
    asked = record(12, [1, "North Tie", [[text, [row]]], limits, 60 * 10**9, takers, T0 + 10**15])
    first = sha256(asked["payload"])
    root, gone = seeded("root"), [1, 0, T0, T0 + 10**9]
    return {
        "record_handoff": asked,
        "record_step": record(12, [2, first, first, "agreed"], full=True),
        "record_evaluation": record(13, [[text, [row]], [20, [3, 1, 5]], root, 2, [gone]]),
        "record_shed": record(11, [None, "rotating outages", 1000.0, "under-frequency"], full=True),
        "record_operation": record(8, [BUSES[1], "52-1", None, "zone 1", [[1, T0, "tripped"]]]),
    }


def listed() -> list[Any]:
    """An authority with a key that it had before, and one that agrees to be listed so."""
    keys = [[AUTHORITY.alg, AUTHORITY.raw, T0, T0 + 10**18], [LOG.alg, LOG.raw, T0, None]]
    rows = ["CER", [1, 12], ["WEST"], keys, [sha256(DEVICE.raw)], "NEB"]
    agreed = LOG.sign(b"gridseal/1 listing" + cbor(rows))
    return [*rows[:3], [[*keys[0], None], [*keys[1], agreed]], *rows[4:]]


def records() -> dict[str, Vector]:
    """One of each matter whose body has a form that others rely on."""
    sides = [
        ["WEST", "Utility A", BUSES[0], TERMINALS[0][0], 345.0, 500.0, []],
        ["EAST", "Utility B", BUSES[1], None, 345.0, 500.0, []],
    ]
    made = {
        "record_hour": record(
            5, [2, "WEST", "EAST", 120.0, 1.0, ["WEST_PSE_1_EAST"], ""], full=True
        ),
        "record_emergency": record(6, [2, "EAST", 56.0, 10.0, ["WEST", 3], "load is shed", ""]),
        "record_policy": record(1, ['[[rule]]\nmatter = "policy"\nauthor = "BA"\n']),
        "record_registry": record(2, listed()),
        "record_seam": record(3, ["North Tie", 4, *sides, None, [2.0, 0.015]]),
        "record_line": record(3, ["Line 1", 2, *sides, [3.5, 35.0, 0.0004, 112.5], None]),
        "record_tap": record(
            3, ["T 1", 2, *sides, [0.2, 6.0, 0.0, None], None, [0.4, -8, 0, 8, -1.25]]
        ),
        **conditions(),
        "record_der": record(7, ["Roofs", "energy", [[BUSES[0], 60.0], [BUSES[1], 62.5]]]),
    }
    of = sha256(made["record_hour"]["payload"])
    for number, (word, text) in enumerate((("assent", ""), ("dissent", "reversed")), 1):
        fields = {"record": of, "author": "Utility A", "word": number, "text": text}
        payload = [1, *fields.values()]
        made[f"countersignature_{word}"] = statement(
            "countersignature", AUTHORITY, 65316, payload, fields
        )
    return made


def run(device: Key, key: Key, name: bytes, first: bool) -> Vector:
    """A run statement: the first of a device, or one that continues an uncertain one."""
    asked = b"gridseal/1 run" + cbor([device.alg, device.raw, name])
    fields: Vector = {
        "credential": name,
        "key": key.raw,
        "started": T0,
        "bound": None if first else 1500,
        "cause": 1 if first else 3,
        "predecessor": None if first else seeded("predecessor"),
        "uncertain": not first,
        "lost": None if first else [T0 - 10**9, T0],
        "reached": [],
        "software": "gridseal 0.1.0",
        "possession": key.sign(asked),
    }
    if not first:
        for stream, seq in ((0, 12), (7, 1 << 20)):
            link = {"stream": stream, "run": seeded("predecessor"), "seq": seq}
            fields["reached"].append(link | {"leaf": seeded(f"leaf {stream}")})
    payload = [1, *fields.values()]
    payload[9] = [list(link.values()) for link in fields["reached"]]
    return statement("run", device, 65302, payload, fields)


def descriptor(
    key: Key, run_name: bytes, stream: int, seq: int, full: bool, figures: Any = None
) -> Vector:
    fields: Vector = {
        "run": run_name,
        "stream": stream,
        "seq": seq,
        "prev": seeded("prev") if seq else ZERO,
        "tai": T0,
        "kind": 16 if full else 2,
        "source": hidden(f"source {stream}", b"pmu-a/7"),
        "origin": "concentrator" if full else "gateway",
        "wait_ms": 40 if full else None,
        "path_ms": 25 if full else 0,
        "configuration": hidden("configuration", b"CFG-2") if full else None,
        "rate": [60, 1] if full else [0, 0],
        "time_bound_ns": 1000 if full else None,
        "time_document": "PMU 500 data sheet C, 4.2" if full else "",
        "position": POSITION if full else None,
        "survey": SURVEY if full else None,
        "antenna": ANTENNA if full else None,
        "blocks": [],
        "channels": [],
    }
    if full:
        for at, (service, window, delay) in enumerate((("P", 33_333, -8), ("", None, None))):
            block = {"station": hidden(f"station {at}", b"NORTH"), "idcode": 7 + 65528 * at}
            block |= {"service_class": service, "window_us": window, "group_delay_us": delay}
            block["position"] = None if at else hidden("place", b"of its CFG-3")
            fields["blocks"].append(block)
        fields["channels"] = [channel(0, True), channel(1, False)]
        fields["channels"][0]["figures"] = figures and told(figures)
    payload = [1, *fields.values()]
    payload[8] = ["direct", "concentrator", "gateway"].index(fields["origin"])
    payload[18] = [list(block.values()) for block in fields["blocks"]]
    payload[19] = []
    for item in fields["channels"]:
        values = list(item.values())
        values.pop()
        if item["figures"] is not None:
            values.append(figures)
        values[2] = ["voltage", "current"].index(item["quantity"])
        values[4] = ["", "A", "B"].index(item["phase"])
        payload[19].append(values)
    return statement("descriptor", key, 65303, payload, fields)


# 25 VA rated, 5 VA at 0.8 connected, voltage factor 1.9; a calibration at two loads and burdens.
FIGURES = [
    25_000,
    [5000, 800],
    1900,
    [
        150,
        [
            [800, [6250, 800], 900, -250],
            [800, [25_000, 800], -1100, 310],
            [1200, [6250, 800], 850, -240],
            [1200, [25_000, 800], -1200, 330],
        ],
    ],
]


def told(figures: Any) -> Vector:
    """By name."""
    rated, connected, upto, (uncertainty, points) = figures

    def burden(of: list[int]) -> Vector:
        return {"mva": of[0], "power_factor": of[1]}

    rows = [
        {"load": load, "burden": burden(of), "ratio_ppm": ratio, "phase_urad": phase}
        for load, of, ratio, phase in points
    ]
    calibration = {"uncertainty": uncertainty, "points": rows}
    return {
        "rated_mva": rated,
        "connected": burden(connected),
        "upto": upto,
        "calibration": calibration,
    }


def channel(block: int, planned: bool) -> Vector:
    return {
        "block": block,
        "name": hidden(f"channel {block}", b"VA"),
        "quantity": "voltage" if planned else "current",
        "unit": "V" if planned else "A",
        "phase": "A" if planned else "",
        "node": BUSES[0] if planned else None,
        "terminal": seeded("terminal", 16) if planned else None,
        "direction": -1 if planned else 0,
        "ratio": [345_000, 115] if planned else None,
        "accuracy": "0.3" if planned else "",
        "core": "1" if planned else "",
        "burden": "25 VA" if planned else "",
        "correction": seeded("correction") if planned else None,
        "aliases": NAMES if planned else None,
        "offset": OFFSET if planned else None,
        "figures": None,
    }


def observation(key: Key, name: bytes, **changed: Any) -> Vector:
    """An observation under the descriptor of this name; what is not given is the ordinary."""
    fields: Vector = {
        "stream": 7,
        "seq": 1000,
        "tai": T0 + 16_666_666,
        "bound": 1000,
        "source": 1,
        "flags": 3,
        "heard": 41_000_000,
        "heard_bound": 20_000,
        "prev": seeded("prev"),
        "kind": 16,
        "raw": frame(7, 126),
    } | changed
    payload = cbor([1, *fields.values()])
    made = signed(key, payload, None, b"gridseal/1 observation" + name)
    return {"kind": "observation", "typ": None, "descriptor": name, **made, "fields": fields}


def frame(number: int, size: int) -> bytes:
    return b"\xaa\x01" + size.to_bytes(2, "big") + seeded(f"frame {number}", size - 4)


def observations(name: bytes) -> dict[str, Vector]:
    numbers = ("stream", "seq", "tai", "bound", "source", "flags", "heard")
    least: Vector = dict.fromkeys(numbers, 0)
    least |= {"heard_bound": 0, "prev": ZERO, "kind": 1, "raw": b""}
    most = (1 << 64) - 1
    widest = dict.fromkeys(numbers, most)
    widest |= {"heard_bound": most, "kind": most, "heard": -1 - most}
    gap = [18, T0, T0 + 10**9, 60, [seeded("predecessor"), 940, 999, seeded("dropped")]]
    changes: dict[str, Vector] = {
        "minimal": least,
        "widest": widest,
        "typical": {},
        "no_bounds": {"bound": None, "heard_bound": None, "source": 0, "flags": 16},
        "heard_negative": {"heard": -250_000},
        "gap": {"kind": 1, "raw": cbor([17, T0, T0, None, None])},
        "gap_dropped": {"kind": 1, "raw": cbor(gap)},
        "long": {"raw": frame(8, 1500)},
    }
    changes |= {f"seq_{seq}": {"seq": seq} for seq in SEQS}
    return {f"observation_{what}": observation(RUN, name, **new) for what, new in changes.items()}


def stretch(
    key: Key, name: bytes, stream: int, first_seq: int, count: int
) -> tuple[Vector, list[bytes]]:
    """A range and its linked observations."""
    prev = before = seeded(f"before {stream}")
    links = []
    for seq in range(first_seq, first_seq + count):
        values = {"heard": 41_000_000 + seq, "prev": prev, "raw": frame(seq, 40 + stream)}
        made = observation(key, name, stream=stream, seq=seq, tai=T0 + seq * 10**7, **values)
        links.append(made["encoded"])
        prev = leaf(links[-1])
    ends = {"first_seq": first_seq, "last_seq": first_seq + count - 1}
    return {
        "stream": stream,
        "descriptor": name,
        **ends,
        "first_prev": before,
        "last_leaf": prev,
    }, links


def batch(run_name: bytes, names: list[bytes], number: int) -> tuple[Vector, Vector]:
    """A head of several ranges, one of the run before, and its batch."""
    parts = [
        stretch(RUN, names[0], 7, 22, 4),
        stretch(RUN, names[1], 8, 255, 3),
        stretch(RUN_BEFORE, names[2], 7, 65535, 2),
    ][: 3 if number else 1]
    links = [link for _, part in parts for link in part]
    fields = {
        "run": run_name,
        "number": number,
        "previous": seeded("head") if number else ZERO,
        "count": len(links),
        "root": root([leaf(link) for link in links]),
        "ranges": [part for part, _ in parts],
    }
    payload = [1, *fields.values()]
    payload[6] = [list(part.values()) for part, _ in parts]
    made = statement("head", RUN, 65304, payload, fields)
    keys = [RUN.raw, RUN.raw, RUN_BEFORE.raw][: len(parts)]
    whole = {"kind": "batch", "id": sha256(made["encoded"]), "keys": keys, "head": made["encoded"]}
    whole |= {"observations": links, "encoded": made["encoded"] + b"".join(links)}
    return made, whole


def receipt(subject: bytes, classed: list[list[int]]) -> Vector:
    """A receipt for leaf 2 of a tree of 5."""
    leaves = [seeded(f"entry {at}") for at in range(5)]
    leaves[2] = leaf(subject)
    pair = sha256(b"\x01" + leaves[0] + leaves[1])
    proof = [leaves[3], pair, leaves[4]]
    names = ("stream", "first_seq", "last_seq", "klass", "reason")
    fields = {
        "subject": sha256(subject),
        "index": 2,
        "size": 5,
        "root": root(leaves),
        "proof": proof,
        "classed": [dict(zip(names, item, strict=True)) for item in classed],
    }
    payload = [1, *list(fields.values())[:5], classed]
    return statement("receipt", LOG, 65305, payload, fields) | {"entry": subject}


def refusal() -> Vector:
    fields: Vector = {
        "subject": seeded("subject"),
        "reason": 22,
        "text": "seq 7 is not linked",
        "tai": T0,
    }
    return statement("refusal", LOG, 65306, [1, *fields.values()], fields)


def checkpoint() -> Vector:
    fields: Vector = {"size": 1 << 33, "root": seeded("root"), "tai": T0, "appraised": 1 << 32}
    return statement("checkpoint", LOG, 65308, [1, *fields.values()], fields)


def heads() -> Vector:
    """Of three streams; of the gateway's own nobody can tell a measurement."""
    names = ("stream", "run", "seq", "leaf", "measured")
    rows = [
        [0, seeded("run"), 3, seeded("own link"), None],
        [7, seeded("run"), 1 << 32, seeded("link"), T0],
        [8, seeded("run before"), 0, seeded("other link"), T0 - 1],
    ]
    told = [dict(zip(names, row, strict=True)) for row in rows]
    fields = {"kid": DEVICE.kid, "size": 1 << 33, "tai": T0, "heads": told}
    return statement("heads", LOG, 65309, [1, DEVICE.kid, 1 << 33, T0, rows], fields)


def classification() -> Vector:
    names = ("run", "subject", "stream", "first_seq", "last_seq", "klass", "reason", "channels")
    whole: list[Any] = [seeded("run"), None, None, None, None, 4, 29, None]
    part: list[Any] = [seeded("run"), seeded("subject"), 7, 22, 1000, 4, 28, None]
    values: list[Any] = [seeded("run"), None, 7, 22, 1000, 5, 105, [0, 23, 24, 4095]]
    because = [seeded("subject"), seeded("other subject")]
    rows = [whole, part, values]
    findings = [dict(zip(names, item, strict=True)) for item in rows]
    fields = {"tai": T0, "findings": findings, "because": because}
    return statement("classification", LOG, 65307, [1, T0, rows, because], fields)


def disclosure() -> Vector:
    values = {"name": b"VA", "configuration": frame(2, 60), "nothing": b""}
    pairs = [[seeded(f"salt {name}", 16), value] for name, value in values.items()]
    fields = [{"digest": sha256(salt + value), "value": value} for salt, value in pairs]
    return {"kind": "disclosure", "encoded": cbor(pairs), "fields": fields}


def export(made: dict[str, Vector], run_name: bytes, veiled: bool = False) -> Vector:
    """An export of a device's second key: a batch with its receipt, one without a body, what no
    head covers, and what was passed over; one of its statements is left without what it hides.
    `veiled`: the second and the third observation of that batch are withheld."""
    names = ["credential_first", "rotation_ed25519", "credential_ed25519"]
    names += ["run_ed25519", "descriptor_full"]
    items: list[Any] = [[1, made[name]["encoded"], []] for name in names]
    items[4][2] = None
    one, receipt_of = made["batch_one_range"], made["receipt"]["encoded"]
    first, second, third, last = one["observations"]
    if veiled:
        shown, hidden = first + last, leaf(second) + leaf(third)
        items.append([5, one["head"], receipt_of, [[1, 2], [1, 0]], hidden, shown])
    else:
        items.append([2, one["head"], receipt_of, first + second + third + last])
    items += [[2, made["head_two_runs"]["encoded"], None, None], [4, run_name, 1, None]]
    part, links = stretch(RUN, sha256(made["descriptor_full"]["payload"]), 7, 22, 4)
    items.append([3, [list(part.values())], b"".join(links)])
    opening = ["gridseal export", 1, T0, T0 + 10**9, [7, 8], "gridseal"]
    encoded = b"".join(cbor(cbor(item)) for item in (opening, *items))
    encoded += cbor(cbor([0, len(items), sha256(encoded)]))
    return {"kind": "export", "encoded": encoded, "items": items}


def canonical(value: Any) -> str:
    """RFC 8785 3.2, for what a hand-over report is made of."""
    if isinstance(value, dict):
        members = (f"{canonical(name)}:{canonical(value[name])}" for name in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    short = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 34: '"', 92: "\\"}
    signs = (
        f"\\{short[ord(sign)]}" if ord(sign) in short
        else f"\\u{ord(sign):04x}" if ord(sign) < 32
        else sign
        for sign in value
    )  # fmt: skip
    return f'"{"".join(signs)}"'


def handover() -> Vector:
    """A hand-over report, of members that no report has: the form alone is meant."""
    report: dict[str, Any] = {
        "z": [1, 0, -1, (1 << 53) - 1, -((1 << 53) - 1), True, False, None, [], {}],
        "measured": "199186.203",
        "name": '\u00c4tna \u20ac \U0001d11e "<b>\\ /\u0001\n\u007f \u202e',
        "A": {"b": "", "a": "tai"},
    }
    made = signed(DEVICE, canonical(report).encode(), 65314)
    whole = {
        "form": "gridseal hand-over 1",
        "report": report,
        "signed": base64.b64encode(made["encoded"]).decode(),
    }
    text = json.dumps(whole, ensure_ascii=False, sort_keys=True, indent=1) + "\n"
    file = text.replace("\u007f", "\\u007f").replace("\u202e", "\\u202e")
    return {"kind": "handover", "typ": 65314, **made, "file": file, "fields": report}


def vectors(python: str | None) -> dict[str, Vector]:
    """Every vector by name; those with a P-256 key only where `python` has `cryptography`."""
    made = {
        "credential_first": credential(DEVICE_BEFORE, POSITION, 0),
        "credential_bench": credential(DEVICE, None, 1),
    }
    first = sha256(made["credential_first"]["payload"])
    made["rotation_ed25519"] = rotation(DEVICE_BEFORE, DEVICE, first)
    over = sha256(made["rotation_ed25519"]["payload"])
    made["credential_ed25519"] = credential(DEVICE, POSITION, 0, over)
    acts_under = sha256(made["credential_ed25519"]["payload"])
    made["run_ed25519"] = run(DEVICE, RUN, acts_under, first=True)
    made["run_continues"] = run(DEVICE, RUN, acts_under, first=False)
    run_name = sha256(made["run_ed25519"]["payload"])
    made["descriptor_minimal"] = descriptor(RUN, run_name, 8, 0, full=False)
    made["descriptor_full"] = descriptor(RUN, run_name, 7, 21, full=True)
    made["descriptor_figures"] = descriptor(RUN, run_name, 9, 0, full=True, figures=FIGURES)
    before = descriptor(RUN_BEFORE, seeded("predecessor"), 7, 0, full=True)
    names = [made["descriptor_full"], made["descriptor_minimal"], before]
    hashes = [sha256(item["payload"]) for item in names]
    made |= observations(hashes[0])
    made["head_one_range"], made["batch_one_range"] = batch(run_name, hashes, 0)
    made["head_two_runs"], made["batch_two_runs"] = batch(run_name, hashes, 3)
    made["receipt"] = receipt(made["head_one_range"]["encoded"], [])
    worse = [[7, 22, 23, 3, 82], [8, 255, 1 << 33, 7, 91]]
    made["receipt_classed"] = receipt(made["head_two_runs"]["encoded"], worse)
    made |= {"refusal": refusal(), "disclosure": disclosure()}
    made |= {"checkpoint": checkpoint(), "classification": classification(), "heads": heads()}
    made["request_first"] = request(DEVICE_BEFORE, False, first, b"")
    made["request_next"] = request(DEVICE, True, first, made["rotation_ed25519"]["encoded"])
    made["answer"] = answer(made["request_next"], made["credential_ed25519"], True)
    made["answer_offline"] = answer(made["request_first"], made["credential_first"], False)
    asked = sha256(made["request_next"]["payload"])
    made |= books(acts_under, first, asked, run_name)
    made |= records()
    made["export"] = export(made, run_name)
    made["export_veiled"] = export(made, run_name, veiled=True)
    made["handover"] = handover()
    if python is not None:
        device = OracleKey("device p256", python)
        made["rotation_esp256"] = rotation(DEVICE_BEFORE, device, first)
        over = sha256(made["rotation_esp256"]["payload"])
        made["credential_esp256"] = credential(device, POSITION, 0, over)
        acts_under = sha256(made["credential_esp256"]["payload"])
        made["run_esp256"] = run(device, RUN, acts_under, first=True)
    return made


def text(vector: Vector) -> str:
    """A vector as its file has it."""
    return json.dumps({"made_by": MADE_BY} | vector, indent=1, default=bytes.hex) + "\n"


if __name__ == "__main__":
    for vector_name, content in vectors(sys.argv[1]).items():
        (HERE / f"{vector_name}.json").write_text(text(content), encoding="utf-8")
