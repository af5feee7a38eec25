"""`authority revoke`: a device key is not to be believed any more, from this entry's place in the
record's log on. It rules there once it is published.
"""

import argparse
from collections.abc import Sequence

from evidence.book import Revoked
from evidence.code import Revocation
from evidence.key import PublicKey
from evidence.leap import NS
from evidence.shape import TEXT_BYTES_MAX
from provisioning.argument import Now, Parser, only
from provisioning.authority import folder
from provisioning.authority.folder import Authority
from provisioning.authority.issue import add_common, tai
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
    key, subject = which(of, asked.key, now() // NS)
    out.say(
        f"Key          {key.fingerprint}",
        f"Gateway      {subject}",
        f"Why          {asked.why}{': ' if asked.text else ''}{asked.text}",
        "What the record receipted before stands; what it gets later does not settle, unless it is",
        "vouched for (authority vouch). This cannot be undone.",
    )
    told = {"key": key.fingerprint, "gateway": subject, "why": asked.why, "text": asked.text}
    if asked.dry_run:
        out.object(told | {"done": False})
        return 0
    if not asked.yes and out.ask("Revoke it? Type yes", "--yes") != "yes":
        raise RefusedError("declined", "not revoked, and nothing changed")
    root = folder.root_signer(asked.authority, asker())
    with folder.writing(asked.authority, root, tai(now())) as authority:
        key, _ = which(authority, key.fingerprint, now() // NS)
        what = Revoked(bytes.fromhex(key.fingerprint), _WORDS[asked.why], asked.text)
        line = authority.enter(what, tai(now()), root)
    out.say("", f"Entry {line.entry.number} of the book. Publish it: it rules from the log on.")
    out.object(told | {"done": True, "entry": line.entry.number, "name": line.name.hex()})
    return 0


def which(of: Authority, typed: str, now_s: int) -> tuple[PublicKey, str]:
    """The key that is meant, and its gateway: by a gateway's name the one that has not handed
    over. Raises RefusedError.
    """
    register = Register(of, now_s)
    found = {
        row.says.key: row.says.subject
        for row in of.rows
        if (typed == row.says.subject and register.successor(row.says.key) is None)
        or (len(typed) >= DIGITS_MIN and row.says.key.fingerprint.startswith(typed.lower()))
    }
    left = {key: subject for key, subject in found.items() if not register.is_revoked(key)}
    if not found:
        text = f"no gateway and no key of this book is {typed[:80]!r}"
        raise RefusedError("unknown_name", f"{text} ({DIGITS_MIN} digits or more)")
    if not left:
        raise RefusedError("revoked_already", f"{typed[:80]!r} was revoked before")
    if len(left) > 1:
        shown = ", ".join(key.fingerprint for key in left)
        raise RefusedError("several_keys", f"{typed[:80]!r} has several; name one: {shown}")
    return next(iter(left.items()))


def check_text(text: str) -> None:
    """What is signed for good, and for everybody. Raises RefusedError."""
    if len(text) > TEXT_BYTES_MAX or not text.isprintable():
        raise RefusedError("text", f"expected up to {TEXT_BYTES_MAX} printable characters")


def _parser() -> Parser:
    about = "Revokes a device key: by its fingerprint, or of the gateway that has one."
    command = Parser(prog="gridseal-provision authority revoke", description=about,
                     allow_abbrev=False)  # fmt: skip
    add = command.add_argument
    add("key", metavar="FINGERPRINT|GATEWAY", help="the device key")
    add("--why", required=True, choices=list(_WORDS), help="what happened to it")
    add("--text", metavar="TEXT", default="", help="more; public, as the book is")
    add_confirmed(command)
    return command


def add_confirmed(command: argparse.ArgumentParser) -> None:
    """What a command takes that asks first."""
    command.add_argument("--yes", action="store_true", help="do not ask")
    add_common(command)
