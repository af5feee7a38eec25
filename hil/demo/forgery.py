"""A forged sample: the newest batch of a gateway, taken from the record, with one sample changed,
and offered to the record's door as a gateway offers it.

1. The first byte of the sample's own measurement after its header is another; head and all other
   samples are as they were signed. Whoever has no key of the gateway cannot do better.
2. What the record answers is told as it is: a signed refusal by its reason.
"""

from binascii import crc_hqx
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from drivers.c37118.frame import CRC_START
from evidence import cose, head, observation, receipt
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
                body, what = found
                return Forged(entry.subject, entry.encoded + body, f"{what}, of entry {idx}")
    finally:
        reader.close()
    return None


def _changed(encoded: bytes, body: bytes) -> tuple[bytes, str] | None:
    at = 0
    for part in head.read(cose.read(encoded).payload).ranges:
        for _ in range(part.count):
            sample, _, end = observation.read_at(body, at)
            if sample.kind == Kind.C37118:
                raw = bytearray(sample.raw)
                raw[_AT] ^= 0x40  # a voltage that is another
                raw[-_CHK:] = crc_hqx(bytes(raw[:-_CHK]), CRC_START).to_bytes(_CHK)
                begins = body.index(sample.raw, at, end)
                made = body[:begins] + bytes(raw) + body[begins + len(raw) :]
                return made, f"voltage A of seq {sample.seq}, stream {sample.stream}, changed"
            at = end
    return None


async def offered(url: str, of: Forged, log: PublicKey) -> str:
    """What the record says to it."""
    timeout = aiohttp.ClientTimeout(total=ASK_S)
    path = f"{url}/v1/batch/{of.batch_id.hex()}?size=0"
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            async with session.post(path, data=of.encoded) as answer:
                said = await answer.content.read(ANSWER_BYTES_MAX)
                if answer.status == 422:
                    message = cose.read_statement(said, Typ.REFUSAL)
                    cose.check(message, log)
                    refusal = receipt.read_refusal(message.payload)
                    name = refusal.reason.name.lower().replace("_", " ")
                    return f"refused: {name}: {refusal.text}"
                return f"answered {answer.status}, and did not refuse it"
    except (aiohttp.ClientError, TimeoutError, OSError, EvidenceError) as fault:
        return f"the record does not answer: {fault}"

