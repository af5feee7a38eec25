"""`gridseal-record`: the record as people and scripts start it.

1. Exit 0: done; 1: what was checked does not hold; 2: cannot be done as asked; 3: verify was given
   no trust anchors; 130: Ctrl-C.
2. What goes wrong is one line that says what to mend; never a traceback for a file or an argument,
   nor for who reads only its first lines.

A command is a row here and a module with `arguments(parser)` and `run(asked)`, which is loaded when
it is asked for; `asked.now()` is the machine's clock.
"""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from drivers.keystore.uri import KeyStoreError
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError
from record.absence import NotFoundError
from record.database import StoreError

CANNOT = 2
INTERRUPTED = 130  # as a shell has it: 128 + SIGINT
NAME = "gridseal-record"
# A command, its module, and what it does.
COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("record.command.serve", "take batches and statements, give receipts"),
    "show": ("record.command.show", "what a record holds"),
    "say": ("record.command.say", "sign a record that others share, and send it"),
    "countersign": ("record.command.countersign", "assent to another's record, or dissent"),
    "possess": ("record.command.possess", "a new key agrees to a draft that lists it"),
    "settle": ("record.command.settle", "what two sides of a seam come to"),
    "records": ("record.command.records", "what authorities said, who signed it, who did not"),
    "verify": ("record.command.verify", "check a record, an export, a proof or a bundle, offline"),
    "reconstruct": ("record.command.reconstruct", "write a bundle that proves itself"),
    "verifier": ("record.command.verifier", "write the lone verifier of bundles"),
    "prove": ("record.command.prove", "one sample with all that it takes to believe it"),
    "cose": ("record.command.cose", "an entry with a COSE Receipt (RFC 9942)"),
    "witness": ("record.command.witness", "cosign checkpoints of other logs"),
    "evaluate": ("record.command.evaluate", "what a condition comes to, or again what was said"),
    "lineage": ("record.command.lineage", "what a decision rests on, down to observations"),
    "mirror": ("record.command.mirror", "keep a full copy of a log, serve and cosign it"),
}
_CANNOT = (ConfigError, EvidenceError, KeyStoreError, NotFoundError, StoreError, OSError)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    typed = sys.argv[1:] if argv is None else argv
    try:
        asked = _parser(typed).parse_args(typed)
        status: int = asked.run(asked)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has gone; nothing more is said, and not by the interpreter's end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _CANNOT as fault:
        print(f"{NAME}: {fault}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def now() -> int:
    """The machine's clock, ns TAI."""
    second, ns = divmod(time.time_ns(), NS)
    return BUILT_IN.tai_ns(second, ns)


class _Parser(argparse.ArgumentParser):
    """One whose complaints are one line, without all that might have been typed instead."""

    def error(self, message: str) -> NoReturn:
        self.exit(CANNOT, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser(typed: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(NAME, description="The record that several utilities share.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (place, what) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what)
        if typed and typed[0] == name:
            module = importlib.import_module(place)
            module.arguments(command)
            command.set_defaults(run=module.run, now=now)
    return parser


if __name__ == "__main__":
    sys.exit(main())
