"""`authority vouch`: for what a revoked key's device sealed before, or for one of two runs that
are clones, batch by batch up to a head.

1. Whoever vouches has compared the head with the device itself, or with a copy of its disk: the
   record classes nothing by a clock that a thief may set.
2. The record is asked first whether it has that batch: an entry that it cannot take would stand in
   the way of all that follow.
"""

import argparse
import asyncio
from collections.abc import Sequence

from agent.http import Client
from agent.transport import UplinkError
from evidence import cbor, cose, receipt, shape
from evidence.book import Vouched
from evidence.code import Typ
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from provisioning.argument import Now, Parser, only, tai, whole
from provisioning.authority import folder, publish
from provisioning.authority.folder import Authority
from provisioning.authority.refusal import RefusedError, refused
from provisioning.authority.revoke import add_confirmed, check_text
from provisioning.key import asker
from provisioning.terminal import Terminal


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `authority vouch`."""
    asked = only(_parser(), argv)
    out = Terminal(asked.json)
    check_text(asked.text)
    number = whole("NUMBER", asked.number)
    what = Vouched(_hash("RUN", asked.run), number, _hash("HEAD", asked.head), asked.text)
    out.say(
        f"Run          {what.run.hex()}",
        f"Up to batch  {what.number}, head {what.head.hex()}",
        f"Because      {what.text}",
        "Those batches then settle as if their key were not revoked, and their run had no clone.",
        "This cannot be undone.",
    )
    of = folder.read(asked.authority)
    if not asked.unchecked:
        asyncio.run(_check_known(asked, of, what))
    told = {"run": what.run.hex(), "number": number, "head": what.head.hex(), "text": what.text}
    if asked.dry_run:
        out.object(told | {"done": False})
        return 0
    if not asked.yes and out.ask("Vouch for them? Type yes", "--yes") != "yes":
        raise RefusedError("declined", "not vouched for, and nothing changed")
    root = folder.root_signer(asked.authority, asker())
    with folder.writing(asked.authority, root, tai(now())) as authority:
        line = authority.enter(what, tai(now()), root)
    out.say("", f"Entry {line.entry.number} of the book. Publish it: it rules from the log on.")
    out.object(told | {"done": True, "entry": line.entry.number, "name": line.name.hex()})
    return 0


async def _check_known(asked: argparse.Namespace, of: Authority, what: Vouched) -> None:
    """Rule 2. Raises RefusedError, UsageError, ConfigError."""
    client = Client(*publish.record_of(asked, of))
    try:
        path = f"/v1/receipt/{what.head.hex()}?size=0"
        answer = await client.request("GET", path, None, publish.ASK_S)
        if answer.status == 404:
            text = f"the record has no batch {what.head.hex()[:16]}"
            raise RefusedError("unknown_name", f"{text}; first it has to be forwarded")
        if answer.status != 200:
            raise RefusedError("record", f"the record answers {answer.status}; try again")
        encoded, _ = shape.array(cbor.decode(answer.body), "answer", 2)
        message = cose.read_statement(shape.blob(encoded, "receipt"), Typ.RECEIPT)
        trusted = publish.log_key(of)
        if trusted is not None:
            cose.check(message, trusted)
        if receipt.read(message.payload).subject != what.head:
            raise RefusedError("record", "the record answers for another batch")
    except UplinkError as fault:
        raise RefusedError("record", f"{fault}; or say --unchecked") from fault
    except EvidenceError as fault:
        raise refused(fault, "the record's answer") from fault
    finally:
        await client.close()


def _hash(what: str, text: str) -> bytes:
    """A name in hex. Raises RefusedError."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES:
        raise RefusedError("name", f"{what}: expected {2 * HASH_BYTES} hex digits")
    return found


def _parser() -> Parser:
    about = "Vouches for a run's batches from the first to NUMBER, whose head is HEAD."
    command = Parser(prog="gridseal-provision authority vouch", description=about,
                     allow_abbrev=False)  # fmt: skip
    add = command.add_argument
    add("run", metavar="RUN", help="the run's name, as `gridseal-record show` tells it")
    add("number", metavar="NUMBER", help="of the last batch")
    add("head", metavar="HEAD", help="that batch's id")
    add("--text", metavar="TEXT", required=True, help="how it was compared; public")
    add("--unchecked", action="store_true", help="do not ask the record whether it has the batch")
    publish.add_record(command)
    add_confirmed(command)
    return command
