"""`gridseal-provision`: what technician and authority type.

1. Exit 0: done. 2: not done, nothing changed, and one line on stderr says what to type instead.
2. With --json the last line of stdout is one JSON object; everything for people goes elsewhere.
3. No private key is ever printed.
"""

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from agent import config as agent_config
from drivers.keystore import file as keyfile
from drivers.keystore import private
from drivers.keystore.uri import KeyStoreError
from evidence import anchor, config, siteplan
from evidence.anchor import Authorities
from evidence.config import ConfigError
from evidence.credential import ROLES
from evidence.siteplan import Survey
from provisioning import credential, grant, key, source
from provisioning.argument import Parser, UsageError, check_command, parsed
from provisioning.init import (
    AUTHORITY_KEY,
    GATEWAY,
    PUBLIC_MODE,
    RECORD,
    SITE,
    InitRequest,
    InitResult,
    initialise,
)
from provisioning.placement import PlacementError
from provisioning.source import RequestError

DONE, REFUSED = 0, 2


def main(argv: list[str] | None = None) -> int:
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except (UsageError, RequestError, PlacementError, ConfigError, KeyStoreError) as fault:
        print(fault, file=sys.stderr)
        return REFUSED
    except SystemExit:  # argparse, after --help
        return DONE


def _run(argv: Sequence[str]) -> int:
    parser, commands = _parsers()
    if not argv:
        parser.print_help(sys.stderr)
        return REFUSED
    check_command(parser, commands, argv)
    if argv[0] == "key":  # commands of its own
        return key.run(argv[1:] or ["--help"])
    asked = parsed(parser, commands, argv)
    return {"init": _init, "grant": _grant, "show": _show}[asked.command](asked)


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    about = "Makes what the agent and the record read: keys, credential, configuration."
    parser = Parser(prog="gridseal-provision", description=about, allow_abbrev=False)
    several = parser.add_subparsers(
        dest="command", metavar="init | grant | show | key", required=True
    )
    commands = {
        "init": several.add_parser(
            "init",
            help="make all that a first gateway and a first record need",
            allow_abbrev=False,
        ),
        "grant": several.add_parser(
            "grant",
            help="make the next credential of a gateway, for its site plan as it is now",
            allow_abbrev=False,
        ),
        "show": several.add_parser(
            "show", help="say in words what a credential says", allow_abbrev=False
        ),
        "key": several.add_parser("key", help="make a key in its store, or show its public half"),
    }
    _init_arguments(commands["init"])
    _grant_arguments(commands["grant"])
    show = commands["show"]
    show.add_argument(
        "file", type=Path, metavar="FILE", help="a credential, such as credential.cbor"
    )
    show.add_argument("--anchors", type=Path, metavar="FILE", help="check its signature by these")
    show.add_argument("--json", action="store_true", help="one JSON object instead of words")
    return parser, commands


def _init_arguments(init: Parser) -> None:
    add = init.add_argument
    add("folder", type=Path, metavar="DIR", help="where it goes; nothing in it is overwritten")
    add("--gateway", metavar="NAME", default="gateway-1", help="public; default %(default)s")
    add("--site", metavar="NAME", default="Site 1", help="hidden in what is signed")
    add("--authority", metavar="NAME", default="authority-1", help="public; default %(default)s")
    add(
        "--record-listen", metavar="HOST:PORT", default="127.0.0.1:8443", help="default %(default)s"
    )
    add(
        "--source",
        metavar="URL",
        action="append",
        default=[],
        help="such as 'c37118+tcp://10.0.0.7:4712?idcode=7&name=pmu-a&bus=Bus%%201'; repeat",
    )
    add("--bus", metavar="NAME", action="append", default=[], help="a bus of the site; repeat")
    place = "LAT,LON,ALT,ACC[,METHOD]"
    add("--survey", metavar=place, help="the antenna: degrees, degrees, m, m, and how it was found")
    add("--valid-days", metavar="N", default="365", help="of the credential; default %(default)s")
    add(
        "--role",
        metavar="ROLE",
        default="gateway",
        help=f"{' or '.join(ROLES)} (simulated devices)",
    )
    add("--json", action="store_true", help="one JSON object instead of words")


def _grant_arguments(command: Parser) -> None:
    add = command.add_argument
    add("plan", type=Path, metavar="PLAN", help="the site plan, such as site.toml")
    add("--renew", type=Path, metavar="FILE", required=True, help="the credential that it has")
    add("--authority-key", type=Path, metavar="FILE", required=True, help="that signed that one")
    add("--out", type=Path, metavar="FILE", required=True, help="a new file; never overwritten")
    add("--valid-days", metavar="N", default="365", help="default %(default)s")
    add("--json", action="store_true", help="one JSON object instead of words")


def _init(asked: argparse.Namespace) -> int:
    if asked.role not in ROLES:
        raise UsageError(f"--role {asked.role!r} is {config.nearest(asked.role, list(ROLES))}")
    request = InitRequest(
        folder=asked.folder,
        gateway=asked.gateway,
        site=asked.site,
        authority=asked.authority,
        listen=_listen(asked.record_listen),
        sources=[source.parse(url, number) for number, url in enumerate(asked.source, 1)],
        buses=asked.bus,
        survey=_survey(asked.survey),
        valid_days=_whole("--valid-days", asked.valid_days),
        role=asked.role,
    )
    result = initialise(request, int(time.time()), os.urandom)
    print(json.dumps(_result_json(result)) if asked.json else "\n".join(_result_lines(result)))
    return DONE


def _result_lines(result: InitResult) -> list[str]:
    folder = result.folder
    until = credential.instant(result.expires_s)
    text = [
        f"Made in {folder}: {', '.join(result.files)}",
        "",
        "Fingerprints (SHA-256 of the raw public key)",
        f"  authority  {result.authority.fingerprint}",
        f"  log        {result.log.fingerprint}",
        f"  device     {result.device.fingerprint}",
        f"Credential   valid to {until}; buses: {', '.join(result.buses)}",
        f"Sources      {', '.join(result.sources) or 'none yet'}",
        "",
    ]
    if not result.sources:
        text += [f"Edit first: [[source]] in {folder / GATEWAY} and [[stream]] in {folder / SITE}"]
    text += [
        f"Move {folder / AUTHORITY_KEY} to where the authority signs: a gateway never needs it.",
        "Next:",
        *(f"  {command}" for command in _commands(folder)),
    ]
    return text


def _commands(folder: Path) -> tuple[str, str]:
    """The next two to type."""
    return (
        f"gridseal-record serve --config {shlex.quote(str(folder / RECORD))}",
        f"gridseal-agent run --config {shlex.quote(str(folder / GATEWAY))}",
    )


def _result_json(result: InitResult) -> dict[str, object]:
    return {
        "folder": str(result.folder),
        "files": list(result.files),
        "fingerprints": {
            "authority": result.authority.fingerprint,
            "log": result.log.fingerprint,
            "device": result.device.fingerprint,
        },
        "credential": result.credential.hex(),
        "not_before_s": result.not_before_s,
        "expires_s": result.expires_s,
        "url": result.url,
        "sources": list(result.sources),
        "buses": list(result.buses),
        "next": list(_commands(result.folder)),
    }


def _grant(asked: argparse.Namespace) -> int:
    plan = siteplan.read(_read(asked.plan), asked.plan.name)
    authority = keyfile.read(asked.authority_key)
    made = grant.renewed(
        agent_config.read_credential(asked.renew),
        *(plan, authority, int(time.time())),
        *(_whole("--valid-days", asked.valid_days), os.urandom),
    )
    try:
        private.write_new(asked.out, made.file(authority), PUBLIC_MODE)
        private.sync_folder(asked.out.resolve().parent)
    except FileExistsError as fault:
        text = "is there already, and is not overwritten; name another file"
        raise PlacementError(f"{asked.out} {text}") from fault
    except OSError as fault:
        raise PlacementError(f"{asked.out}: {fault.strerror}") from fault
    authorities = anchor.by_kid([anchor.Authority(made.says.issuer, authority.public)])
    shown = credential.read(agent_config.read_credential(asked.out), authorities)
    now_s = int(time.time())
    if asked.json:
        print(json.dumps(_shown_json(shown, now_s)))
    else:
        print("\n".join([*credential.lines(shown, now_s), "", *_next(asked)]))
    return DONE


def _next(asked: argparse.Namespace) -> list[str]:
    return [
        f"Made {asked.out}. Put it where gateway.toml says (credential), beside this very plan,",
        "and start the agent again; `gridseal-agent check` says whether both agree.",
    ]


def _read(path: Path) -> str:
    """Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as fault:
        raise ConfigError(str(path), "", f"cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise ConfigError(str(path), "", "is not UTF-8 text") from fault


def _show(asked: argparse.Namespace) -> int:
    anchors = None if asked.anchors is None else _authorities(asked.anchors)
    shown = credential.read(agent_config.read_credential(asked.file), anchors)
    now_s = int(time.time())
    if asked.json:
        print(json.dumps(_shown_json(shown, now_s)))
    else:
        print("\n".join(credential.lines(shown, now_s)))
    return DONE


def _shown_json(shown: credential.Shown, now_s: int) -> dict[str, object]:
    says = shown.says
    return {
        "issuer": says.issuer,
        "signed_by": shown.kid.hex(),
        "signature_good": shown.signed,
        "subject": says.subject,
        "role": says.role,
        "fingerprint": says.key.fingerprint,
        "not_before_s": says.not_before_s,
        "expires_s": says.expires_s,
        "validity": credential.validity(says, now_s),
        "site": shown.site,
        "position": None if shown.position is None else list(shown.position[:4]),
        "buses": [str(UUID(bytes=bus)) for bus in says.buses],
        "terminals": [
            {"terminal": str(UUID(bytes=one.terminal)), "bus": str(UUID(bytes=one.node))}
            | {"direction": one.direction}
            for one in says.terminals
        ],
        "names": {str(UUID(bytes=bus)): names for bus, names in shown.names.items()},
        "name": shown.name.hex(),
    }


def _authorities(path: Path) -> Authorities:
    """The authorities of an anchors.toml. Raises ConfigError."""
    return anchor.read(_read(path), str(path)).authorities


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise UsageError(f"--record-listen {text!r}: expected HOST:PORT, such as 127.0.0.1:8443")
    return host.removeprefix("[").removesuffix("]"), _whole("--record-listen, its port:", port)


def _survey(text: str | None) -> Survey | None:
    if text is None:
        return None
    numbers, method = text.split(",")[:4], ",".join(text.split(",")[4:])
    try:
        latitude, longitude, altitude, accuracy = map(float, numbers)
    except ValueError as fault:
        expected = (
            "expected LATITUDE,LONGITUDE,ALTITUDE_M,ACCURACY_M, such as 52.5163,13.3777,79,0.5"
        )
        raise UsageError(f"--survey {text!r}: {expected}") from fault
    return Survey(latitude, longitude, altitude, accuracy, method.strip())


def _whole(what: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise UsageError(f"{what} {text!r}: expected a whole number")
    return int(text)
