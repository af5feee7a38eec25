"""How fast a bundle is written out of a record and checked, against bare checks of signatures by
the same libsodium on the same machine.

1. So many seconds of a seam with two gateways of two authorities, ten PMUs each, 126-byte frames,
   60 a second; sealed and admitted by the project's own code, a batch a second and gateway. An hour
   are 4.3 million samples.
2. The record is audited before, each observation by its own signature, and that rate is told.
3. Writing and checking are the programs as they are started, each in a process of its own, whose
   most memory is what the kernel says (VmHWM); that of a second process which it starts is added,
   pages that both share counted twice. The record is gone before the bundle is checked.
4. Each gateway seals in a process of its own, beside the admission of what they sealed.
5. The reference verifies signed bytes of the same samples, right before and after what is compared
   with it.
"""

import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from drivers.c37118.wire import Stamp, encode_configuration, encode_values
from evidence import anchor, cose, disclosure, head, instant, merkle, observation
from evidence.anchor import Authority, by_kid
from evidence.code import Cause, Kind, TimeSource, Typ
from evidence.credential import Credential
from evidence.descriptor import Descriptor
from evidence.form import Form
from evidence.head import Head, Range
from evidence.key import Ed25519Key
from evidence.leap import BUILT_IN, NS
from evidence.run import Run, possession_bytes
from hil.bench import BenchError
from hil.bench.sealed import FLAGS, RATE, START_S, STAT, layout
from hil.bench.sodium import Reference
from record.admit import Admitter
from record.audit import Audit
from record.desk import settle_collector
from record.known import Known
from record.log import Log
from record.reconstruct import lonely
from record.sequencer import Item, Sequencer
from record.store import open_writer

GATEWAYS, PMUS = 2, 10  # PMUs of each
REFERENCE_MESSAGES = 1000
# What is asked of an hour: seconds, MiB, and `every` over bare checks of signatures.
HOUR_S, ASKED_S, ASKED_MIB, ASKED_EVERY = 3600, 60.0, 500.0, 0.6
MARGIN_S = 2  # measured before and after the interval, so that its ends are proved
START = BUILT_IN.tai_ns(START_S)
PROGRAM_S = 3600.0  # an hour's samples, each by its own signature, on a busy machine
SALT = bytes(disclosure.SALT_BYTES)


class Stream(NamedTuple):
    """One PMU's stream: what its observations lie under."""

    number: int
    descriptor: bytes
    binding: observation.Binding
    form: Form


def instant_of(second: int, number: int) -> int:
    """ns TAI of a frame of a second, to the nearest."""
    return START + second * NS + (number * NS + RATE // 2) // RATE


class Gateway:
    """One gateway: its statements, and its batches second by second. `configurations`: of each of
    its PMUs; none: PMUS alike."""

    def __init__(self, at: int, configurations: Sequence[bytes] = ()) -> None:
        plain = encode_configuration(layout().configuration, Stamp(START_S))
        configurations = configurations or [plain] * PMUS
        self.name = f"Utility {at + 1}"
        self.authority, device, self._key = (
            Ed25519Key(bytes(30) + bytes([at]) + role) for role in (b"A", b"D", b"R")
        )
        credential = Credential(
            *(self.name, f"gw-{at + 1}", b"1", 0, START_S * 2, device.public),
            *("gateway", disclosure.digest(SALT, b"site"), None, ()),
        )
        self.statements = [
            (cose.sign(Typ.CREDENTIAL, credential.payload(), self.authority), [(SALT, b"site")])
        ]
        name = self.credential = cose.name(credential.payload())
        run = Run(
            *(name, self._key.public.raw, START, 1000, Cause.FIRST_START, None, False, None, ()),
            *("bench", self._key.sign(possession_bytes(device.public, name))),
        )
        self.run = cose.name(run.payload())
        self.statements.append((cose.sign(Typ.RUN, run.payload(), device), []))
        self._previous, self._number, self._seq = merkle.ZERO, 0, 1
        self._prev: list[bytes] = []
        self._streams = [self._describe(*one) for one in enumerate(configurations, 1)]
        self.messages: list[bytes] = []  # some, as they were signed

    def _describe(self, number: int, cfg: bytes) -> Stream:
        hidden = [disclosure.digest(SALT, value) for value in (b"source", cfg)]
        says = Descriptor(
            *(self.run, number, 0, merkle.ZERO, START, int(Kind.C37118), hidden[0], "direct"),
            *(None, hidden[1], (RATE, 1), None, (), ()),
        )
        encoded = cose.sign(Typ.DESCRIPTOR, says.payload(), self._key)
        self.statements.append((encoded, [(SALT, b"source"), (SALT, cfg)]))
        self._prev.append(merkle.leaf_hash(encoded))
        name = cose.name(says.payload())
        binding = observation.Binding(self._key.public.kid, name)
        return Stream(number, name, binding, Form())

    def second(self, frames: Sequence[bytes], second: int) -> bytes:
        """The batch of one second, in which all PMUs say the same."""
        return self.batch([frames] * len(self._streams), second)

    def batch(self, said: Sequence[Sequence[bytes]], second: int) -> bytes:
        """That of one second. `said`: RATE frames of each PMU."""
        ranges, body, leaves = [], [], []
        for at, (stream, frames) in enumerate(zip(self._streams, said, strict=True)):
            first = prev = self._prev[at]
            for number, raw in enumerate(frames):
                tai = instant_of(second, number)
                heard = 20_000_000 + (second * RATE + number) * 997 % 1_000_000
                content = stream.form.content(
                    (
                        *(stream.number, self._seq + number, tai, 1000, int(TimeSource.DEVICE)),
                        *(FLAGS, heard, 1_000_000, prev, int(Kind.C37118), raw),
                    )
                )
                signed = stream.binding.signed_prefix + content
                if len(self.messages) < REFERENCE_MESSAGES:
                    self.messages.append(signed)
                one = b"".join(
                    (stream.binding.message_prefix, content, observation.SIGNATURE_HEAD,
                     self._key.sign(signed))
                )  # fmt: skip
                prev = merkle.leaf_hash(one)
                leaves.append(prev)
                body.append(one)
            last = self._seq + RATE - 1
            ranges.append(Range(stream.number, stream.descriptor, self._seq, last, first, prev))
            self._prev[at] = prev
        self._seq += RATE
        of = Head(
            *(self.run, self._number, self._previous, len(body), merkle.root(leaves)),
            tuple(ranges),
        )
        encoded = cose.sign(Typ.HEAD, of.payload(), self._key)
        self._number, self._previous = self._number + 1, head.batch_id(encoded)
        return encoded + b"".join(body)


def measure(seconds: float = 60.0) -> dict[str, Any]:
    """The figures of `gridseal-hil bench reconstruct`; an hour of a seam: 3600 seconds."""
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as name:
        return _measured(Path(name), max(1, round(seconds)))


def _measured(folder: Path, seconds: int) -> dict[str, Any]:
    gateways = [Gateway(at) for at in range(GATEWAYS)]
    samples = seconds * GATEWAYS * PMUS * RATE
    log = Ed25519Key(bytes(31) + b"L")
    place, anchors = folder / "record.db", folder / "anchors.toml"
    anchors.write_text(_anchors(log, gateways))
    begun = time.perf_counter()
    fill(place, log, gateways, _sealed(gateways, seconds + 2 * MARGIN_S))
    filled = time.perf_counter() - begun
    all_samples = samples + 2 * MARGIN_S * GATEWAYS * PMUS * RATE
    reference = Reference(gateways[0].messages[:REFERENCE_MESSAGES])
    audited = _audit(place, gateways, log)
    (folder / "verify.py").write_bytes(lonely.make())
    ours = ["record.cli"]
    first, last = (instant.words(START + (MARGIN_S + at) * NS) for at in (0, seconds))
    bundle = folder / "bundle"
    written = _timed(
        [*ours, "reconstruct", str(place), "--anchors", str(anchors), "--from", first, "--to",
         last, "--out", str(bundle)]
    )  # fmt: skip
    for path in folder.glob("record.db*"):
        path.unlink()
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    checks = {
        "verify": [*ours, "verify", str(bundle)],
        "lone": [str(folder / "verify.py"), str(bundle)],
        "every": [*ours, "verify", str(bundle), "--every"],
    }
    raws: list[float] = []
    found = {}
    for name, argv in checks.items():
        if name == "every":
            raws += [REFERENCE_MESSAGES / reference.verify() for _ in range(2)]
        found[name] = _timed([*argv, "--anchors", str(anchors)])
    raws += [REFERENCE_MESSAGES / reference.verify() for _ in range(2)]
    raw = sorted(raws)[len(raws) // 2]
    figures = {
        "samples": samples,
        "bundle_bytes": size,
        "filled_per_s": round(all_samples / filled),
        "audited_every_per_s": round(all_samples / audited),
        "reconstruct_s": round(written[0], 2),
        "reconstruct_mib": round(written[1] / 1024, 1),
        **{f"{name}_s": round(took, 2) for name, (took, _) in found.items()},
        **{f"{name}_mib": round(most / 1024, 1) for name, (_, most) in found.items()},
        "every_ratio": round(all_samples / found["every"][0] / raw, 2),
        "raw_verify_per_s": round(raw),
    }
    reasons = short(figures) if seconds >= HOUR_S else []
    return figures | ({"reasons": reasons} if reasons else {})


def short(figures: dict[str, Any]) -> list[str]:
    """What an hour falls short of."""
    most = {"reconstruct_s": ASKED_S, "verify_s": ASKED_S, "lone_s": ASKED_S}
    most["reconstruct_mib"] = ASKED_MIB
    reasons = [
        f"{name} is {figures[name]:g}, asked are {asked:g} at the most"
        for name, asked in most.items()
        if figures[name] >= asked
    ]
    if figures["every_ratio"] < ASKED_EVERY:
        reasons.append(f"every_ratio is {figures['every_ratio']:g}, asked are {ASKED_EVERY:g}")
    return reasons


def _anchors(log: Ed25519Key, gateways: Sequence[Gateway]) -> str:
    rows = f'[log]\nname = "bench"\nkey = "{log.public.raw.hex()}"\n'
    for one in gateways:
        rows += f'[[authority]]\nname = "{one.name}"\nkey = "{one.authority.public.raw.hex()}"\n'
    return rows


def fill(
    place: Path, log: Ed25519Key, gateways: Sequence[Gateway], sealed: Iterable[list[bytes]]
) -> None:
    """A record of what these gateways sealed. `sealed`: a batch of each, second by second."""
    store = open_writer(place)
    store.set_log_key(log.public.raw)
    thresholds = _collect_rarely()
    try:
        tree = Log(store)
        sequencer = Sequencer(store, tree, lambda typ, raw: cose.sign(typ, raw, log))
        rows = by_kid([Authority(one.name, one.authority.public) for one in gateways])
        admitter = Admitter(Known(store), rows, lambda: 1.0)
        for one in gateways:
            for encoded, pairs in one.statements:
                sequencer.commit([admitter.statement(encoded, pairs)], START)
        for second, cut in enumerate(sealed):
            now = START + (second + 1) * NS
            items: list[Item] = []
            for batch in cut:
                encoded = cose.read_at(batch, 0)[0].encoded
                items.append(admitter.batch(batch, head.batch_id(encoded), now))
            sequencer.commit(items, now)
    finally:
        _put_back(thresholds)
        store.close()


def _sealed(gateways: Sequence[Gateway], seconds: int) -> Iterator[list[bytes]]:
    """The batches of each second, a process a gateway. Raises BenchError."""
    context = get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in gateways]
    processes = [
        context.Process(target=_seal, args=(one, giving, seconds), daemon=True)
        for one, (_, giving) in zip(gateways, pipes, strict=True)
    ]
    try:
        for process, (_, giving) in zip(processes, pipes, strict=True):
            process.start()
            giving.close()
        for one, (taking, _) in zip(gateways, pipes, strict=True):
            one.messages = taking.recv()
        for _ in range(seconds):
            yield [taking.recv_bytes() for taking, _ in pipes]
    except EOFError as fault:
        raise BenchError("a process that seals ended early") from fault
    finally:
        for process in processes:
            process.kill()
            process.join()


def _seal(one: Gateway, giving: Connection, seconds: int) -> None:
    """In a process of its own: the first messages as they were signed, then all batches."""
    for second, frames in enumerate(_frames(seconds)):
        cut = one.second(frames, second)
        if not second:
            giving.send(one.messages)
        giving.send_bytes(cut)


def _frames(seconds: int) -> Iterator[list[bytes]]:
    made = layout()
    values: list[Any] = [float(at) for at in range(len(made.slots))]
    values[0] = STAT
    values[-2:] = [0, 0]
    for second in range(seconds):
        yield [
            encode_values(made, Stamp(START_S + second, at * 1_000_000 // RATE), values)
            for at in range(RATE)
        ]


def _audit(place: Path, gateways: Sequence[Gateway], log: Ed25519Key) -> float:
    """Seconds that checking every signature in the record took."""
    found = anchor.read(_anchors(log, gateways), "anchors.toml")
    begun = time.perf_counter()
    reasons = Audit(place, found, every=True).run()
    if reasons:
        raise BenchError(f"the record does not hold: {reasons[0]}")
    return time.perf_counter() - begun


def _timed(argv: Sequence[str]) -> tuple[float, int]:
    """Seconds, and KiB at the most, of a program that must succeed: a module's name or a file."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-c", _WATCHED, *argv],
        capture_output=True, text=True, check=False, timeout=PROGRAM_S,
    )  # fmt: skip
    if done.returncode:
        raise BenchError(f"{argv[:2]}: {(done.stdout + done.stderr)[-300:]}")
    return time.perf_counter() - begun, int(done.stderr.split()[-1])


# ru_maxrss would be the bench's own where that is more: the kernel hands it on through an exec.
_WATCHED = """
import resource, runpy, sys
sys.argv = sys.argv[1:]
run = runpy.run_path if sys.argv[0].endswith(".py") else runpy.run_module
try:
    run(sys.argv[0], run_name="__main__")
finally:
    with open("/proc/self/status") as file:
        most = int(next(line for line in file if line.startswith("VmHWM")).split()[1])
    print(most + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""


def _collect_rarely() -> tuple[int, int, int]:
    before = gc.get_threshold()
    settle_collector()
    return before


def _put_back(thresholds: tuple[int, int, int]) -> None:
    gc.set_threshold(*thresholds)
