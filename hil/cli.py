"""`gridseal-hil`: demo, provision, run, places, replay, sim, faults, fuzz, bench.

1. Exit 0: it holds. 1: it was done and does not hold, with a reason a line. 2: told something
   wrong, or a file that cannot be read, in one line that says what to type instead.
2. With --json the last line of stdout is one JSON object.
3. A command loads what it needs, and no other's libraries.

It measures and judges nothing itself.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from hil import option
from hil.bench import command as benches
from hil.option import JOBS_MAX, PORT_MAX, RUNS_MAX
from provisioning.argument import Parser, UsageError, check_command, parsed

WRONG = 2
INTERRUPTED = 130  # as a shell has it: 128 + SIGINT


class _Parser(Parser):
    """Says where help is, too."""

    def error(self, message: str) -> NoReturn:
        super().error(f"{message}; see {self.prog} --help")


def main(argv: list[str] | None = None) -> int:
    """The program. Returns its exit code."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except UsageError as fault:
        print(fault, file=sys.stderr)
        return WRONG
    except SystemExit:  # argparse, after --help
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone; nothing more is said, and not by the interpreter's end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(argv: Sequence[str]) -> int:
    parser, commands = _parsers()
    if not argv:
        parser.print_help(sys.stderr)
        return WRONG
    check_command(parser, commands, argv)
    if argv[0] == "bench" and len(argv) > 1 and not argv[1].startswith("-"):
        benches.check(argv[1])
    asked = parsed(parser, commands, argv)
    return COMMANDS[asked.command].run(asked)


def _parsers() -> tuple[_Parser, dict[str, _Parser]]:
    about = "The bench: simulated devices, captures, measurements."
    parser = _Parser(prog="gridseal-hil", description=about, allow_abbrev=False)
    several = parser.add_subparsers(dest="command", metavar=" | ".join(COMMANDS), required=True)
    commands = {}
    for name, (text, add_options, _) in COMMANDS.items():
        made = several.add_parser(name, help=text, description=text, allow_abbrev=False)
        add_options(made)
        made.add_argument("--json", action="store_true", help="last line: one JSON object")
        commands[name] = made
    return parser, commands


# --- each command: what may be typed behind it, and what that runs


def _demo_options(demo: Parser) -> None:
    port = option.number(0, PORT_MAX)
    option.add_seconds(demo, "default: until Ctrl-C")
    demo.add_argument("--port", type=port, default=0, metavar="N", help="of the page; else any")
    _keep(demo)


def _keep(parser: Parser) -> None:
    told = "make everything here, and leave it"
    parser.add_argument("--keep", type=Path, metavar="DIR", help=told)


def _demo(asked: Namespace) -> int:
    from hil.demo import command

    return command.main(asked.seconds, asked.json, asked.keep, asked.port)


def _provision(asked: Namespace) -> int:
    from hil import provision

    return provision.main(asked.json, asked.keep)


def _run_options(run: Parser) -> None:
    run.epilog = "Scenarios: hil/scenarios/*.toml, by name; or a file of your own, NAME.toml."
    run.add_argument("names", metavar="SCENARIO", nargs="+", help="by name, or its file")
    run.add_argument(
        "--place", default="fake", metavar="NAME", help="where; of hil/places, or a file, NAME.toml"
    )
    run.add_argument(
        "--short", action="store_true", help="shorten the stretches in which nothing happens"
    )
    part = "of one in simulated time: from there on; an instant such as 2021-02-15T01:00-06:00"
    run.add_argument("--from", dest="begins", metavar="INSTANT", help=part)
    run.add_argument("--to", dest="ends", metavar="INSTANT", help="and until there")
    run.add_argument(
        "--report", type=Path, metavar="DIR", help="leave it there; default: a folder of its own"
    )
    run.add_argument(
        "--jobs", type=option.number(1, JOBS_MAX), default=1, metavar="N", help="so many at once"
    )


def _play(asked: Namespace) -> int:
    from hil.live import command

    how = (asked.place, asked.report, asked.short, asked.begins, asked.ends, asked.json)
    return command.main(command.Asked(asked.names, *how, asked.jobs))


def _places_options(places: Parser) -> None:
    places.add_argument("place", nargs="?", metavar="NAME", help="one, or its file; else all")


def _places(asked: Namespace) -> int:
    from hil.live import listing

    return listing.main(asked.place, asked.json)


def _replay_options(replay: Parser) -> None:
    replay.add_argument("file", type=Path, metavar="FILE", help="pcap, pcapng, hex text, bytes")


def _replay(asked: Namespace) -> int:
    from hil.replay import command

    return command.main(asked.file, asked.json)


def _sim_options(sim: Parser) -> None:
    sim.epilog = (
        "A run that fails is named by its seed. --seed alone makes that run again and tells what"
        " happens in it, step by step."
    )
    one_of = f"1 to {RUNS_MAX:,}"
    sim.add_argument(
        "--runs",
        type=option.number(1, RUNS_MAX),
        metavar="N",
        help=f"seeded runs, {one_of}; default: 300",
    )
    sim.add_argument(
        "--seed", type=option.seed, metavar="N", help="of the first run; alone: that run only, told"
    )
    sim.add_argument(
        "--crash-points", action="store_true", help="pull the power at every disk call of a trace"
    )
    sim.add_argument(
        "--week", action="store_true", help="a week without the record: memory must not grow"
    )
    sim.add_argument(
        "--jobs",
        type=option.number(1, JOBS_MAX),
        default=1,
        metavar="N",
        help="cores to share it; default: 1",
    )


def _sim(asked: Namespace) -> int:
    from hil.sim import series

    how = (asked.crash_points, asked.week, asked.jobs, asked.json)
    return series.main(asked.runs, asked.seed, *how)


def _faults_options(faults: Parser) -> None:
    faults.add_argument("--only", metavar="NAME,...", help="these, and not all")
    faults.add_argument("--seed", type=option.seed, metavar="N", help="of when they strike")
    faults.add_argument("--keep", type=Path, metavar="DIR", help="a folder a fault, left there")


def _faults(asked: Namespace) -> int:
    from hil.faults import command
    from hil.faults.table import FAULTS

    names = option.chosen("faults", asked.only, FAULTS)
    seed = int.from_bytes(os.urandom(4)) if asked.seed is None else asked.seed
    chosen = [FAULTS[name] for name in names]
    return command.main(chosen, asked.json, seed, asked.keep)


def _fuzz_options(fuzz: Parser) -> None:
    fuzz.epilog = (
        "What fails is told with its number and its bytes: --seed and --cases 1 make it again."
    )
    fuzz.add_argument(
        "--cases",
        type=option.number(1, RUNS_MAX),
        metavar="N",
        help=f"of each, 1 to {RUNS_MAX:,}; default: 2,000",
    )
    fuzz.add_argument("--only", metavar="NAME,...", help="these, and not all")
    fuzz.add_argument("--seed", type=option.seed, default=0, metavar="N", help="of the first case")
    fuzz.add_argument(
        "--from", type=Path, action="append", default=[], dest="paths", metavar="PATH",
        help="captures, vectors and files to begin with, or a folder of them; may be repeated",
    )  # fmt: skip


def _fuzz(asked: Namespace) -> int:
    from hil.fuzz import command

    names = option.chosen("fuzz", asked.only, command.TARGETS)
    try:
        return command.main(asked.cases, names, asked.seed, asked.paths, asked.json)
    except OSError as fault:
        raise UsageError(f"gridseal-hil fuzz: --from: {fault}") from fault


class _Command(NamedTuple):
    about: str
    add_options: Callable[[Parser], None]
    run: Callable[[Namespace], int]


COMMANDS = {
    "demo": _Command(
        "two utilities, their tie and one record, with a page to look at, until Ctrl-C",
        *(_demo_options, _demo),
    ),
    "provision": _Command(
        "a gateway from nothing to its first receipted sample, as it is typed",
        *(_keep, _provision),
    ),
    "run": _Command(
        "play scenarios, live at a place or in simulated time, and judge what came of them",
        *(_run_options, _play),
    ),
    "places": _Command(
        "what a place has, and which scenarios can be played there",
        *(_places_options, _places),
    ),
    "replay": _Command(
        "seal and admit what a capture holds of our protocols, and compare",
        *(_replay_options, _replay),
    ),
    "sim": _Command(
        "a gateway over a disk, a wire and clocks that fail: nothing may be lost",
        *(_sim_options, _sim),
    ),
    "faults": _Command(
        "make faults around real programs, and account for every frame",
        *(_faults_options, _faults),
    ),
    "fuzz": _Command(
        "bytes that no device would send: each is refused by name, at little cost",
        *(_fuzz_options, _fuzz),
    ),
    "bench": _Command(
        "measure one thing against its reference",
        *(benches.add_options, benches.main),
    ),
}


if __name__ == "__main__":
    sys.exit(main())
