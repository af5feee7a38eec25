"""`gridseal-provision enrol`, as it is typed: request, accept, online.

Nothing is written before all was checked. What is checked is provisioning.enrol.answer's, what is
written provisioning.enrol.acceptance's.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from drivers.keystore import uri as keystore
from evidence.credential import ROLES
from provisioning import change, credential
from provisioning.argument import Now, Parser, UsageError, check_command, parsed
from provisioning.enrol import acceptance, answer, handing, parcel, pending, request
from provisioning.enrol.answer import FINGERPRINT_DIGITS_MIN, Judged
from provisioning.enrol.pending import Pending
from provisioning.enrol.request import Place
from provisioning.key import asker
from provisioning.placement import SystemDisk
from provisioning.source import RequestError
from provisioning.terminal import Terminal

PROG = "gridseal-provision enrol"
_LINE_MAX = 4096  # of an invitation that comes by a pipe; it has some 100 characters


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `enrol`. Raises UsageError, RequestError, PlacementError, ConfigError,
    KeyStoreError.
    """
    parser, commands = _parsers()
    argv = argv or ["--help"]
    check_command(parser, commands, argv)
    asked = parsed(parser, commands, argv)
    out = Terminal(asked.json)
    steps = {"request": _request, "accept": _accept, "online": _online}
    return steps[asked.command](asked, out, now())


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    about = "Asks an authority for a gateway's credential, and takes its answer."
    parser = Parser(prog=PROG, description=about, allow_abbrev=False)
    metavar = "request | accept | online"
    several = parser.add_subparsers(dest="command", metavar=metavar, required=True)
    commands = {}
    for name, text in (
        ("request", "make a request for a stick or a camera; the newest counts"),
        ("accept", "take the answer to it, from a file or the text of scanned QR codes"),
        ("online", "ask an authority's server, by its invitation"),
    ):
        command = several.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.add_argument("folder", type=Path, metavar="DIR", help="the gateway's folder")
        commands[name] = command
    handing.add_options(commands["request"])
    told = f"{' or '.join(ROLES)}; default: bench where all sources are simulated"
    for name in ("request", "online"):
        commands[name].add_argument("--role", metavar="ROLE", default="", help=told)
    add = commands["accept"].add_argument
    add("answer", type=Path, metavar="ANSWER", help="the file, or the text that was scanned")
    add = commands["online"].add_argument
    told = "the one string that the authority handed over; -: asked for, or read from stdin, where"
    add("invitation", metavar="INVITATION", help=f"{told} a list of processes shows no code")
    for name in ("accept", "online"):
        told = "of the authority's key, compared by another way, such as by telephone"
        commands[name].add_argument("--fingerprint", metavar="HEX", default="", help=told)
    for command in commands.values():
        command.add_argument("--dry-run", action="store_true", help="write nothing, and show it")
        command.add_argument("--json", action="store_true", help="one JSON object, no words")
    return parser, commands


def _request(asked: argparse.Namespace, out: Terminal, now_ns: int) -> int:
    place = request.place(asked.folder)
    handing.say_earlier(out, asked.folder, now_ns)
    made = request.asked(place, _role(asked), now_ns, os.urandom, asker())
    handing.hand_over(asked, out, made)
    return 0


def _accept(asked: argparse.Namespace, out: Terminal, now_ns: int) -> int:
    place = request.place(asked.folder)
    data = parcel.from_file(asked.answer)

    def vouch(claimed: str) -> str:
        where = "--fingerprint HEX"
        told = f"fingerprint of the authority's key, as it reads it out ({FINGERPRINT_DIGITS_MIN}+)"
        return str(asked.fingerprint) or out.ask(f"The {told}", where)

    waits = pending.read(asked.folder)
    found = answer.judged(place, waits, data, vouch, now_ns, asker())
    _take(asked, out, place, waits, found, now_ns)
    return 0


def _online(asked: argparse.Namespace, out: Terminal, now_ns: int) -> int:
    from provisioning.authority import link
    from provisioning.enrol import online

    place, ask = request.place(asked.folder), asker()
    to = link.read(_invitation(asked.invitation, out))
    waits = pending.read(asked.folder)
    if waits is None or not request.current(place, waits, _role(asked), now_ns):
        waits = request.asked(place, _role(asked), now_ns, os.urandom, ask)
    if asked.dry_run:
        out.say(f"Would ask {to.host}:{to.port} by the request {waits.name.hex()[:16]}")
        out.object({"done": False, "request": waits.name.hex(), "server": f"{to.host}:{to.port}"})
        return 0
    # Kept first: where an answer is lost on the way, the same request is given it again.
    pending.keep(asked.folder, waits, SystemDisk())
    data = online.fetched(to, waits.encoded)

    def vouch(claimed: str) -> str:
        """Who invited named the server, and so whose answer this is."""
        return asked.fingerprint or claimed

    found = answer.judged(place, waits, data, vouch, now_ns, ask)
    _take(asked, out, place, waits, found, now_ns)
    return 0


def _invitation(typed: str, out: Terminal) -> str:
    """As it was typed; or asked for, or read from a pipe."""
    if typed != "-":
        return typed
    if sys.stdin.isatty():
        return out.ask("The invitation", "INVITATION")
    try:
        return sys.stdin.readline(_LINE_MAX).strip()
    except UnicodeDecodeError:
        return ""


def _take(
    asked: argparse.Namespace,
    out: Terminal,
    place: Place,
    waits: Pending | None,
    found: Judged,
    now_ns: int,
) -> None:
    if waits is None:
        raise RequestError("no request waits here")
    done = not asked.dry_run
    if acceptance.holds(place, waits, found):
        out.say("This answer holds here already: nothing was left to do but to say so.")
        if done:
            pending.forget(asked.folder, SystemDisk())
    else:
        made = acceptance.change_of(place, waits, found, now_ns)
        if done:
            acceptance.apply(asked.folder, made)
            out.say(f"Done: {made.what}")
        else:
            out.say(*change.preview(asked.folder, made))
    out.say(*_lines(asked, place, waits, found))
    out.object(_told(waits, found, done))


def _lines(asked: argparse.Namespace, place: Place, waits: Pending, found: Judged) -> list[str]:
    says, by = found.held.says, found.authority
    lines = [
        f"Authority    {by.name} {by.key.fingerprint}",
        f"Device key   {keystore.shown(waits.uri)} {says.key.fingerprint[:16]}",
        f"To           {credential.instant(says.expires_s)}",
    ]
    own, told = place.sketch.file.record.url, found.answer.url
    if own and told and own != told:
        lines.append(f"Record       gateway.toml keeps {own}; the authority names {told}")
    if not own and not told:
        lines.append("Record       nobody said where it is: write url under [record] first")
    if found.answer.certificates == () and waits.request.tls is not None:
        lines.append(
            "TLS          the authority made no certificate for this gateway's connections"
        )
    folder = shlex.quote(str(asked.folder / request.GATEWAY))
    if asked.dry_run:
        return lines
    return [
        *lines,
        "Start the agent again; until then it goes on as before. Next:",
        f"  gridseal-agent check --config {folder}",
    ]


def _told(waits: Pending, found: Judged, done: bool) -> dict[str, object]:
    says = found.held.says
    return {
        "done": done,
        "credential": found.held.name.hex(),
        "authority": found.authority.name,
        "authority_fingerprint": found.authority.key.fingerprint,
        "fingerprint": says.key.fingerprint,
        "key": keystore.shown(waits.uri),
        "expires_s": says.expires_s,
        "rotated": waits.request.rotation is not None,
    }


def _role(asked: argparse.Namespace) -> str:
    if asked.role and asked.role not in ROLES:
        raise UsageError(f"--role {asked.role!r}: expected {' or '.join(ROLES)}")
    return str(asked.role)
