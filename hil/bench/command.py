"""`gridseal-hil bench NAME`: one benchmark, or all of them.

1. Each is a module of this folder with `measure`, and takes the options that stand beside it here;
   any other is refused.
2. Exit 1 where it cannot be measured, or comes with reasons: what does not hold, a line each.

What `all` of them come to is hil.suite's.
"""

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from hil import option
from hil.bench import BenchError
from hil.option import GATEWAYS_MAX, STREAMS_MAX
from hil.outcome import show
from provisioning.argument import Parser, UsageError

# What each measures, and the options that it takes.
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
_OF_ONE = ("seconds", "streams", "gateways", "broker")
_OF_ALL = ("only", "quick", "out", "against")


def add_options(bench: Parser) -> None:
    """What may be typed behind `bench`."""
    listed = "; ".join(f"{name}: {text}" for name, (text, _) in BENCHES.items())
    bench.add_argument("what", metavar=" | ".join((*BENCHES, ALL)), help=f"{listed}; {ALL_TOLD}")
    option.add_seconds(bench, "how long to measure")
    streams, gateways = (option.number(1, most) for most in (STREAMS_MAX, GATEWAYS_MAX))
    bench.add_argument(
        "--streams", type=streams, metavar="N", help=f"of a gateway, 1 to {STREAMS_MAX}"
    )
    bench.add_argument(
        "--gateways", type=gateways, metavar="N", help=f"before a record, 1 to {GATEWAYS_MAX}"
    )
    bench.add_argument(
        "--broker", action="store_true", default=None, help="of verify: behind a broker, too"
    )
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


def check(name: str) -> None:
    """Raises UsageError where there is no such benchmark."""
    option.named("bench", name, (*BENCHES, ALL))


def main(asked: argparse.Namespace) -> int:
    """The exit code. Raises UsageError."""
    check(asked.what)
    if asked.what == ALL:
        return _all(asked)
    given = {name: getattr(asked, name) for name in (*_OF_ONE, *_OF_ALL)}
    given = {name: value for name, value in given.items() if value not in (None, False)}
    _takes(asked.what, given, BENCHES[asked.what][1])
    measured = importlib.import_module(f"hil.bench.{asked.what}")
    try:
        figures: dict[str, Any] = measured.measure(**given)
    except (BenchError, OSError, subprocess.TimeoutExpired) as fault:  # a program of it is gone
        print(f"gridseal-hil bench {asked.what}: {fault}", file=sys.stderr)
        return 1
    if asked.json:
        print(json.dumps(figures))
    else:
        show(figures)
    for reason in figures.get("reasons", ()):
        print(f"gridseal-hil bench {asked.what}: {reason}", file=sys.stderr)
    return 1 if figures.get("reasons") else 0


def _all(asked: argparse.Namespace) -> int:
    from hil.suite import command

    _takes(ALL, [name for name in _OF_ONE if getattr(asked, name) is not None], ())
    only = None if asked.only is None else option.chosen("bench", asked.only, BENCHES)
    known = {name: text for name, (text, _) in BENCHES.items()}
    return command.main(known, only, asked.out, asked.against, asked.quick, asked.json)


def _takes(what: str, given: Iterable[str], takes: Collection[str]) -> None:
    for name in given:
        if name not in takes:
            raise UsageError(f"gridseal-hil bench {what}: takes no --{name}")
