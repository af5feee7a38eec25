"""`gridseal-provision`: what technician and authority type.

1. Exit 0: done. 1: something was checked, and is wrong or cannot be told. 2: not done, nothing
   changed, and one line on stderr says what to type instead.
2. With --json the last line of stdout is one JSON object; everything for people goes elsewhere.
3. No private key is ever printed.

A command is a row here and a module with `run(argv, now)`, which is loaded when it is asked for.
"""

import importlib
import os
import sys
import time
from collections.abc import Sequence

from drivers.keystore.uri import KeyStoreError
from evidence.config import ConfigError
from provisioning.argument import Parser, UsageError, check_command
from provisioning.placement import PlacementError
from provisioning.source import RequestError
from provisioning.terminal import printable

DONE, WRONG, REFUSED = 0, 1, 2
# A command, its module, and what it does.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("provisioning.outset", "make all that a first gateway and a first record need"),
    "new": ("provisioning.enrol.new", "make a gateway's folder before an authority knows it"),
    "plan": ("provisioning.plan.command", "check a site plan, or ask for one"),
    "import-scl": ("provisioning.plan.import_scl", "make a site plan from an SCL file"),
    "import-cim": ("provisioning.plan.import_cim", "make a site plan from a CIM model (CGMES)"),
    "diff": ("provisioning.plan.diff", "say what differs from what runs, and what follows"),
    "discover": ("provisioning.discover.command", "find what is there, and propose sources"),
    "enrol": (
        "provisioning.enrol.command",
        "ask an authority for a credential, and take its answer",
    ),
    "rotate": ("provisioning.enrol.rotate", "ask for the next device key"),
    "preflight": (
        "provisioning.preflight.command",
        "check a gateway, its lines and its wiring before it is left alone",
    ),
    "board": ("provisioning.board.command", "flash, pair, check or update a board at a device"),
    "test-mode": ("provisioning.trial", "flag what a source says while it is being tested"),
    "report": ("provisioning.report.command", "make the hand-over report: a PDF, signed"),
    "verify-report": ("provisioning.report.verifying", "say whether a hand-over report holds"),
    "serve": ("provisioning.page.command", "lead through the same steps on a page"),
    "authority": ("provisioning.authority.command", "the utility's side: issue, renew, revoke"),
    "key": ("provisioning.key", "make a key in its store, or show its public half"),
    "show": ("provisioning.credential", "say in words what a credential says"),
    "rollback": ("provisioning.rollback", "undo the last change of a gateway's folder"),
    "support-bundle": ("provisioning.support", "what whoever helps needs, and no secret"),
}
# What a module is missing where the extra was not installed.
EXTRA = frozenset({"aiohttp", "cryptography", "mpremote", "reportlab", "rich", "segno"})


def main(argv: list[str] | None = None) -> int:
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except (UsageError, RequestError, PlacementError, ConfigError, KeyStoreError) as fault:
        print(printable(str(fault)), file=sys.stderr)  # it may quote what somebody else wrote
        return REFUSED
    except ModuleNotFoundError as fault:
        if fault.name not in EXTRA:
            raise
        text = f"needs {fault.name}; install it with: pip install 'gridseal[provisioning]'"
        print(f"gridseal-provision: {text}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("gridseal-provision: stopped; what was not finished was not done", file=sys.stderr)
        return REFUSED
    except BrokenPipeError:  # whoever read it has gone (`| head`): nothing more is said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WRONG
    except SystemExit:  # argparse, after --help
        return DONE


def _run(argv: Sequence[str]) -> int:
    parser, commands = _parsers()
    if not argv:
        parser.print_help(sys.stderr)
        return REFUSED
    check_command(parser, commands, argv)
    if argv[0].startswith("-"):
        parser.parse_args(argv)
        return REFUSED
    module = importlib.import_module(COMMANDS[argv[0]][0])
    done: int = module.run(argv[1:], time.time_ns)
    return done


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    about = "What technician and authority do before a gateway runs, and while it does."
    parser = Parser(prog="gridseal-provision", description=about, allow_abbrev=False)
    several = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands = {
        name: several.add_parser(name, help=text, add_help=False)
        for name, (_, text) in COMMANDS.items()
    }
    return parser, commands


if __name__ == "__main__":
    sys.exit(main())
