"""`authority invite`: a code by which one gateway may ask online, once, without anybody at a desk.

What it allows is said now, and is all that is asked of anybody: so the narrower the better.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from evidence import siteplan
from evidence.credential import ROLES
from evidence.leap import NS
from provisioning.argument import Now, Parser, UsageError, content, only, whole
from provisioning.authority import folder, invitation, link
from provisioning.authority.folder import Authority
from provisioning.authority.invitation import Invitation
from provisioning.authority.issue import add_common
from provisioning.authority.link import Link
from provisioning.authority.refusal import RefusedError
from provisioning.credential import instant
from provisioning.init import check_name
from provisioning.terminal import Terminal

_SPAN = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNIT_S = {"m": 60, "h": 3600, "d": 86_400}
_MRID = re.compile(r"[0-9a-f]{32}")


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `authority invite`."""
    asked = only(_parser(), argv)
    out, now_s = Terminal(asked.json), now() // NS
    check_name("gateway", asked.gateway)
    of = folder.read(asked.authority)
    if not (asked.at or of.file.door):
        raise UsageError("where gateways find the door: say it by --at, or in authority.toml")
    host, port = address(asked.at or of.file.door)
    if asked.role not in of.file.roles:
        known = ", ".join(of.file.roles)
        raise RefusedError(
            "role_not_allowed", f"{asked.role!r} is not granted here; known: {known}"
        )
    wanted = Invitation(
        *("", asked.gateway, asked.role, now_s, now_s + span_s(asked.valid)),
        days=whole("--days", asked.days) if asked.days else of.file.days,
        key=asked.key.lower(),
        buses=tuple(_buses(asked.bus, asked.plan)),
        replace=asked.replace,
    )
    folder.check_days(wanted.days)
    code = link.new_code(os.urandom)
    made = invitation.made(wanted, code)
    certificate = door_certificate(of)
    out.say(*_words(made))
    told = {"gateway": made.gateway, "role": made.role, "until_s": made.until_s, "key": made.key}
    told |= {"buses": list(made.buses), "days": made.days, "replace": made.replace}
    if asked.dry_run:
        out.object(told | {"done": False})
        return 0
    with folder.locked(asked.authority):
        all_ = invitation.read(asked.authority)
        invitation.write(asked.authority, invitation.added(all_, made))
    text = Link(host, port, code, link.fingerprint(certificate)).text()
    out.say("", "To be typed, or scanned, at the gateway; it is shown this once:", f"  {text}")
    out.object(told | {"done": True, "invitation": text})
    return 0


def span_s(text: str) -> int:
    """How long, as it was typed: 30m, 1h, 2d. Raises UsageError."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise UsageError(f"--valid {text[:20]!r}: expected minutes, hours or days, such as 1h")
    return int(found[1]) * _UNIT_S[found[2]]


def address(text: str) -> tuple[str, int]:
    """HOST:PORT, as it was typed. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not host.isascii():
        raise UsageError(f"{text[:80]!r}: expected HOST:PORT, such as 192.0.2.9:8444")
    number = whole("its port", port)
    if number > 65535:
        raise UsageError(f"{text[:80]!r}: its port is over 65535")
    return host.removeprefix("[").removesuffix("]"), number


def door_certificate(of: Authority) -> bytes:
    """The certificate of `authority serve`, in DER. Raises RefusedError."""
    from provisioning.authority import certificate

    if of.file.tls is None:
        raise RefusedError("no_tls", f"{of.folder} makes no certificates: no [tls]")
    return certificate.ders(of.folder / folder.DOOR)[0]


def _buses(typed: Sequence[str], plan: Path | None) -> list[str]:
    """mRIDs, in hex. Raises UsageError, ConfigError."""
    found = [text.replace("-", "").lower() for text in typed]
    wrong = [text for text in found if not _MRID.fullmatch(text)]
    if wrong:
        raise UsageError(f"--bus {wrong[0][:40]!r}: expected the mRID of a bus, a UUID")
    if plan is not None:
        found += [bus.hex() for bus in siteplan.read(content(plan), plan.name).mrids()]
    return list(dict.fromkeys(found))


def _words(made: Invitation) -> list[str]:
    buses = f"{len(made.buses)}, no other" if made.buses else "any that its plan names"
    key = f"{made.key}..., no other" if made.key else "whatever key it shows: first come"
    text = [
        f"Gateway      {made.gateway}, as {made.role}",
        f"Until        {instant(made.until_s)}, for one request",
        f"Device key   {key}",
        f"Buses        {buses}",
        f"Credential   {made.days} days",
    ]
    if made.replace:
        text.append("Mind         it may replace a key that is in force")
    return text


def _parser() -> Parser:
    about = "Gives out a code by which one gateway may ask online, once."
    command = Parser(prog="gridseal-provision authority invite", description=about,
                     allow_abbrev=False)  # fmt: skip
    add = command.add_argument
    add("--gateway", metavar="NAME", required=True, help="who is invited, and nobody else")
    add("--valid", metavar="TIME", default="1h", help="30m, 1h, 2d; default %(default)s")
    told = "where `authority serve` is for the gateway; default: authority.toml's door"
    add("--at", metavar="HOST:PORT", default="", help=told)
    add("--role", metavar="ROLE", default=ROLES[0], help="default %(default)s")
    add("--key", metavar="DIGITS", default="", help="of its device key's fingerprint, 16 or more")
    add("--bus", metavar="MRID", action="append", default=[], help="that it may name; repeat")
    add("--plan", type=Path, metavar="FILE", help="whose buses it may name")
    add("--days", metavar="N", default="", help="of the credential; default: authority.toml's")
    add("--replace", action="store_true", help="though another key of it is in force")
    add_common(command)
    return command
