"""`authority revoke`: a device key is not to be believed any more, from this entry's place in the
record's log on. It rules there once it is published.

A key that handed over is believed until it ends or is revoked, and stays at its device. So who
names a gateway revokes the keys before as well, an entry each, the one in use first; who names a
key revokes that one, and is told of the others.
"""

import argparse
from collections.abc import Sequence

from evidence.book import Revoked
from evidence.code import Revocation
from evidence.key import PublicKey
from evidence.leap import NS
from evidence.shape import TEXT_BYTES_MAX
from provisioning.argument import Now, Parser, only, tai
from provisioning.authority import folder
from provisioning.authority.folder import Authority
from provisioning.authority.issue import add_common
from provisioning.authority.refusal import RefusedError
from provisioning.authority.standing import Register
from provisioning.key import asker
from provisioning.terminal import Terminal

DIGITS_MIN = 16  # of a fingerprint that is typed in part
_WORDS = {why.name.lower(): why for why in Revocation}


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `authority revoke`."""
    asked = only(_parser(), argv)
    out = Terminal(asked.json)
    check_text(asked.text)
    of = folder.read(asked.authority)
    keys, subject = which(of, asked.key, now() // NS)
    named = [key.fingerprint for key in keys]
    out.say(
        f"Key          {named[0]}",
        *(f"  and        {mark}, which handed over to it" for mark in named[1:]),
        f"Gateway      {subject}",
        f"Why          {asked.why}{': ' if asked.text else ''}{asked.text}",
        "What the record receipted before stands; what it gets later does not settle, unless it is",
        "vouched for (authority vouch). This cannot be undone.",
    )
    left = [key.fingerprint for key in _before(of, keys[-1], now() // NS)]
    out.say(*(f"Mind         {mark}, which handed over to it, stays believed" for mark in left))
    told: dict[str, object] = {"key": named[0], "keys": named, "gateway": subject, "left": left}
    told |= {"why": asked.why, "text": asked.text}
    if asked.dry_run:
        out.object(told | {"done": False})
        return 0
    if not asked.yes and out.ask("Revoke it? Type yes", "--yes") != "yes":
        raise RefusedError("declined", "not revoked, and nothing changed")
    root = folder.root_signer(asked.authority, asker())
    with folder.writing(asked.authority, root, tai(now())) as authority:
        keys, _ = which(authority, asked.key, now() // NS)
        if [key.fingerprint for key in keys] != named:
            raise RefusedError("changed", "the book has changed meanwhile; look again")
        lines = [
            authority.enter(
                Revoked(bytes.fromhex(mark), _WORDS[asked.why], asked.text), tai(now()), root
            )
            for mark in named
        ]
    numbers = [line.entry.number for line in lines]
    entered = "Entry" if len(lines) == 1 else "Entries"
    told_in = f"{entered} {', '.join(map(str, numbers))} of the book."
    out.say("", f"{told_in} Publish it: it rules from the log on.")
    told |= {"done": True, "entry": numbers[0], "entries": numbers, "name": lines[0].name.hex()}
    out.object(told)
    return 0


def which(of: Authority, typed: str, now_s: int) -> tuple[list[PublicKey], str]:
    """The keys that are meant, and their gateway: by a gateway's name the one that has not handed
    over, and those that led to it. Raises RefusedError.
    """
    register = Register(of, now_s)
    found = {
        row.says.key: row.says.subject
        for row in of.rows
        if (typed == row.says.subject and register.successor(row.says.key) is None)
        or (len(typed) >= DIGITS_MIN and row.says.key.fingerprint.startswith(typed.lower()))
    }
    if not found:
        text = f"no gateway and no key of this book is {typed[:80]!r}"
        raise RefusedError("unknown_name", f"{text} ({DIGITS_MIN} digits or more)")
    left = [key for key in found if not register.is_revoked(key)]
    if len(left) > 1:
        shown = ", ".join(key.fingerprint for key in left)
        raise RefusedError("several_keys", f"{typed[:80]!r} has several; name one: {shown}")
    subject = next(iter(found.values()))
    if typed == subject:
        left += [one for key in found for one in _before(of, key, now_s)]
    if not left:
        raise RefusedError("revoked_already", f"{typed[:80]!r} was revoked before")
    return list(dict.fromkeys(left)), subject


def _before(of: Authority, key: PublicKey, now_s: int) -> list[PublicKey]:
    """The keys that led to this one and were not revoked, the latest first."""
    register = Register(of, now_s)
    return [one for one in register.led_to(key) if not register.is_revoked(one)]


def check_text(text: str) -> None:
    """What is signed for good, and for everybody. Raises RefusedError."""
    if len(text) > TEXT_BYTES_MAX or not text.isprintable():
        raise RefusedError("text", f"expected up to {TEXT_BYTES_MAX} printable characters")


def _parser() -> Parser:
    about = "Revokes a device key by its fingerprint, or a gateway's with those before it."
    command = Parser(prog="gridseal-provision authority revoke", description=about,
                     allow_abbrev=False)  # fmt: skip
    add = command.add_argument
    add("key", metavar="FINGERPRINT|GATEWAY", help="the device key; or all of one")
    add("--why", required=True, choices=list(_WORDS), help="what happened to it")
    add("--text", metavar="TEXT", default="", help="more; public, as the book is")
    add_confirmed(command)
    return command


def add_confirmed(command: argparse.ArgumentParser) -> None:
    """What a command takes that asks first."""
    command.add_argument("--yes", action="store_true", help="do not ask")
    add_common(command)
