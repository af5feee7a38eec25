"""`gridseal-provision grant`, as it is typed: the next credential of a gateway, for its site
plan as it is now.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from agent import config as agent_config
from drivers.keystore import file as keyfile
from drivers.keystore import private
from evidence import anchor, siteplan
from evidence.leap import NS
from provisioning import credential, grant
from provisioning.argument import Now, Parser, content, only, whole
from provisioning.init import PUBLIC_MODE
from provisioning.placement import PlacementError


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `grant`. Raises UsageError, RequestError, PlacementError, ConfigError,
    KeyStoreError.
    """
    return _grant(only(_parser(), argv), now() // NS)


def _parser() -> Parser:
    about = "Makes the next credential of a gateway, for its site plan as it is now."
    command = Parser(prog="gridseal-provision grant", description=about, allow_abbrev=False)
    add = command.add_argument
    add("plan", type=Path, metavar="PLAN", help="the site plan, such as site.toml")
    add("--renew", type=Path, metavar="FILE", required=True, help="the credential that it has")
    add("--authority-key", type=Path, metavar="FILE", required=True, help="that signed that one")
    add("--out", type=Path, metavar="FILE", required=True, help="a new file; never overwritten")
    add("--valid-days", metavar="N", default="365", help="default %(default)s")
    add("--json", action="store_true", help="one JSON object instead of words")
    return command


def _grant(asked: argparse.Namespace, now_s: int) -> int:
    plan = siteplan.read(content(asked.plan), asked.plan.name)
    authority = keyfile.read(asked.authority_key)
    made = grant.renewed(
        agent_config.read_credential(asked.renew),
        *(plan, authority, now_s),
        *(whole("--valid-days", asked.valid_days), os.urandom),
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
    if asked.json:
        print(json.dumps(credential.told(shown, now_s)))
    else:
        print("\n".join([*credential.lines(shown, now_s), "", *_next(asked)]))
    return 0


def _next(asked: argparse.Namespace) -> list[str]:
    return [
        f"Made {asked.out}. Put it where gateway.toml says (credential), beside this very plan,",
        "and start the agent again; `gridseal-agent check` says whether both agree.",
    ]
