"""`gridseal-record say`: signs a record that a file drafts, and sends it or writes it to a file."""

import argparse
from pathlib import Path

from evidence import cose
from evidence.code import Matter, Typ
from evidence.joint import registry
from record import draft, sending


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("draft", metavar="FILE", type=Path, help="TOML or JSON: see record/README.md")
    add("--author", metavar="AUTHORITY", help="who says it, where the file does not")
    sending.arguments(parser)


def run(asked: argparse.Namespace) -> int:
    sending.check(asked)
    says = draft.read(asked.draft, asked.author)
    if says.matter == Matter.REGISTRY:  # a draft that was changed after its keys agreed to it
        registry.read(says.body).check_possession()
    payload = says.payload()
    what = f"{says.matter.name.lower()} of {says.author}"
    return sending.sent(asked, Typ.RECORD, payload, what, cose.name(payload))
