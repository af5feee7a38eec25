"""Modbus units on a line or behind a host: asked for one register, and whether they are SunSpec.

1. Nothing is sent but reads of holding registers (MODBUS Application Protocol V1.1b3, 6.3), one at
   a time, through drivers.asks; never to unit 0 of a serial line, which is everybody.
2. A unit is there where it answers, be it by an exception of its own; of a gateway, exceptions 10
   and 11 say that there is none behind it.
3. UNITS_MAX units are asked at most, each once; silence costs TIMEOUT_MS unless the URL says other.

How lines are kept, drained and judged is drivers.modbus's.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from drivers import registry, url
from drivers.line import Clock, LinkError, Source
from drivers.modbus import adu, sunspec
from drivers.modbus.adu import Answer, Request
from drivers.modbus.conversation import Target
from drivers.modbus.driver import ModbusDriver, RtuDriver, TcpDriver, TlsDriver
from drivers.modbus.exchange import read_exchange
from drivers.modbus.point import Block
from drivers.modbus.request import encode
from drivers.modbus.value import Layout
from drivers.url import Option
from evidence.config import ConfigError
from evidence.leap import NS
from provisioning.discover.finding import Finding, Found, SearchError, short, url_of

UNITS_MAX = 247  # all that a serial line can have: Serial Line V1.02 2.2
UNITS = "1-32"
TIMEOUT_MS = 500
HOLDING = 3
NOBODY = (10, 11)  # V1.1b3 7: gateway path unavailable, target failed to respond
SCHEMES = {"modbus+tcp", "modbus+tls", "modbus+rtu"}
SECONDS_MAX = 300.0  # of one line
_OURS = ("unit", "units", "sunspec", "map")  # of a URL's options: they say who is asked


class Probe(ModbusDriver):
    """Asks single reads on a line of its own."""

    async def begin(self) -> None:
        """Raises LinkError."""
        self._port = await self._connect()

    async def ask(self, unit: int, address: int, count: int) -> Answer:
        """What comes of one read. Raises LinkError when the line itself fails."""
        if self._port is None:
            raise LinkError("not open")
        request = Request(unit, HOLDING, address, count)
        block = Block("", "", request, sunspec.STATIC_PERIOD_MS, None, 0, None, ())
        target = Target(Layout(block), encode(self.framing, [request])[0])
        now_ns = int(asyncio.get_running_loop().time() * NS)
        talk = self._converse([target], now_ns)
        while not any(frame.fault is None for frame in talk.items):
            await self._step(talk, self._port)
            if self._ended is not None:
                raise self._ended
        frame = next(frame for frame in talk.items if frame.fault is None)
        exchange = read_exchange(frame.raw)
        return adu.answer(self.framing, exchange.request, request, exchange.response)

    async def registers(self, unit: int, address: int, count: int) -> bytes | None:
        """As drivers.modbus.sunspec asks. Raises LinkError."""
        answer = await self.ask(unit, address, count)
        if answer.name not in (adu.ANSWERED, adu.REFUSED):
            raise LinkError(f"unit {unit}: {answer.text()}")
        return answer.data or None


class TcpProbe(Probe, TcpDriver): ...


class TlsProbe(Probe, TlsDriver): ...


class RtuProbe(Probe, RtuDriver): ...


_PROBES: dict[str, type[Probe]] = {
    "modbus+tcp": TcpProbe,
    "modbus+tls": TlsProbe,
    "modbus+rtu": RtuProbe,
}


def line_of(typed: str) -> tuple[Source, tuple[int, ...]]:
    """The line in a URL, and the units that it names: UNITS where it names none. Raises
    ConfigError.
    """
    told = url.read(typed)
    if told.scheme not in SCHEMES:
        raise ConfigError(f"--modbus {typed[:80]!r}", "", f"expected {', '.join(sorted(SCHEMES))}")
    options: dict[str, Option] = {
        key: value for key, value in told.options.items() if key not in _OURS
    }
    units = {key: told.options[key] for key in ("unit", "units") if key in told.options}
    options = {"timeout_ms": TIMEOUT_MS, **options, "sunspec": True}
    options |= units or {"units": UNITS}
    source = Source(typed.partition("?")[0], told.scheme, options)
    devices = registry.options_of(source).devices(f"--modbus {typed[:80]!r}")
    return source, tuple(device.unit for device in devices)[:UNITS_MAX]


async def search(typed: str, clock: Clock, found: Found) -> None:
    """Who answers on that line. Raises SearchError."""
    try:
        source, units = line_of(typed)
        probe = _PROBES[source.scheme](source, clock)
    except ConfigError as fault:
        raise SearchError(str(fault)) from fault
    where = typed.partition("?")[0]
    found.tell(f"{where}: asking {len(units)} units")
    there = 0
    try:
        async with asyncio.timeout(SECONDS_MAX):
            await probe.begin()
            for unit in units:
                there += await _unit(probe, source, where, unit, found)
    except TimeoutError:
        found.tell(f"{where}: not all units were asked in {SECONDS_MAX:.0f} s")
    except LinkError as fault:
        found.add(Finding("modbus", where, f"the line failed: {fault}"))
        return
    finally:
        await probe.close()
    if not there:
        found.add(Finding("modbus", where, f"none of {len(units)} units answers"))


async def _unit(probe: Probe, source: Source, where: str, unit: int, found: Found) -> bool:
    """Whether this one is there."""
    answer = await probe.ask(unit, 0, 1)
    if answer.name == adu.NO_ANSWER.name or answer.code in NOBODY:
        return False
    at = f"{where} unit {unit}"
    if answer.name not in (adu.ANSWERED, adu.REFUSED):
        found.add(Finding("modbus", at, f"something answers, and not well: {answer.text()}"))
        return True
    try:
        models = await sunspec.discover(lambda start, count: probe.registers(unit, start, count))
    except LinkError:
        models = ()
    if not models:
        url_ = _url(source, {"unit": unit, "map": f"unit-{unit}.toml"})
        what = f"Modbus unit {unit} answers ({answer.text()}); not SunSpec"
        needs = f"a point map, unit-{unit}.toml: see drivers/modbus/README.md"
        facts: dict[str, Any] = {"unit": unit, "sunspec": False}
        found.add(Finding("modbus", at, what, url_, f"unit-{unit}", facts, needs=needs))
        return True
    numbers, station = [model.number for model in models], _station(models)
    what = f"Modbus unit {unit}, SunSpec: {station or 'unnamed'}, models {numbers}"
    url_ = _url(source, {"unit": unit, "sunspec": "true"})
    facts = {"unit": unit, "sunspec": True, "station": station, "models": numbers}
    found.add(Finding("modbus", at, what, url_, station or f"unit-{unit}", facts))
    return True


def _station(models: Sequence[sunspec.Model]) -> str:
    """Maker, model and serial number, as far as the common model says."""
    rhythm = sunspec.Rhythm(1000, None, 0)
    try:
        return short(sunspec.point_map(tuple(models), rhythm).station)
    except (LinkError, ImportError):  # pysunspec2 may be missing: then the numbers are all
        return ""


def _url(source: Source, options: dict[str, str | int]) -> str:
    """The line as it was typed, with who is there."""
    place = registry.SCHEMES[source.scheme].place
    given = dict(source.options)
    host, port = given.pop(place.host, ""), given.pop(place.port, "")
    path = given.pop(place.path, "")
    where = f"{host}:{port}" if port else f"{host}{path}"
    kept = {
        key: value
        for key, value in given.items()
        if key not in (*_OURS, "timeout_ms") and isinstance(value, str | int)
    }
    return url_of(source.scheme, where, {**kept, **options})


def check(typed: Sequence[str]) -> None:
    """Before anything is asked. Raises ConfigError."""
    for one in typed:
        line_of(one)
