"""`gridseal-record possess`: a new key agrees to be listed as a draft says."""

import argparse
import getpass
import sys
from pathlib import Path

from drivers.keystore.uri import open_signer
from evidence.code import Matter
from evidence.config import ConfigError
from evidence.joint import registry
from record import draft


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("draft", metavar="FILE", type=Path, help="of a registry record: see record/README.md")
    add("--key", metavar="URI", required=True, help="the key that is listed, as file:next.key")


def run(asked: argparse.Namespace) -> int:
    """Prints the line for the key's own table of the draft. What else the draft lists is part of
    what is signed: whoever changes it then asks the key again."""
    says = draft.read(asked.draft, "whoever says it")
    if says.matter != Matter.REGISTRY:
        text = f"found {says.matter.name.lower()}; expected registry: others list no keys"
        raise ConfigError(str(asked.draft), "matter", text)
    listing = registry.read(says.body)
    ask = getpass.getpass if sys.stdin.isatty() else None
    signer = open_signer(asked.key, Path(), ask)
    if not any(key.public == signer.public for key in listing.keys):
        text = f"none is {signer.public.raw.hex()}, the key that --key names"
        raise ConfigError(str(asked.draft), "registry.key", text)
    for key in listing.proved(signer).keys:
        if key.public == signer.public and key.possession is not None:
            print(f'possession = "{key.possession.hex()}"')
    return 0
