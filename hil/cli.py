"""`gridseal-hil`: demo, provision, run, places, replay, sim, faults, fuzz, bench.

1. Exit 0: it holds. 1: it was done and does not hold, with a reason a line. 2: told something
   wrong, or a file that cannot be read, in one line that says what to type instead.
2. With --json the last line of stdout is one JSON object.
3. A command loads what it needs, and no other's libraries.

It measures and judges nothing itself.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

from evidence import config
from provisioning import argument
from provisioning.argument import UsageError, check_command, parsed

WRONG = 2
INTERRUPTED = 130  # as a shell has it: 128 + SIGINT
SECONDS_MAX = 7 * 86_400
STREAMS_MAX = 1000
PORT_MAX = 65_535
GATEWAYS_MAX = 64  # processes of this machine, 40 MiB each
SEED_MAX = (1 << 32) - 1
RUNS_MAX = 10_000_000  # of the simulation, and cases of each target of the fuzzing
JOBS_MAX = 256
# Each is a module of hil.bench with `measure`, and the options that it takes.
BENCHES = {
    "seal": ("how fast a gateway seals, against bare signatures", ("seconds",)),
    "admit": ("how fast a record admits, against bare checks of signatures", ("seconds",)),
    "tiles": ("how long an inclusion proof from tile files takes, cold", ("seconds",)),
    "verify": ("how checking batches scales over processes", ("seconds", "broker")),
    "reconstruct": (
        "how fast so many seconds of a seam become a bundle, and how fast that is checked",
        ("seconds",),
    ),
    "decode": ("how fast frames become channel values, against what others wrote", ("seconds",)),
    "modbus": ("transactions a second, against pymodbus; what polling costs", ("seconds",)),
    "latency": ("how long from arrival to durable, in real time", ("seconds", "streams")),
    "capture": ("what hearing GOOSE and Sampled Values from a cable costs", ("seconds",)),
    "drain": ("how fast a backlog drains, and what that costs live samples", ("seconds",)),
    "bound": ("whether the bound of the clock holds, over a simulated day", ("seconds",)),
    "guard": ("what it costs to doubt a device's clock", ()),
    "clock": ("what time and place cost a gateway", ("seconds",)),
    "grid": ("how many steps of a power system with PMUs a core takes", ("seconds",)),
    "settle": ("how many settlements of two ends of a line are checked a minute", ("seconds",)),
    "page": ("what it costs an agent to be looked at", ("seconds", "streams")),
    "flash": ("what is written to disk for each byte that is kept", ()),
    "board": ("how late, how dear and how large a board's firmware is", ("seconds",)),
    "seam": (
        "two gateways with 20 PMUs each and their record: loss, arrival to admitted, memory",
        ("seconds", "streams", "gateways"),
    ),
    "scale": (
        "what a stream costs as streams and gateways grow in number",
        ("seconds", "streams", "gateways"),
    ),
    "demo": ("how often the demo's page renews with forty PMUs", ("seconds",)),
    "soak": ("whether an agent with two PMUs grows", ("seconds",)),
}
ALL = "all"
ALL_TOLD = "all: every one of them, with a table and a picture of what they come to"


class _Parser(argument.Parser):
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
        _check_bench(argv[1])
    asked = parsed(parser, commands, argv)
    if asked.command == "demo":
        from hil.demo import command as demo

        return demo.main(asked.seconds, asked.json, asked.keep, asked.port)
    if asked.command == "provision":
        from hil import provision

        return provision.main(asked.json, asked.keep)
    if asked.command == "run":
        return _play(asked)
    if asked.command == "places":
        from hil.live import listing

        return listing.main(asked.place, asked.json)
    if asked.command == "replay":
        from hil.replay import command

        return command.main(asked.file, asked.json)
    if asked.command == "sim":
        from hil.sim import series

        return series.main(
            asked.runs, asked.seed, asked.crash_points, asked.week, asked.jobs, asked.json
        )
    if asked.command == "faults":
        return _faults(asked)
    if asked.command == "fuzz":
        return _fuzz(asked)
    return _bench(asked)


def _parsers() -> tuple[_Parser, dict[str, _Parser]]:
    about = "The bench: simulated devices, captures, measurements."
    parser = _Parser(prog="gridseal-hil", description=about, allow_abbrev=False)
    several = parser.add_subparsers(
        dest="command",
        metavar="demo | provision | run | places | replay | sim | faults | fuzz | bench",
        required=True,
    )
    helps = {
        "demo": "two utilities, their tie and one record, with a page to look at, until Ctrl-C",
        "provision": "a gateway from nothing to its first receipted sample, as it is typed",
        "run": "play scenarios, live at a place or in simulated time, and judge what came of them",
        "places": "what a place has, and which scenarios can be played there",
        "replay": "seal and admit what a capture holds of our protocols, and compare",
        "sim": "a gateway over a disk, a wire and clocks that fail: nothing may be lost",
        "faults": "make faults around real programs, and account for every frame",
        "fuzz": "bytes that no device would send: each is refused by name, at little cost",
        "bench": "measure one thing against its reference",
    }
    commands = {
        name: several.add_parser(name, help=text, description=text, allow_abbrev=False)
        for name, text in helps.items()
    }
    demo, provision, run, places, replay, sim, faults, fuzz, bench = commands.values()
    _seconds(demo, "default: until Ctrl-C")
    demo.add_argument("--port", type=_port, default=0, metavar="N", help="of the page; else any")
    for command in (demo, provision):
        told = "make everything here, and leave it"
        command.add_argument("--keep", type=Path, metavar="DIR", help=told)
    _scenario(run)
    places.add_argument("place", nargs="?", metavar="NAME", help="one, or its file; else all")
    replay.add_argument("file", type=Path, metavar="FILE", help="pcap, pcapng, hex text, bytes")
    _simulation(sim)
    _fuzzing(fuzz)
    listed = "; ".join(f"{name}: {text}" for name, (text, _) in BENCHES.items())
    bench.add_argument("what", metavar=" | ".join((*BENCHES, ALL)), help=f"{listed}; {ALL_TOLD}")
    _seconds(bench, "how long to measure")
    bench.add_argument(
        "--streams", type=_streams, metavar="N", help=f"of a gateway, 1 to {STREAMS_MAX}"
    )
    bench.add_argument(
        "--gateways", type=_gateways, metavar="N", help=f"before a record, 1 to {GATEWAYS_MAX}"
    )
    bench.add_argument(
        "--broker", action="store_true", default=None, help="of verify: behind a broker, too"
    )
    _suite(bench)
    faults.add_argument("--only", metavar="NAME,...", help="these, and not all")
    faults.add_argument("--seed", type=_seed, metavar="N", help="of when they strike")
    faults.add_argument("--keep", type=Path, metavar="DIR", help="a folder a fault, left there")
    for command in commands.values():
        command.add_argument("--json", action="store_true", help="last line: one JSON object")
    return parser, commands


def _suite(bench: _Parser) -> None:
    """What `bench all` takes."""
    of_all = bench.add_argument_group(f"of {ALL}")
    of_all.add_argument("--only", metavar="NAME,...", help="these, and not all")
    of_all.add_argument(
        "--quick", action="store_true", help="a few seconds each; nothing is judged"
    )
    of_all.add_argument(
        "--out", type=Path, metavar="DIR", help="for table, picture and figures; default: bench"
    )
    of_all.add_argument(
        "--against", type=Path, metavar="FILE", help="an earlier bench.json, to be compared with"
    )


def _scenario(run: _Parser) -> None:
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
    run.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="so many at once")


def _play(asked: argparse.Namespace) -> int:
    from hil.live import command

    how = (asked.place, asked.report, asked.short, asked.begins, asked.ends, asked.json)
    return command.main(command.Asked(asked.names, *how, asked.jobs))


def _simulation(sim: _Parser) -> None:
    sim.epilog = (
        "A run that fails is named by its seed. --seed alone makes that run again and tells what"
        " happens in it, step by step."
    )
    one_of = f"1 to {RUNS_MAX:,}"
    sim.add_argument("--runs", type=_runs, metavar="N", help=f"seeded runs, {one_of}; default: 300")
    sim.add_argument(
        "--seed", type=_seed, metavar="N", help="of the first run; alone: that run only, told"
    )
    sim.add_argument(
        "--crash-points", action="store_true", help="pull the power at every disk call of a trace"
    )
    sim.add_argument(
        "--week", action="store_true", help="a week without the record: memory must not grow"
    )
    sim.add_argument(
        "--jobs", type=_jobs, default=1, metavar="N", help="cores to share it; default: 1"
    )


def _fuzzing(fuzz: _Parser) -> None:
    fuzz.epilog = (
        "What fails is told with its number and its bytes: --seed and --cases 1 make it again."
    )
    fuzz.add_argument(
        "--cases", type=_runs, metavar="N", help=f"of each, 1 to {RUNS_MAX:,}; default: 2,000"
    )
    fuzz.add_argument("--only", metavar="NAME,...", help="these, and not all")
    fuzz.add_argument("--seed", type=_seed, default=0, metavar="N", help="of the first case")
    fuzz.add_argument(
        "--from", type=Path, action="append", default=[], dest="paths", metavar="PATH",
        help="captures, vectors and files to begin with, or a folder of them; may be repeated",
    )  # fmt: skip


def _seconds(parser: _Parser, text: str) -> None:
    parser.add_argument("--seconds", type=_duration, metavar="N", help=text)


def _duration(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}; seconds above 0, at most {SECONDS_MAX}")
    return value


def _streams(text: str) -> int:
    return _number(text, 1, STREAMS_MAX)


def _port(text: str) -> int:
    return _number(text, 0, PORT_MAX)


def _gateways(text: str) -> int:
    return _number(text, 1, GATEWAYS_MAX)


def _runs(text: str) -> int:
    return _number(text, 1, RUNS_MAX)


def _jobs(text: str) -> int:
    return _number(text, 1, JOBS_MAX)


def _seed(text: str) -> int:
    return _number(text, 0, SEED_MAX)


def _number(text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text[:12]) <= most:
        raise argparse.ArgumentTypeError(f"{text!r}; {least} to {most} expected")
    return int(text)


def _faults(asked: argparse.Namespace) -> int:
    from hil.faults import command
    from hil.faults.table import FAULTS

    names = _chosen("faults", asked.only, FAULTS)
    seed = int.from_bytes(os.urandom(4)) if asked.seed is None else asked.seed
    chosen = [FAULTS[name] for name in names]
    return command.main(chosen, asked.json, seed, asked.keep)


def _fuzz(asked: argparse.Namespace) -> int:
    from hil.fuzz import command

    names = _chosen("fuzz", asked.only, command.TARGETS)
    try:
        return command.main(asked.cases, names, asked.seed, asked.paths, asked.json)
    except OSError as fault:
        raise UsageError(f"gridseal-hil fuzz: --from: {fault}") from fault


def _chosen(command: str, only: str | None, known: Collection[str]) -> list[str]:
    """The names that --only names, each once; all of them without it. Raises UsageError."""
    names = list(known) if only is None else only.split(",")
    for name in names:
        if name not in known:
            text = f"{name!r} is {config.nearest(name, list(known))}"
            raise UsageError(f"gridseal-hil {command}: --only: {text}")
    return list(dict.fromkeys(names))


def _check_bench(name: str) -> None:
    if name not in (*BENCHES, ALL):
        raise UsageError(f"gridseal-hil bench: {name!r} is {config.nearest(name, [*BENCHES, ALL])}")


def _bench(asked: argparse.Namespace) -> int:
    _check_bench(asked.what)
    if asked.what == ALL:
        return _bench_all(asked)
    for name in ("only", "quick", "out", "against"):
        if getattr(asked, name):
            raise UsageError(f"gridseal-hil bench {asked.what}: takes no --{name}")
    takes = BENCHES[asked.what][1]
    given = {name: getattr(asked, name) for name in ("seconds", "streams", "gateways", "broker")}
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in takes:
            raise UsageError(f"gridseal-hil bench {asked.what}: takes no --{name}")
    from hil.bench import BenchError

    try:
        figures: dict[str, Any] = importlib.import_module(f"hil.bench.{asked.what}").measure(
            **given
        )
    except BenchError as fault:
        print(f"gridseal-hil bench {asked.what}: {fault}", file=sys.stderr)
        return 1
    if asked.json:
        print(json.dumps(figures))
    else:
        print(_table(figures))
    for reason in figures.get("reasons", ()):
        print(f"gridseal-hil bench {asked.what}: {reason}", file=sys.stderr)
    return 1 if figures.get("reasons") else 0


def _bench_all(asked: argparse.Namespace) -> int:
    from hil.suite import command

    for name in ("seconds", "streams", "gateways", "broker"):
        if getattr(asked, name) is not None:
            raise UsageError(f"gridseal-hil bench {ALL}: takes no --{name}")
    only = None if asked.only is None else _chosen("bench", asked.only, BENCHES)
    known = {name: text for name, (text, _) in BENCHES.items()}
    return command.main(known, only, asked.out, asked.against, asked.quick, asked.json)


def _table(figures: dict[str, Any], within: str = "") -> str:
    """One figure a line, nested ones under their path."""
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines.append(_table(value, f"{within}{name}."))
        else:
            said = f"{value:,}" if isinstance(value, int | float) else str(value)
            lines.append(f"{within + name:<44} {said}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
