"""A forged sample: the newest batch of a gateway, taken from the record, with one sample changed,
and offered to the record's door as a gateway offers it.

1. One byte of a voltage is another, with the frame's own check word made to fit, and the head's
   root made to fit the changed batch. What cannot be made is the signature of the run key: that of
   the true head stands where it stood.
2. What the record answers is told as it is: a signed refusal by its reason. Whether it took the
   batch is told apart: a demo whose record does so does not hold.
"""

from binascii import crc_hqx
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from drivers.c37118.frame import CRC_START
from evidence import cose, head, merkle, observation, receipt
from evidence.code import Kind, Typ
from evidence.key import PublicKey
from evidence.refusal import EvidenceError
from record.store import open_reader

ASK_S = 20.0
BACK_MAX = 200  # entries that are looked through for a batch with a PMU's frame
ANSWER_BYTES_MAX = 65_536
_AT, _CHK = 16, 2  # where phasors begin in a data frame, and the length of CHK (C37.118.2-2011 6.3)


@dataclass(frozen=True, slots=True)
class Forged:
    """A batch as it is offered. `what`: the sample, in words."""

    batch_id: bytes
    encoded: bytes
    what: str


def forged(store: Path) -> Forged | None:
    """Of the newest batch that has a PMU's frame; None where there is none yet. Raises StoreError,
    EvidenceError."""
    reader = open_reader(store, live=True)
    try:
        size = reader.size()
        for idx in range(size - 1, max(size - BACK_MAX, 0) - 1, -1):
            entry = reader.entry(idx)
            if entry is None or entry.typ != Typ.HEAD:
                continue
            found = _changed(entry.encoded, reader.body(idx) or b"")
            if found is not None:
                made, body, what = found
                return Forged(head.batch_id(made), made + body, f"{what}, of entry {idx}")
    finally:
        reader.close()
    return None


def _changed(encoded: bytes, body: bytes) -> tuple[bytes, bytes, str] | None:
    """Head and body with one sample changed, and which; None where no PMU's frame is in it."""
    says = head.read(cose.read(encoded).payload)
    leaves, made, what, at = list[bytes](), b"", "", 0
    for part in says.ranges:
        for _ in range(part.count):
            sample, _, end = observation.read_at(body, at)
            one = body[at:end]
            if sample.kind == Kind.C37118 and not what:
                one = one.replace(sample.raw, _frame(sample.raw))
                what = f"voltage A of seq {sample.seq}, stream {sample.stream}"
            leaves.append(merkle.leaf_hash(one))
            made += one
            at = end
    if not what:
        return None
    return encoded.replace(says.root, merkle.root(leaves)), made, what


def _frame(raw: bytes) -> bytes:
    """With another voltage, and the check word that fits it."""
    data = bytearray(raw[:-_CHK])
    data[_AT + 1] ^= 0x40
    return bytes(data) + crc_hqx(bytes(data), CRC_START).to_bytes(_CHK)


async def offered(url: str, of: Forged, log: PublicKey) -> tuple[str, bool]:
    """What the record says to it, and whether it took it."""
    timeout = aiohttp.ClientTimeout(total=ASK_S)
    path = f"{url}/v1/batch/{of.batch_id.hex()}?size=0"
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(path, data=of.encoded) as answer,
        ):
            said = await answer.content.read(ANSWER_BYTES_MAX)
            if answer.status != 422:
                return f"answered {answer.status}, and did not refuse it", answer.status == 200
            message = cose.read_statement(said, Typ.REFUSAL)
            cose.check(message, log)
            refusal = receipt.read_refusal(message.payload)
            name = refusal.reason.name.lower().replace("_", " ")
            return f"refused: {name}: {refusal.text}", False
    except (aiohttp.ClientError, TimeoutError, OSError, EvidenceError) as fault:
        return f"the record does not answer: {fault}", False
