"""`gridseal-agent`: run, check, status, clock, export, listen.

Exit codes: 0 well, 1 it failed at work, 2 it was told something wrong.

It says things in words a technician can act on; a traceback from here is a bug.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from agent import config
from agent.config import Gateway
from drivers import registry
from drivers.line import Clock, Source
from evidence import anchor, cose, instant
from evidence.code import Typ
from evidence.config import ConfigError
from evidence.config import nearest as nearest_of
from evidence.key import PublicKey, Signer
from evidence.leap import NS
from evidence.refusal import EvidenceError

if TYPE_CHECKING:
    from agent.clock import SystemClock
    from agent.transport import Transport

EXPORT = """\
Writes what the archive holds of an interval as one file, which proves itself: observations, the
statements over them, and the record's receipts. `gridseal-record verify FILE --anchors FILE`
checks it without the record. Whole batches are written, each that touches the interval, since the
root that is signed needs every observation: other streams and a little more time come along. A
hole is stated after it: take the interval long enough to hold that. The agent may be running."""
OPEN_S_MAX = 3600.0  # who looks at places for longer may as well run the gateway
NO_FACTS = "load not known: neither a configuration file nor the site plan says"


def main(argv: list[str] | None = None) -> int:
    """The program. Returns its exit code."""
    words = sys.argv[1:] if argv is None else argv
    arguments = _parser(words[0] if words else "").parse_args(words)
    try:
        return int(arguments.call(arguments))
    except ConfigError as fault:
        print(f"gridseal-agent: {fault}", file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser(asked: str) -> argparse.ArgumentParser:
    """`asked`: the first word. What another command takes beside its name is not loaded: the agent
    that runs for years carries nothing of those that show.
    """
    parser = _Parser(
        "gridseal-agent",
        description="Hears devices, seals every sample, forwards it to the record.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, call, text in (
        ("run", _run, "run the gateway until SIGTERM or Ctrl-C"),
        ("check", _check, "read the configuration; say what lines carry, and who says what place"),
        ("status", _status, "ask the running agent how it is"),
        ("clock", _clock, "say how far the clock may be off, by which source, and why"),
        ("export", _export, "write a part of the archive as a file that proves itself"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--config", type=Path, default=Path("gateway.toml"), help="default: %(default)s"
        )
        command.set_defaults(call=call)
        if name == "export":
            _add_export(command)
        if name == asked == "clock":
            from agent import clockface

            clockface.add(command)
        if name == "check":
            told = "open lines of PMUs and receivers for up to so many seconds, to compare places"
            command.add_argument("--open", type=_seconds, default=0.0, metavar="S", help=told)
        if name == "status":
            shape = command.add_mutually_exclusive_group()
            shape.add_argument("--json", action="store_true", help="one JSON object")
            told = "what is heard and how it is, renewed until Ctrl-C; a line a second in a pipe"
            shape.add_argument("--watch", action="store_true", help=told)
        if name == "run":
            command.add_argument(
                "--log", default="info", choices=("debug", "info", "warning", "error")
            )
            told = "when it ends, leave its last account here, as status --json gives it"
            command.add_argument("--report", type=Path, metavar="FILE", help=told)
    hear = commands.add_parser("listen", help="hear one source by its URL, without configuration")
    if asked == "listen":
        from agent import listen

        listen.add(hear)
        hear.set_defaults(call=listen.main)
    return parser


def _clock(arguments: argparse.Namespace) -> int:
    from agent import clockface

    return clockface.main(arguments)


def _seconds(text: str) -> float:
    """A duration for argparse."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= OPEN_S_MAX:
        expected = f"expected seconds, up to {OPEN_S_MAX:.0f}"
        raise argparse.ArgumentTypeError(f"{text!r}: {expected}")
    return seconds


def _add_export(command: argparse.ArgumentParser) -> None:
    command.description = EXPORT
    place = f"an instant in UTC, such as {instant.EXAMPLE}, with a fraction where need be"
    command.add_argument("--from", dest="first", required=True, metavar="INSTANT", help=place)
    told = "the interval ends before this one"
    command.add_argument("--to", dest="end", required=True, metavar="INSTANT", help=told)
    told = "only batches with this stream; may be given again (gateway: the gateway's own words)"
    command.add_argument("--stream", action="append", metavar="SOURCE[/KEY]", help=told)
    command.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    told = "a copy of a spool, instead of the gateway's own"
    command.add_argument("--spool", type=Path, metavar="FILE", help=told)
    told = "leave out names, positions and configurations: hashes stand for them"
    command.add_argument("--without-disclosures", action="store_true", help=told)


def _run(arguments: argparse.Namespace) -> int:
    from agent.runner import Runner, calm_collector, one_arena
    from agent.schema import SpoolError
    from agent.transport import UplinkError

    logging.basicConfig(
        level=arguments.log.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    one_arena()
    gateway = config.load(arguments.config)
    ready = _prepared(gateway, waits=True)
    elsewhere = gateway.place_refusal()
    if elsewhere:
        mend = "the authority makes a new one: gridseal-provision authority renew"
        text = f"the survey is {elsewhere}; {mend}"
        raise ConfigError(gateway.file.gateway.plan, "site.survey", text)
    try:
        with contextlib.ExitStack() as held:
            report = arguments.report and held.enter_context(arguments.report.open("w"))
            calm_collector()
            runner = Runner(gateway, ready.clock, ready.device, ready.client, os.urandom)
            asyncio.run(_until_told(runner, gateway))
            if report:
                report.write(json.dumps(runner.report()))
    except (UplinkError, SpoolError, OSError) as fault:
        print(f"gridseal-agent: {fault}", file=sys.stderr)
        return 1
    return 0


class _Ready(NamedTuple):
    """What a gateway runs with, made from its configuration; nothing is opened yet."""

    device: Signer
    clock: "SystemClock"
    client: "Transport"
    loads: tuple[str, ...]  # what each source's line has to carry, in words


def _prepared(gateway: Gateway, waits: bool = False) -> _Ready:
    """All that can be made before anything is opened. Raises ConfigError for what cannot.

    `waits`: a key store that is away is waited for later.
    """
    from agent.clock import SystemClock, leap_table
    from agent.signature import device_key

    section = gateway.file.clock
    table = leap_table(gateway.path(section.leap_seconds) if section.leap_seconds else None)
    clock = SystemClock(table)
    loads = tuple(_load_words(gateway, source, clock) for source in gateway.sources)
    device = device_key(gateway, waits)
    _check_credential(gateway, table.utc_ns(clock.now().tai) // NS)
    spool = gateway.path(gateway.file.spool.path)
    if not os.access(spool.parent, os.W_OK | os.X_OK):
        raise ConfigError("gateway.toml", "spool.path", f"{spool.parent} cannot be written to")
    return _Ready(device, clock, transport(gateway, device.public), loads)


def _check_credential(gateway: Gateway, now_s: int) -> None:
    """Whether the record that the anchors describe would take it. Raises ConfigError."""
    held, file = gateway.credential, gateway.file.gateway.credential
    trusted = gateway.anchors.authorities
    if trusted:
        names = [authority.name for authority in trusted.values()]
        if held.says.issuer not in names:
            nearest = nearest_of(held.says.issuer, names)
            raise ConfigError(file, "issuer", f"{held.says.issuer!r} is {nearest}")
        try:
            anchor.vouched(cose.read_statement(held.encoded, Typ.CREDENTIAL), trusted)
        except EvidenceError as fault:
            raise ConfigError(file, "", f"not signed by {held.says.issuer!r}: {fault}") from fault
    if now_s >= held.says.expires_s:
        days = (now_s - held.says.expires_s) // 86_400
        raise ConfigError(file, "exp", f"expired {days} days ago; ask the authority for a new one")


async def _until_told(runner: Any, gateway: Gateway) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def ready() -> None:
        print(
            f"gridseal-agent: {gateway.file.gateway.name} runs, {len(gateway.sources)} sources",
            flush=True,
        )

    await runner.run(stop, ready)


def _check(arguments: argparse.Namespace) -> int:
    from agent import check

    gateway = config.load(arguments.config)
    ready = _prepared(gateway)
    print(f"gateway {gateway.file.gateway.name}: key {ready.device.public.fingerprint}")
    held = gateway.credential.says
    print(f"credential: {held.subject} by {held.issuer}, {len(held.buses)} buses")
    for source, load in zip(gateway.sources, ready.loads, strict=True):
        print(f"{source.name}: {source.scheme}, {load}")
        for note in registry.line_notes(source):
            print(f"{source.name}: {note}")
    if not gateway.sources:
        print(f"no line would be read: {arguments.config.name} has no [[source]]")
    if not check.told(gateway, ready.clock, arguments.open):
        return 1
    print("the configuration can be run")
    return 0


def _load_words(gateway: Gateway, source: Source, clock: Clock) -> str:
    """What the source's line has to carry, in words. Raises ConfigError when it cannot."""
    expected = _expected(gateway, source, clock)
    frame_bytes, (frames, seconds) = expected or (0, (0, 0))
    load = registry.line_load(source, frame_bytes, (frames, seconds))
    if load is None:
        return "no baud to fill"
    if expected is None:
        return NO_FACTS
    pace = f"{frames} a second" if seconds == 1 else f"{frames} in {seconds} s"
    words = (
        f"{frame_bytes} bytes at {pace} take {load.share:.0%} of"
        f" {load.baud} baud; at most {registry.LOAD_MAX:.0%}"
    )
    if not load.fits():
        key = f"stream {source.name!r}"
        raise ConfigError(gateway.file.gateway.plan, key, f"the line cannot carry it: {words}")
    return words


def _expected(gateway: Gateway, source: Source, clock: Clock) -> tuple[int, tuple[int, int]] | None:
    """Bytes of a frame and its rate, by the device's configuration on file or by the site plan."""
    on_file = registry.open_driver(source, clock).expected()
    if on_file is not None:
        return on_file
    stream = gateway.plan.stream_of(source.name)
    if stream is None or not stream.frame_bytes or not stream.rate:
        return None
    return stream.frame_bytes, (stream.rate, 1)


def transport(gateway: Gateway, device: PublicKey) -> "Transport":
    """What carries requests to the record, by its address. Raises ConfigError."""
    section, dscp = gateway.file.record, gateway.file.uplink.dscp
    connections = gateway.file.uplink.in_flight + 1
    if not section.url.startswith(("nats:", "tls:")):
        from agent import http

        return http.Client(section.url, tls(gateway), connections, dscp)
    try:
        from agent import nats
    except ModuleNotFoundError as fault:
        text = f"takes the library {fault.name}, which is not installed: gridseal[nats] brings it"
        raise ConfigError("gateway.toml", "record.url", text) from fault
    names = (section.url, section.region, device.kid)
    return nats.Client(*names, os.urandom, tls(gateway), connections, dscp)


def tls(gateway: Gateway) -> Any:
    from agent.http import Tls

    section = gateway.file.record
    if not section.url.startswith(("https:", "tls:")):
        return None
    names = (section.ca, section.certificate, section.certificate_key)
    return Tls(*(gateway.path(name) if name else None for name in names))


def _export(arguments: argparse.Namespace) -> int:
    from agent import extract

    return extract.run(arguments)


def _status(arguments: argparse.Namespace) -> int:
    if arguments.watch:
        from agent.page import watch

        return watch.main(arguments.config)
    from agent import account, status

    gateway = config.load(arguments.config)
    try:
        told = status.ask(gateway.path(gateway.file.spool.path))
        said = json.dumps(told) if arguments.json else account.words(told)
    except KeyError as gone:
        print(f"gridseal-agent: what answers says nothing of {gone}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as fault:
        absent = isinstance(fault, FileNotFoundError | ConnectionRefusedError)
        why = f"none runs with {arguments.config}" if absent else fault
        said = f"no agent answers for {gateway.file.spool.path}: {why}"
        print(f"gridseal-agent: {said}", file=sys.stderr)
        return 1
    print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
