"""`authority publish`: sends the book to a record, entry by entry, and the credentials it names.

1. In the order of the book. Before an entry that issued a credential goes that credential, with
   what it hides; before that, where a key handed over, the statement by which it did.
2. The record takes each statement once and answers the same again: a publication that a network
   ended is begun anew from the first. What it is answered is checked by the log key, where the
   anchors are known, and said.
3. It stops at the first entry that is not taken: those behind it could not be either. What goes
   before an entry may be refused, and the entry is sent all the same (record.book, rule 1): nobody
   stops a revocation by a credential that a record does not take.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.http import Client, Tls
from agent.transport import Answer, UplinkError
from evidence import anchor, cbor, cose, receipt, shape
from evidence.book import Issued
from evidence.code import Typ
from evidence.key import PublicKey
from evidence.refusal import EvidenceError
from provisioning.argument import Now, Parser, UsageError, content, only
from provisioning.authority import folder
from provisioning.authority.folder import Authority
from provisioning.authority.issue import add_common
from provisioning.authority.issued import Pairs
from provisioning.terminal import Terminal

ASK_S = 30.0  # a commit of the record takes a second at worst; a line may be slow
LATER_TRIES, LATER_S = 5, 1.0  # of a record that is busy (503)
_PATH = "/v1/statement?size=0"


@dataclass(frozen=True, slots=True)
class Sent:
    """One statement. `what`: in words; `entry`: of the book, None for what goes before it."""

    what: str
    encoded: bytes
    pairs: Pairs
    entry: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """What the record answered. `index`: its place in the log; None where it was not taken.
    `refused`: it said so itself, and will say so again.
    """

    sent: Sent
    index: int | None
    text: str
    refused: bool = False

    @property
    def stops(self) -> bool:
        """Rule 3."""
        return self.index is None and not (self.refused and self.sent.entry is None)


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `authority publish`. Exit 1: the record does not take all of it."""
    asked = only(_parser(), argv)
    out = Terminal(asked.json)
    of = folder.read(asked.authority)
    url, tls = record_of(asked, of)
    statements = list(sent(of))
    if asked.dry_run:
        out.say(f"Would send {len(statements)} statements to {url}:")
        out.say(*(f"  {one.what}" for one in statements))
        out.object({"done": False, "statements": len(statements)})
        return 0
    told = asyncio.run(published(url, tls, statements, log_key(of)))
    for one in told:
        place = "not taken" if one.index is None else f"entry {one.index} of the log"
        out.say(f"{one.sent.what}: {place}{': ' if one.text else ''}{one.text}")
    whole = len(told) == len(statements) and all(one.index is not None for one in told)
    out.say("", "The record has all of it." if whole else "The record does NOT have all of it.")
    rows = [{"what": one.sent.what, "index": one.index, "text": one.text} for one in told]
    out.object({"done": whole, "statements": len(statements), "answers": rows})
    return 0 if whole else 1


def record_of(asked: argparse.Namespace, of: Authority) -> tuple[str, Tls | None]:
    """Where the record is, and by which certificates it is spoken to. Raises UsageError."""
    url = asked.record or of.file.record.url
    if not url:
        raise UsageError("where the record is: say it by --record URL, or in authority.toml")
    ca = asked.ca or (of.folder / of.file.record.ca if of.file.record.ca else None)
    ours = (asked.certificate, asked.certificate_key)
    return url, Tls(ca, *ours) if ca or asked.certificate else None


def sent(of: Authority) -> Iterator[Sent]:
    """Rule 1."""
    for line in of.book.lines:
        what = line.entry.what
        row = of.row(what.credential) if isinstance(what, Issued) else None
        if row is not None:
            name = f"{row.name.hex()[:16]} of {row.says.subject}"
            if row.asked is not None and row.asked.rotation is not None:
                yield Sent(f"rotation before credential {name}", row.asked.rotation, (), None)
            yield Sent(f"credential {name}", row.credential, row.pairs, None)
        number = line.entry.number
        act = type(what).__name__.lower()
        yield Sent(f"book entry {number}, {act}", line.encoded, (), number)


async def published(
    url: str, tls: Tls | None, statements: Sequence[Sent], trusted: PublicKey | None
) -> list[Told]:
    """Sends them, one after another. Raises ConfigError."""
    client = Client(url, tls)
    told: list[Told] = []
    try:
        for one in statements:
            told.append(await _put(client, one, trusted))
            if told[-1].stops:
                break
    finally:
        await client.close()
    return told


async def _put(client: Client, one: Sent, trusted: PublicKey | None) -> Told:
    body = cbor.encode([one.encoded, one.pairs])
    try:
        for _ in range(LATER_TRIES):
            answer = await client.request("POST", _PATH, body, ASK_S)
            if answer.status != 503:
                break
            await asyncio.sleep(LATER_S)
        return _told(one, answer, trusted)
    except UplinkError as fault:
        return Told(one, None, str(fault))
    except EvidenceError as fault:
        return Told(one, None, f"an answer that does not hold: {fault}")


def _told(one: Sent, answer: Answer, trusted: PublicKey | None) -> Told:
    """What an answer says. Raises EvidenceError."""
    if answer.status == 200:
        encoded, _ = shape.array(cbor.decode(answer.body), "answer", 2)
        message = cose.read_statement(shape.blob(encoded, "receipt"), Typ.RECEIPT)
        _check(message, trusted)
        found = receipt.read(message.payload)
        found.check(one.encoded, _subject(one))
        return Told(one, found.index, "" if trusted else "not checked: no anchors")
    if answer.status == 422:
        message = cose.read_statement(answer.body, Typ.REFUSAL)
        _check(message, trusted)
        refusal = receipt.read_refusal(message.payload)
        return Told(one, None, f"{refusal.reason.name.lower()}: {refusal.text}", True)
    if answer.status == 409:  # of a credential: the rotation before it was refused
        wanted = shape.array(cbor.decode(answer.body), "wanted")
        return Told(one, None, f"it needs first: {', '.join(map(_wanted, wanted))}", True)
    return Told(one, None, f"status {answer.status}: {answer.body[:80].decode(errors='replace')}")


def _check(message: cose.Sign1, trusted: PublicKey | None) -> None:
    if trusted is not None:
        cose.check(message, trusted)


def _subject(one: Sent) -> bytes:
    """The subject of a statement's receipt (evidence.receipt, rule 1)."""
    return cose.name(one.encoded)


def _wanted(value: object) -> str:
    typ, name = shape.array(value, "wanted", 2)
    kind = next((one.name.lower() for one in Typ if one == typ), "a statement")
    return f"{kind} {shape.blob(name, 'name').hex()[:16]}"


def log_key(of: Authority) -> PublicKey | None:
    """The log's key, where the anchors are here. Raises ConfigError."""
    path = of.folder / of.file.record.anchors
    if not of.file.record.anchors or not path.is_file():
        return None
    return anchor.read(content(path), str(path)).log_key


def _parser() -> Parser:
    about = "Sends the book, and the credentials that it names, to the record."
    command = Parser(prog="gridseal-provision authority publish", description=about,
                     allow_abbrev=False)  # fmt: skip
    add_record(command)
    add_common(command)
    return command


def add_record(command: argparse.ArgumentParser) -> None:
    """What every command takes that speaks to the record."""
    add = command.add_argument
    add("--record", metavar="URL", help="default: authority.toml's")
    add("--ca", type=Path, metavar="FILE", help="who certifies it; default: authority.toml's")
    add("--certificate", type=Path, metavar="FILE", help="our own, where the record asks for one")
    add("--certificate-key", type=Path, metavar="FILE", help="its key")
