"""Sends statements to a record, one after another, and says what it answered.

1. A record takes a statement once and answers the same again: what a network ended is sent anew.
2. A receipt counts when it is of what was sent, and, where the log's key is known, signed by it.
3. Certificates are always checked; http:// goes to this machine only. Every wait and every answer
   is bounded; 503 is asked again a few times.

It signs nothing.
"""

import argparse
import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evidence import cbor, cose, receipt, shape
from evidence.code import Reason, Typ
from evidence.config import ConfigError
from evidence.key import PublicKey
from evidence.refusal import EvidenceError
from record.config import read_anchors
from record.region import is_loopback

if TYPE_CHECKING:
    import aiohttp

ASK_S = 30.0  # a commit takes a second at worst; a line may be slow
LATER_TRIES, LATER_S = 5, 1.0  # of a record that is busy
ANSWER_BYTES_MAX = 1 << 20  # a receipt has a few KiB
PATH = "/v1/statement?size=0"


@dataclass(frozen=True, slots=True)
class Told:
    """What the record answered. `index`: the place in the log; None where it was not taken, and
    the text says why. `reason`: of a signed refusal."""

    index: int | None
    text: str
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """Where a record is and how it is spoken to; `key`: of its log, None where nobody said."""

    url: str
    trust: ssl.SSLContext | None
    key: PublicKey | None


def arguments(parser: argparse.ArgumentParser) -> None:
    """What every command takes that sends to a record."""
    add = parser.add_argument
    add("--record", metavar="URL", help="send it there")
    add("--ca", type=Path, metavar="FILE", help="who certifies the record; default: the system's")
    add("--certificate", type=Path, metavar="FILE", help="our own, where the record asks for one")
    add("--certificate-key", type=Path, metavar="FILE", help="its key; default: in that file")
    add("--anchors", type=Path, metavar="FILE", help="the log's key, to check its receipt by")


def door(asked: argparse.Namespace) -> Door:
    """Raises ConfigError."""
    url = urlsplit(asked.record)
    secure = url.scheme == "https"
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/"):
        raise ConfigError("--record", "", f"found {asked.record!r}; expected https://HOST:PORT")
    if not secure and not is_loopback(url.hostname):
        text = f"http:// goes to this machine only; expected https://{url.netloc}"
        raise ConfigError("--record", "", text)
    if not secure and (asked.ca or asked.certificate):
        raise ConfigError("--record", "", f"{asked.record!r} is not https, and has certificates")
    trust = None
    if secure:
        try:
            trust = ssl.create_default_context(cafile=asked.ca)
            if asked.certificate:
                trust.load_cert_chain(asked.certificate, asked.certificate_key)
        except (OSError, ssl.SSLError) as fault:
            raise ConfigError("--ca, --certificate", "", f"{fault}") from fault
    anchors = None if asked.anchors is None else read_anchors(asked.anchors)
    return Door(asked.record.rstrip("/"), trust, anchors.log_key if anchors else None)


def posted(at: Door, statements: Sequence[bytes]) -> list[Told]:
    """What became of each; the first that is not taken ends it."""
    return asyncio.run(offered(at, statements))


async def offered(at: Door, statements: Sequence[bytes]) -> list[Told]:
    """As `posted`, within a loop."""
    import aiohttp  # what is written to a file needs none

    timeout = aiohttp.ClientTimeout(total=ASK_S)
    told: list[Told] = []
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for encoded in statements:
            try:
                told.append(await _put(session, at, encoded))
            except (aiohttp.ClientError, TimeoutError, OSError) as fault:
                told.append(Told(None, f"{at.url}: {type(fault).__name__}: {fault}".rstrip(": ")))
            except EvidenceError as fault:
                told.append(Told(None, f"an answer that does not hold: {fault}"))
            if told[-1].index is None:
                break
    return told


async def _put(session: "aiohttp.ClientSession", at: Door, encoded: bytes) -> Told:
    body = cbor.encode([encoded, []])
    for _ in range(LATER_TRIES):
        ask = session.post(at.url + PATH, data=body, ssl=at.trust or True, allow_redirects=False)
        async with ask as answer:
            said, status = await _bounded(answer), answer.status
        if status != 503:
            break
        await asyncio.sleep(LATER_S)
    return _told(at, encoded, status, said)


async def _bounded(answer: "aiohttp.ClientResponse") -> bytes:
    parts = bytearray()
    async for part in answer.content.iter_any():
        parts += part
        if len(parts) > ANSWER_BYTES_MAX:
            raise OSError(f"an answer of over {ANSWER_BYTES_MAX} bytes")
    return bytes(parts)


def _told(at: Door, encoded: bytes, status: int, said: bytes) -> Told:
    """What an answer says. Raises EvidenceError."""
    if status == 200:
        signed, _ = shape.array(cbor.decode(said), "answer", 2)
        found = receipt.read(_signed(at, shape.blob(signed, "receipt"), Typ.RECEIPT))
        found.check(encoded, cose.name(encoded))
        return Told(found.index, "" if at.key else "not checked: no anchors")
    if status == 422:
        refusal = receipt.read_refusal(_signed(at, said, Typ.REFUSAL))
        text = f"refused: {refusal.reason.name.lower()}: {refusal.text}"
        return Told(None, text, refusal.reason)
    return Told(None, f"status {status}: {' '.join(said[:200].decode(errors='replace').split())}")


def _signed(at: Door, encoded: bytes, typ: Typ) -> bytes:
    message = cose.read_statement(encoded, typ)
    if at.key is not None:
        cose.check(message, at.key)
    return message.payload
