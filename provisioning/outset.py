"""`gridseal-provision init`, as it is typed: all that a first gateway and a first record need.

What is made of it is provisioning.init's. No private key is printed.
"""

import argparse
import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from evidence import config
from evidence.credential import ROLES
from evidence.leap import NS
from evidence.siteplan import Survey
from provisioning import credential, source
from provisioning.argument import Now, Parser, UsageError, only, whole
from provisioning.init import (
    ANCHORS,
    AUTHORITY_FILES,
    GATEWAY,
    RECORD,
    SITE,
    InitRequest,
    InitResult,
    initialise,
)


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `init`. Raises UsageError, RequestError, PlacementError, ConfigError."""
    return _init(only(_parser(), argv), now() // NS)


def _parser() -> Parser:
    about = "Makes all that a first gateway and a first record on one machine need."
    init = Parser(prog="gridseal-provision init", description=about, allow_abbrev=False)
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
    return init


def _init(asked: argparse.Namespace, now_s: int) -> int:
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
        valid_days=whole("--valid-days", asked.valid_days),
        role=asked.role,
    )
    result = initialise(request, now_s, os.urandom)
    print(json.dumps(_result_json(result)) if asked.json else "\n".join(_result_lines(result)))
    return 0


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
        f"Move {', '.join(AUTHORITY_FILES)}, with a copy of {ANCHORS},",
        "to where the authority signs: a gateway never needs them.",
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


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise UsageError(f"--record-listen {text!r}: expected HOST:PORT, such as 127.0.0.1:8443")
    return host.removeprefix("[").removesuffix("]"), whole("--record-listen, its port:", port)


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
