"""`gridseal-provision new`, as it is typed: a gateway's folder before any authority knows it.

What is made is provisioning.enrol.founding's. What was not said is asked, three questions at most.
"""

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from drivers.keystore import uri
from evidence.credential import ROLES
from provisioning import source
from provisioning.argument import Now, Parser, UsageError, only
from provisioning.enrol import founding
from provisioning.enrol.founding import Founded, Wanted
from provisioning.key import asker
from provisioning.terminal import Terminal

_KEY = "file:device.key"


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `new`. Raises UsageError, RequestError, PlacementError, ConfigError,
    KeyStoreError.
    """
    asked = only(_parser(), argv)
    out = Terminal(asked.json)
    wanted = _wanted(asked, out)
    if asked.dry_run:
        out.say(*_preview(wanted))
        out.object({"done": False, "folder": str(wanted.folder), "key": uri.shown(wanted.key)})
        return 0
    made = founding.found(wanted, os.urandom, asker())
    out.say(*_lines(wanted, made))
    out.object(
        {
            "done": True,
            "folder": str(wanted.folder),
            "files": list(made.files),
            "key": uri.shown(wanted.key),
            "fingerprint": made.device.fingerprint,
            "next": _next(wanted),
        }
    )
    return 0


def _parser() -> Parser:
    about = "Makes a gateway's folder, with a key of its own, before any authority knows it."
    parser = Parser(prog="gridseal-provision new", description=about, allow_abbrev=False)
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="where it goes; nothing in it is overwritten")
    add("--gateway", metavar="NAME", help="public")
    add("--key", metavar="URI", default=_KEY, help="of the device; default %(default)s")
    add(founding.FOUND_AGAIN, action="store_true", help="the key is there, and is this gateway's")
    add("--plan", type=Path, metavar="FILE", help="the site plan, such as site.toml")
    add("--site", metavar="NAME", help="where there is no plan; hidden in what is signed")
    add("--bus", metavar="NAME", action="append", default=[], help="likewise; repeat")
    told = "such as 'c37118+tcp://10.0.0.7:4712?idcode=7&name=pmu-a&bus=Bus%%201'; repeat"
    add("--source", metavar="URL", action="append", default=[], help=told)
    add("--record", metavar="URL", default="", help="where the authority's answer does not say it")
    add(
        "--anchors",
        type=Path,
        metavar="FILE",
        help="whom to believe: anchors.toml of the authority",
    )
    add(
        "--role",
        metavar="ROLE",
        default="gateway",
        help=f"{' or '.join(ROLES)} (simulated devices)",
    )
    add("--dry-run", action="store_true", help="show what would be made, and make nothing")
    add("--json", action="store_true", help="one JSON object instead of words")
    return parser


def _wanted(asked: argparse.Namespace, out: Terminal) -> Wanted:
    if asked.role not in ROLES:
        raise UsageError(f"--role {asked.role!r}: expected {' or '.join(ROLES)}")
    sources = [source.parse(url, number) for number, url in enumerate(asked.source, 1)]
    gateway = asked.gateway or out.ask("Name of this gateway", "--gateway NAME")
    plan = founding.text_of(asked.plan, "site plan") if asked.plan else None
    site, buses = asked.site or "", list(asked.bus)
    if plan is None:
        site = site or out.ask("Name of the site", "--site NAME, or --plan FILE")
        if not buses and not any(one.bus for one in sources):
            buses = [out.ask("Name of its bus", "--bus NAME", "Bus 1")]
    anchors = founding.text_of(asked.anchors, "anchors") if asked.anchors else None
    return Wanted(
        *(asked.folder, gateway, asked.key, plan, site, buses, sources, asked.record, anchors),
        *(asked.role == "bench", asked.existing_key),
    )


def _preview(wanted: Wanted) -> list[str]:
    return [
        f"Would make {wanted.folder} of gateway {wanted.gateway!r}, with:",
        f"  a device key at {uri.shown(wanted.key)}",
        "  tls.key, site.toml, gateway.toml" + (", anchors.toml" if wanted.anchors else ""),
    ]


def _lines(wanted: Wanted, made: Founded) -> list[str]:
    return [
        f"Made in {wanted.folder}: {', '.join(made.files)}",
        f"Device key   {uri.shown(wanted.key)}",
        f"Fingerprint  {made.device.fingerprint} (SHA-256 of the raw public key)",
        f"Sources      {', '.join(one.name for one in wanted.sources) or 'none yet'}",
        "Next: see that site.toml says what stands where, then",
        f"  {_next(wanted)}",
    ]


def _next(wanted: Wanted) -> str:
    return f"gridseal-provision enrol request {shlex.quote(str(wanted.folder))}"
