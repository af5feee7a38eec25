"""Modbus: transactions a second of our driver against a bare pymodbus client, and what polling a
substation costs.

1. The same reads of the same devices (UNITS of them, REGISTERS each, in turn), over one connection
   each, in slices in turn; the devices are a process of their own. Ratios are of medians.
2. Ours is the whole driver: the schedule, the exchange as it is sealed, its instants and its bound.
   pymodbus makes a list of integers of it, and that is all.
3. RTU is on pseudo-terminals paced at each of BAUDS, since the standard's silence of 3.5 characters
   is kept by our driver and not by pymodbus: where nothing takes time on the line it would be all
   that is measured. `rtu_ratio` is of the worse of them.
4. `poll_cpu_share` is of a whole gateway in a process of its own, which polls the same devices each
   PERIOD_MS over TCP, seals and forwards; `driver_cpu_share` is of the driver alone.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ModbusException

from agent import status
from drivers import registry
from drivers.decode import decode
from drivers.line import Driver, Frame, Instant, LinkError, Source
from evidence.leap import BUILT_IN
from hil.bench import BenchError
from hil.bench.process import all_heard, first_line, first_told, process, processor_s
from hil.bench.site import make_site
from hil.devices.modbus.meter import FILLER_ADDRESS
from hil.devices.pace import tai_now
from hil.loopback import free_port
from provisioning.source import SourceRequest

UNITS = 20
REGISTERS = 100
PERIOD_MS = 1000
BAUDS = (19_200, 115_200)  # what Modbus asks every device to have, and what fast lines have
SLICE_S = 0.1  # over TCP: hundreds of transactions
LINE_SLICE_S = 0.6  # on a line: several at the lowest baud
TIMEOUT_S = 5.0
WARM_S = 3.0  # the gateway's start, and the first poll of all
Slice = Callable[[float], Awaitable[float]]


class _Clock:
    """The machine's clock, unchecked."""

    table = BUILT_IN

    def now(self) -> Instant:
        return Instant(tai_now(), None)


def measure(seconds: float = 12.0) -> dict[str, Any]:
    """The figures of `gridseal-hil bench modbus`. Raises BenchError."""
    each = seconds / (3 + len(BAUDS))
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as name:
        folder = Path(name)
        try:
            tcp = asyncio.run(_over_tcp(folder, each))
            lines = {str(baud): asyncio.run(_on_line(folder, baud, each)) for baud in BAUDS}
            shares = _shares(folder, 2 * each)
        except (LinkError, ModbusException, OSError) as fault:
            raise BenchError(str(fault)) from fault
    worst = min(lines.values(), key=lambda found: found["ratio"])
    return {
        "tcp_per_s": tcp["per_s"],
        "tcp_ratio": tcp["ratio"],
        "pymodbus_tcp_per_s": tcp["pymodbus_per_s"],
        "rtu_per_s": worst["per_s"],
        "rtu_ratio": worst["ratio"],
        "pymodbus_rtu_per_s": worst["pymodbus_per_s"],
        **shares,
        "units": UNITS,
        "registers": REGISTERS,
        "rtu": lines,
    }


async def _over_tcp(folder: Path, seconds: float) -> dict[str, float]:
    with _devices(folder, "tcp") as told:
        host, port = told["tcp"].split(":")
        driver = _driver(folder, "modbus+tcp", {"host": host, "port": int(port)})
        client = AsyncModbusTcpClient(host, port=int(port), timeout=TIMEOUT_S, retries=0)
        return await _beside(driver, client, seconds, SLICE_S)


async def _on_line(folder: Path, baud: int, seconds: float) -> dict[str, float]:
    paced = ["--pty", "--baud", str(baud)]
    with _devices(folder, "ours", paced) as ours, _devices(folder, "theirs", paced) as theirs:
        options = {"path": ours["pty"], "baud": baud, "parity": "none", "stopbits": 2}
        driver = _driver(folder, "modbus+rtu", options)
        path = theirs["pty"]
        client = AsyncModbusSerialClient(path, baudrate=baud, timeout=TIMEOUT_S, retries=0)
        return await _beside(driver, client, seconds, LINE_SLICE_S)


@contextmanager
def _devices(folder: Path, name: str, options: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Meters in a process of their own, and where they are."""
    output = folder / f"{name}.log"
    command = ["hil.devices.modbus", "--units", str(UNITS), *(options or [])]
    with process(command, output):
        yield first_told(output)


def _driver(folder: Path, scheme: str, where: dict[str, Any], period_ms: int = 1) -> Driver:
    """Ours, for REGISTERS of each unit. A millisecond: as fast as the line gives them."""
    options = where | {"units": f"1-{UNITS}", "map": str(_map(folder, period_ms))}
    return registry.open_driver(Source("bench", scheme, options), _Clock())


def _map(folder: Path, period_ms: int) -> Path:
    points = "".join(
        f'[[point]]\nname = "p{at}"\ntable = "input"\naddress = {FILLER_ADDRESS + at}\n'
        for at in range(REGISTERS)
    )
    path = folder / f"map-{period_ms}.toml"
    path.write_text(f"period_ms = {period_ms}\n{points}", encoding="utf-8")
    return path


async def _beside(
    driver: Driver, client: ModbusBaseClient, seconds: float, slice_s: float
) -> dict[str, float]:
    """Both in slices, in turn. Raises BenchError, LinkError, ModbusException, OSError."""
    try:
        setups = await driver.open()
        configurations = {setup.key: setup.configuration for setup in setups}
        if not await client.connect():
            raise BenchError("pymodbus does not connect")
        ours, theirs = _ours(driver, configurations), _theirs(client)
        await ours(slice_s)
        await theirs(slice_s)
        found: tuple[list[float], list[float]] = ([], [])
        until_s = time.perf_counter() + seconds
        while time.perf_counter() < until_s or not found[0]:
            found[0].append(await ours(slice_s))
            found[1].append(await theirs(slice_s))
    finally:
        client.close()
        await driver.close()
    per_s, peer_per_s = map(statistics.median, found)
    return {
        "per_s": round(per_s, 1),
        "pymodbus_per_s": round(peer_per_s, 1),
        "ratio": round(per_s / peer_per_s, 3),
    }


def _ours(driver: Driver, configurations: dict[str, bytes]) -> Slice:
    async def slice_of(seconds: float) -> float:
        """Transactions a second: those that were answered."""
        before, begun_s = driver.counts.get("answered", 0), time.perf_counter()
        until_s = begun_s + seconds
        while (now_s := time.perf_counter()) < until_s:
            last = (await driver.read())[-1]
        count = driver.counts.get("answered", 0) - before
        if not isinstance(last, Frame) or last.fault is not None:
            raise BenchError(f"our driver hears no exchange: {last}")
        _check(decode(last.kind, configurations[last.key], last.raw), "our driver")
        return count / (now_s - begun_s)

    return slice_of


def _theirs(client: ModbusBaseClient) -> Slice:
    async def slice_of(seconds: float) -> float:
        """Transactions a second."""
        count, begun_s = 0, time.perf_counter()
        until_s = begun_s + seconds
        while (now_s := time.perf_counter()) < until_s:
            unit = count % UNITS + 1
            last = await client.read_input_registers(
                FILLER_ADDRESS, count=REGISTERS, device_id=unit
            )
            if last.isError():
                raise BenchError(f"pymodbus: {last}")
            count += 1
        _check(last.registers, "pymodbus")
        return count / (now_s - begun_s)

    return slice_of


def _check(values: Sequence[Any], who: str) -> None:
    """Whether that is what the devices hold. Raises BenchError."""
    if list(values) != list(range(REGISTERS)):
        raise BenchError(f"{who} reads other registers: {values[:8]}")


def _shares(folder: Path, seconds: float) -> dict[str, Any]:
    """What polling costs of a core: a whole gateway, and the driver alone."""
    with _devices(folder, "polled") as told:
        host, port = told["tcp"].split(":")
        where = {"host": host, "port": int(port)}
        driver = _driver(folder, "modbus+tcp", where, PERIOD_MS)
        driver_share = asyncio.run(_driver_share(driver, seconds / 2))
        options = where | {"units": f"1-{UNITS}", "map": str(_map(folder, PERIOD_MS))}
        source = SourceRequest("meters", "modbus+tcp", options, "Bus 1")
        record_port = free_port()
        toml = make_site(folder, [source], record_port)
        record = ["record.cli", "serve", "--config", str(toml.with_name("record.toml"))]
        with process(record, folder / "record.log"):
            first_line(folder / "record.log")
            command = ["agent.cli", "run", "--config", str(toml)]
            with process(command, folder / "agent.log") as agent:
                share = _gateway_share(agent.pid, toml.with_name("spool.db"), seconds / 2)
    return {"poll_cpu_share": share, "driver_cpu_share": driver_share}


async def _driver_share(driver: Driver, seconds: float) -> float:
    try:
        await driver.open()
        count, begun_s, spent_s = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() < begun_s + seconds:
            count += len(await driver.read())
        spent_s, elapsed_s = time.process_time() - spent_s, time.perf_counter() - begun_s
    finally:
        await driver.close()
    _check_pace(count, elapsed_s)
    return round(spent_s / elapsed_s, 4)


def _gateway_share(pid: int, spool: Path, seconds: float) -> float:
    all_heard(spool, 1)
    time.sleep(WARM_S)
    heard, spent_s, begun_s = status.ask(spool)["heard"], processor_s(pid), time.perf_counter()
    time.sleep(seconds)
    spent_s, elapsed_s = processor_s(pid) - spent_s, time.perf_counter() - begun_s
    _check_pace(status.ask(spool)["heard"] - heard, elapsed_s)
    return round(spent_s / elapsed_s, 4)


def _check_pace(count: int, elapsed_s: float) -> None:
    """Whether all units were polled in their time. Raises BenchError."""
    expected = UNITS * elapsed_s * 1000 / PERIOD_MS
    if abs(count - expected) > 2 * UNITS:
        raise BenchError(f"{count} exchanges in {elapsed_s:.1f} s; {expected:.0f} expected")
