"""What a record holds, as numbers: for people, and as one JSON object.

1. Counts of classes are of observations, as their receipts say; findings that came later stand
   beside, not instead.
2. Refusals are those whose bytes are kept, by reason.

It checks nothing: that is `verify`.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

from evidence import checkpoint, classification, cose, instant, receipt
from evidence.code import ALG_ED25519, Class, Matter, Reason
from evidence.joint.state import State
from evidence.key import SIGNATURE_BYTES, PublicKey
from evidence.leap import BUILT_IN, NS
from evidence.tlog import checkpoint as tlog_checkpoint
from evidence.tlog.note import ED25519, Verifier
from record.booked import books
from record.log import Log
from record.shelf import published
from record.store import Store

COSIGNATURE_BYTES = 8 + SIGNATURE_BYTES  # its time, and what Ed25519 makes
NOTES_MAX = 512  # eight minutes of a log that grows each second
_CLASSES = {int(item): item.name.lower() for item in Class}
_MATTERS = {int(item): item.name.lower() for item in Matter}
_STATES = {int(item): item.name.lower() for item in State}
_REASONS = {int(item): item.name.lower() for item in Reason}


def summary(store: Store, asked: Sequence[str] = ()) -> dict[str, Any]:
    """The record in numbers and hex. `asked`: the witnesses' names, where somebody knows them."""
    log = Log(store)
    tallies = store.tallies()
    classes: Counter[str] = Counter()
    for (klass, reason), count in tallies.items():
        name = _CLASSES.get(klass, str(klass))
        classes[f"{name}/{_REASONS.get(reason, reason)}" if reason else name] += count
    findings = Counter(
        _REASONS.get(item.reason, str(item.reason))
        for entry in store.findings()
        for item in classification.read(cose.read(entry.encoded).payload).findings
    )
    refusals: Counter[str] = Counter()
    exhibits = 0
    for row in store.exhibits():
        exhibits += 1
        refusals[receipt.read_refusal(cose.read(row.refusal).payload).reason.name.lower()] += 1
    devices = _devices(store)
    return {
        "entries": log.size,
        "root": log.root().hex(),
        "log_key": (store.log_key() or b"").hex(),
        "batches": store.batches(),
        "observations": sum(tallies.values()),
        "devices": devices,
        "books": books(store),
        "records": records(store, log.size),
        "streams": sum(device["streams"] for device in devices),
        "classes": dict(sorted(classes.items())),
        "findings": dict(sorted(findings.items())),
        "refusals": dict(sorted(refusals.items())),
        "exhibits": exhibits,
        "published": _published(store, log.size),
        "witnesses": _witnesses(store, asked),
    }


def _witnesses(store: Store, asked: Sequence[str]) -> list[dict[str, Any]]:
    """Which tree each cosigned last, of the NOTES_MAX published last, and how far that is behind
    the published one: those that are asked, then whoever else did."""
    found: dict[str, dict[str, Any]] = {}
    newest = 0
    for row in islice(store.notes_back(), NOTES_MAX):
        newest = max(newest, row.size)
        for line in published(row).lines:
            if len(line.signature) == COSIGNATURE_BYTES and line.name not in found:
                time_s = int.from_bytes(line.signature[:8], "big")
                found[line.name] = {"size": row.size, "behind": newest - row.size, "time": time_s}
        if asked and found.keys() >= set(asked):
            break
    nothing = {"size": None, "behind": newest, "time": None}
    names = dict.fromkeys((*asked, *sorted(found)))
    return [{"name": name, **found.get(name, nothing)} for name in names]


def _published(store: Store, size: int) -> dict[str, Any] | None:
    """The last note, as it says itself: until when the log is published, and who cosigned it."""
    row = store.last_note()
    if row is None:
        return None
    signed = published(row)
    origin = tlog_checkpoint.read(signed.text).origin
    stood = store.checkpoint(row.size)
    cosigned = {
        line.name: int.from_bytes(line.signature[:8], "big")
        for line in signed.lines
        if len(line.signature) == COSIGNATURE_BYTES
    }
    raw = store.log_key() or b""
    return {
        "origin": origin,
        "vkey": Verifier(origin, ED25519, PublicKey(ALG_ED25519, raw)).vkey(),
        "size": row.size,
        "behind": size - row.size,
        "tai": None if stood is None else checkpoint.read(cose.read(stood).payload).tai,
        "cosigned": cosigned,
    }


def records(store: Store, size: int) -> dict[str, dict[str, int]]:
    """How many records of authorities there are, by matter and state, by the log's clock."""
    signed = store.checkpoint(size)
    tai = checkpoint.read(cose.read(signed).payload).tai if signed else 0
    found: dict[str, dict[str, int]] = {}
    for matter, state, count, over in store.joint_counts(tai):
        of = found.setdefault(_MATTERS.get(matter, str(matter)), {})
        name = _STATES.get(state, str(state))
        expired = over if state == State.PENDING else 0
        of[name] = of.get(name, 0) + count - expired
        if expired:
            of["expired"] = of.get("expired", 0) + expired
    return found


def _devices(store: Store) -> list[dict[str, Any]]:
    """Each by the key of the run that began last; the others beside."""
    kids: dict[bytes, dict[bytes, int]] = {}
    runs: Counter[bytes] = Counter()
    streams: dict[bytes, set[int]] = {}
    for row in store.runs():
        runs[row.device] += 1
        of = kids.setdefault(row.device, {})
        of[row.kid] = max(of.get(row.kid, 0), row.began or 0)
        streams.setdefault(row.device, set()).update(store.streams(row.id))
    found = []
    for device, count in runs.items():
        of = kids[device]
        *before, kid = (kid.hex() for kid in sorted(of, key=lambda kid: of[kid]))
        row_of = {"kid": kid, "before": before, "runs": count, "streams": len(streams[device])}
        found.append(row_of)
    return sorted(found, key=lambda row: str(row["kid"]))


def shown(found: dict[str, Any], now: int) -> str:
    """The summary as lines, at an instant, ns TAI."""
    lines = [
        f"entries       {found['entries']}",
        f"root          {found['root']}",
        f"log key       {found['log_key']}",
        f"batches       {found['batches']}",
        f"observations  {found['observations']}",
    ]
    lines += _told(found["published"], found["entries"], now)
    lines += [f"witness       {row['name']}: {_cosigned(row)}" for row in found["witnesses"]]
    for device in found["devices"]:
        before = f", before it {', '.join(device['before'])}" if device["before"] else ""
        count = f"{device['runs']} runs, {device['streams']} streams"
        lines.append(f"device        {device['kid']}: {count}{before}")
    for book in found["books"]:
        acts = f"{book['issued']} issued, {len(book['revoked'])} revoked, {book['vouched']} vouched"
        lines.append(f"book          {book['issuer']}: {book['entries']} entries, {acts}")
        for row in book["revoked"]:
            text = f": {row['text']}" if row["text"] else ""
            since = f"since {row['since']}, entry {row['entry']}"
            lines.append(f"              revoked {row['key']} ({row['why']}) {since}{text}")
        for row in book["void"]:
            where = f"entry {row['number']} of it, entry {row['entry']}"
            lines.append(f"              vouches for nothing: {row['void']}: {where}")
    for matter, states in found["records"].items():
        counts = ", ".join(f"{count} {state}" for state, count in states.items() if count)
        lines.append(f"records       {matter}: {counts}")
    for title in ("classes", "findings", "refusals"):
        lines += [f"{title:<13} {name}: {count}" for name, count in found[title].items()]
    return "\n".join(lines)


def _cosigned(row: dict[str, Any]) -> str:
    if row["size"] is None:
        return f"AWAY: it cosigned none of the {NOTES_MAX} trees that were published last"
    if not row["behind"]:
        return "cosigned the published tree"
    try:
        last = instant.words(BUILT_IN.tai_ns(row["time"], 0))
    except (OverflowError, ValueError):
        last = f"{row['time']} s after 1970"
    return f"BEHIND by {row['behind']} entries: it cosigned {row['size']} last, at {last}"


def _told(found: dict[str, Any] | None, entries: int, now: int) -> list[str]:
    if found is None:
        return ["published     nothing yet"]
    age = "" if found["tai"] is None else f", {max(0, now - found['tai']) // NS} s old"
    if found["behind"] == 0:
        age = ", up to date"
    names = ", ".join(found["cosigned"]) or "nobody"
    return [
        f"published     {found['size']} of {entries} entries{age}, cosigned by {names}",
        f"published as  {found['vkey']}",
    ]
