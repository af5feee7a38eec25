"""Which benchmarks there are to be run together, how long, and which of their figures are shown.

1. A benchmark's own module measures and judges; `asked` is the bound that it judges by, and a test
   holds the two together. Where nothing is asked of a figure it has none.
2. `reference` names the figure of the same run that it stands beside: other people's code, or the
   bare thing; `against` says what that is. A figure whose unit is TIMES is a ratio to it.
3. A benchmark that is not in here is run with its own defaults, and shown with whatever numbers it
   tells first: nothing is left out for being new.
4. All of them together are less than an hour on a quiet machine of two cores, a test adds them up.
   Where a figure is of a stretch of time, its text says how long that was: `{span}` in it.

It runs nothing.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

TIMES = "times"
BYTES_PER_S = "bytes/s"
OF_A_CORE = "of a core"
MORE, LESS = "more", "less"  # which is better
MOST_S = 600.0  # of a benchmark that says nothing else; a busy machine takes several times as long
UNKNOWN_S = 30.0  # of one that is in no catalogue


class Figure(NamedTuple):
    """One figure: where it stands in what a benchmark tells, the parts of its path parted by dots;
    what it is, for people; its unit; which is better; what is asked; what it stands beside."""

    key: str
    text: str
    unit: str
    better: str = MORE
    asked: float | None = None
    reference: str = ""
    against: str = ""


class Benchmark(NamedTuple):
    """One of them. `seconds` and `quick`: what it is told, None where it takes none; `takes_s` and
    `quick_s`: how long it is then, its start and end included, on a quiet machine of two cores;
    `late`: why it has no part in a quick run."""

    name: str
    takes_s: float = UNKNOWN_S
    quick_s: float = UNKNOWN_S
    seconds: float | None = None
    quick: float | None = None
    figures: tuple[Figure, ...] = ()
    options: tuple[str, ...] = ()
    quick_options: tuple[str, ...] = ()
    most_s: float = MOST_S
    late: str = ""

    def expected_s(self, quick: bool) -> float:
        """How long it is, as far as anybody knows before."""
        if not quick:
            return self.takes_s
        return 0.0 if self.late else self.quick_s


def _seal(key: str, text: str) -> Figure:
    return Figure(key, text, TIMES, MORE, None, "reference_per_s", "libsodium, signing alone")


def _admit(key: str, text: str, asked: float | None = None) -> Figure:
    told = "libsodium, verifying alone"
    return Figure(key, text, TIMES, MORE, asked, "reference_verify_per_s", told)


def _decode(name: str, peer: str, what: str, of: str) -> tuple[Figure, Figure]:
    own = Figure(f"{name}_per_s", f"{what} decoded, the slowest", "/s")
    prefix = peer if name == "c37118" else f"{peer}_{name}"
    told = f"the same, {of}"
    return own, Figure(f"{prefix}_ratio", told, TIMES, MORE, None, f"{prefix}_per_s", peer)


def _brokered(store: str, named: str) -> Figure:
    return Figure(
        f"broker.{store}.bytes_per_s", f"admitted behind a broker into {named}", BYTES_PER_S, MORE,
        None, "broker.bare_bytes_per_s", "bare NATS client",
    )  # fmt: skip


def _modbus(line: str, named: str, peer: str) -> Figure:
    told = f"Modbus transactions {named}"
    return Figure(f"{line}_ratio", told, TIMES, MORE, None, f"pymodbus_{line}_per_s", peer)


def _of_bound(row: str, state: str, asked: float) -> Figure:
    return Figure(
        f"sources.{row}.{state}.ratio", f"bound of a clock on {SOURCES[row]}, {state}",
        "times the true error", LESS, asked,
    )  # fmt: skip


SOURCES: Final = {"pulse": "a pulse", "ptp": "PTP"}

ALL: Final = (
    Benchmark(
        *("seal", 20.0, 8.0, 6.0, 1.0),
        (
            Figure("samples_per_s", "sealing and keeping, one core", "samples/s"),
            _seal("ratio_one_core", "the same, beside bare signatures"),
            _seal("ratio_two_instances", "two instances on two cores"),
            _seal("ratio_30_a_commit", "one core, 30 samples a commit"),
            Figure("overhead_bytes", "an observation beyond its frame", "bytes", LESS),
        ),
    ),
    Benchmark(
        *("admit", 10.0, 4.0, 6.0, 1.0),
        (
            Figure("head_per_s", "admitting, 600 a batch, one core", "samples/s"),
            _admit("head_ratio", "the same, beside bare checks", 8.0),
            _admit("live_ratio", "admitting as agents cut live"),
            _admit("every_ratio", "admitting, every signature checked"),
        ),
    ),
    Benchmark(
        *("verify", 50.0, 40.0, 12.0, 1.2),
        (
            Figure("one_per_s", "checking by one process", "samples/s"),
            Figure("ratio", "by two processes", TIMES, MORE, None, "one_per_s", "one process"),
            _brokered("sqlite", "SQLite"),
            _brokered("postgresql", "PostgreSQL"),
        ),
        ("--broker",),
    ),
    Benchmark(
        *("decode", 22.0, 5.0, 18.0, 2.0),
        (
            *_decode("c37118", "pypmu", "C37.118 frames", "FORMAT 0007"),
            *_decode("goose", "open61850", "GOOSE frames", "where it does best"),
            *_decode("sv", "open61850", "Sampled Values", "4,800/s"),
        ),
    ),
    Benchmark(
        *("modbus", 25.0, 15.0, 12.0, 3.0),
        (
            _modbus("tcp", "over TCP", "pymodbus"),
            _modbus("rtu", "on a line", "pymodbus, without the silence of 3.5 characters"),
            Figure("poll_cpu_share", "gateway that polls 20 meters a second", OF_A_CORE, LESS),
        ),
    ),
    Benchmark(
        *("capture", 20.0, 12.0, 10.0, 2.0),
        (
            Figure("goose_lost", "GOOSE lost of 1,000/s amid 100,000/s", "frames", LESS, 0.0),
            Figure("goose_cpu_share", "hearing them", OF_A_CORE, LESS),
            Figure("sv_cpu_share", "gateway that hears Sampled Values, 4,800/s", OF_A_CORE, LESS),
        ),
    ),
    Benchmark(
        *("latency", 52.0, 18.0, 20.0, 3.0),
        (
            Figure("p99_ms", "arrival to disk, 50 PMUs, p99", "ms", LESS),
            Figure("cpu_share", "processor of a gateway with 50 PMUs", OF_A_CORE, LESS),
            Figure("rss_mib", "its memory", "MiB", LESS),
        ),
    ),
    Benchmark(
        *("seam", 72.0, 16.0, 60.0, 4.0),
        (
            Figure("lost", "two gateways, 40 PMUs, one record: lost", "frames", LESS, 0.0),
            Figure("admitted_p99_ms", "arrival to admitted, p99", "ms", LESS, 600.0),
            Figure("admitted_p50_ms", "arrival to admitted, p50", "ms", LESS),
            Figure("agent_mib", "memory of each agent, at its most", "MiB", LESS, 50.0),
            Figure("record_mib", "memory of the record, at its most", "MiB", LESS),
            Figure("agent_cpu_share", "processor of each agent", OF_A_CORE, LESS),
            Figure("record_cpu_share", "processor of the record", OF_A_CORE, LESS),
        ),
    ),
    Benchmark(
        *("scale", 300.0, 50.0, 110.0, 8.0),
        (
            Figure("streams_carried", "carried on one gateway, of 200", "PMUs"),
            Figure("gateways_carried", "carried by one record, of 20", "gateways"),
            Figure("agent_cpu_a_stream", "agent, a stream at the most carried", OF_A_CORE, LESS),
            Figure(
                "record_cpu_a_stream", "record, a stream at the most carried", OF_A_CORE, LESS,
            ),
        ),
        quick_options=("--streams", "20", "--gateways", "2"),
        most_s=1200.0,
    ),
    Benchmark(
        *("drain", 110.0, 45.0, 60.0, 4.0),
        (
            Figure("drain_x_real_time", "a backlog of {span} drains", "times real time"),
            Figure(
                "live_p99_ms_draining", "live samples meanwhile, p99", "ms", LESS, None,
                "live_p99_ms_undisturbed", "undisturbed",
            ),
        ),
    ),
    Benchmark(
        *("tiles", 60.0, 0.0, 10.0, None),
        (Figure("p99_ms", "inclusion proof from tile files, cold, p99", "ms", LESS, 5.0),),
        late="it writes a log of ten million entries first",
    ),
    Benchmark(
        *("grid", 12.0, 4.0, 8.0, 1.0),
        (
            Figure(
                "core_share_at_120", "39-bus model with 20 PMUs, 120 steps/s", OF_A_CORE, LESS,
                0.2,
            ),
            Figure("step_us", "a step of it", "us", LESS),
            Figure("reading_us", "a PMU's reading", "us", LESS),
        ),
    ),
    Benchmark(
        *("settle", 10.0, 3.0, 8.0, 1.0),
        (
            Figure(
                "settlements_per_minute_core", "settlements checked by a core", "/min", MORE,
                100_000.0,
            ),
        ),
    ),
    Benchmark(
        *("reconstruct", 35.0, 12.0, 60.0, 2.0),
        (
            Figure("reconstruct_s", "{span} of 20 PMUs, bundle written", "s", LESS),
            Figure("verify_s", "that bundle, verified", "s", LESS),
            Figure("verify_mib", "memory of verifying it", "MiB", LESS),
            Figure(
                "every_ratio", "verified by every signature", TIMES, MORE, None,
                "raw_verify_per_s", "libsodium, verifying alone",
            ),
        ),
    ),
    Benchmark(
        *("guard", 4.0, 4.0, None, None),
        (
            Figure("guard_us_a_frame", "doubting a device's clock", "us a frame", LESS, 0.2),
            Figure("pair_core_share", "doubting a pair of PMUs", OF_A_CORE, LESS, 0.005),
        ),
    ),
    Benchmark(
        *("clock", 95.0, 35.0, 60.0, 5.0),
        (
            Figure("cpu_share", "knowing time and place: processor", OF_A_CORE, LESS, 0.02),
            Figure("memory_mib", "knowing time and place: memory", "MiB", LESS, 4.0),
        ),
    ),
    Benchmark(
        *("bound", 240.0, 8.0, 86_400.0, 1200.0),
        (
            _of_bound("pulse", "locked", 3.0),
            _of_bound("pulse", "holdover", 10.0),
            _of_bound("ptp", "locked", 3.0),
            _of_bound("ptp", "holdover", 10.0),
        ),
        most_s=1200.0,
    ),
    Benchmark(
        *("board", 50.0, 20.0, 30.0, 4.0),
        (
            Figure("p99_ms", "a board's firmware, tap to gateway, p99", "ms", LESS, 20.0),
            Figure("heap.unsigned.peak_bytes", "its heap", "bytes", LESS, 65_536.0),
            Figure("heap.signed.peak_bytes", "its heap, signing", "bytes", LESS, 131_072.0),
        ),
    ),
    Benchmark(
        *("page", 56.0, 34.0, 44.0, 22.0),
        (
            Figure("updates_a_second", "a page of 40 streams, updates", "/s", MORE, 10.0),
            Figure("cpu_share_of_looking", "looking at it: processor", OF_A_CORE, LESS, 0.05),
            Figure("memory_mib_most", "an agent that is looked at: memory", "MiB", LESS, 50.0),
        ),
    ),
    Benchmark(
        *("flash", 20.0, 20.0, None, None),
        (
            Figure(
                "always.50.written_per_byte_kept", "written for a byte kept, 50 ms a commit",
                "bytes", LESS,
            ),
            Figure(
                "always.1000.written_per_byte_kept", "written for a byte kept, 1 s a commit",
                "bytes", LESS,
            ),
        ),
    ),
    Benchmark(
        *("demo", 45.0, 28.0, 20.0, 4.0),
        (
            Figure("updates_s", "the demo's page with forty PMUs, updates", "/s", MORE, 10.0),
            Figure("longest_ms", "the longest between two", "ms", LESS),
            Figure("own_core_share", "reading the record and making it", OF_A_CORE, LESS),
        ),
    ),
    Benchmark(
        *("soak", 320.0, 20.0, 300.0, 4.0),
        (
            Figure("rss_mib", "memory of an agent with two PMUs", "MiB", LESS, 40.0),
            Figure(
                "growth_mib", "its growth in {span}, from the second quarter on", "MiB", LESS, 0.5,
            ),
        ),
        most_s=900.0,
    ),
)  # fmt: skip


def chosen(known: Iterable[str], *, quick: bool = False) -> list[Benchmark]:
    """All that are known, those of the catalogue in its order, then the rest in theirs; with the
    texts of their figures as such a run measures them."""
    names = list(known)
    listed = [_worded(one, quick) for one in ALL if one.name in names]
    rest = set(names) - {one.name for one in listed}
    return listed + [Benchmark(name) for name in names if name in rest]


def _worded(of: Benchmark, quick: bool) -> Benchmark:
    seconds = of.quick if quick else of.seconds
    span = "" if seconds is None else f"{seconds:g} s"
    figures = (one._replace(text=one.text.replace("{span}", span)) for one in of.figures)
    return of._replace(figures=tuple(figures))
