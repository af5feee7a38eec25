"""The driver against pymodbus's own servers, over TCP, TLS and a serial line, good and bad."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from drivers.decode import compiled
from drivers.line import Frame, LinkError, Setup
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.wire import read_exchange
from drivers.registry import line_load, open_driver
from evidence.code import Class, Flag, Kind, Reason
from evidence.config import ConfigError
from tests.drivers.modbus_peer import (
    METER,
    WAIT_S,
    Clock,
    Heard,
    device,
    only,
    opened,
    rtu_server,
    runs,
    source,
    tcp_server,
    tls_server,
)

FAST = "unit=1 holding=0+3"
SLOW = "unit=1 holding=3+1 group=slow"
COIL = "unit=1 coil=5+1"


def counts(heard: Heard) -> dict[str, int]:
    assert isinstance(heard.driver, ModbusDriver)
    return dict(heard.driver.counts)


def verdict(heard: Heard, frame: Frame) -> list[tuple[Class, Reason]]:
    found = compiled(frame.kind, heard.setups[frame.key].configuration)
    return found.judge(tuple(frame.raw[at : at + size] for at, size in found.judge.slices))


def answered(heard: Heard, key: str) -> object:
    """A test whether a frame is one of that stream, with values."""
    return lambda f: f.fault is None and f.key == key and heard.values(f)[0] is not None


async def check_meter(heard: Heard) -> None:
    """Every block of the map, polled in its own rhythm, with what the device holds."""
    assert set(heard.setups) == {FAST, SLOW, COIL}
    assert heard.setups[FAST].rate == (20, 1) and heard.setups[SLOW].rate == (5, 2)
    frames = await heard.more(20)
    assert all(frame.fault is None and frame.kind == Kind.MODBUS for frame in frames)
    values = {frame.key: heard.values(frame) for frame in frames}
    assert values == {FAST: (230.5, 12.3), SLOW: (True, 5), COIL: (True,)}
    by_key = {key: sum(frame.key == key for frame in frames) for key in values}
    assert by_key[SLOW] < by_key[FAST] / 2
    assert not any(verdict(heard, frame) for frame in frames)
    for frame in frames:
        exchange = read_exchange(frame.raw)
        assert frame.flags == Flag.AGENT_STAMPED
        # The middle of [request - refresh - filter, response]; half of it, and the clock's 1 us.
        first = exchange.asked_tai - 140_000_000
        assert frame.tai == (first + exchange.heard_tai) // 2
        assert frame.bound == (exchange.heard_tai - first + 1) // 2 + 1000


@runs
async def test_tcp(tmp_path: Path):
    async with (
        tcp_server([device(1)]) as port,
        opened(source(tmp_path, "modbus+tcp", host="127.0.0.1", port=port)) as heard,
    ):
        await check_meter(heard)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@runs
async def test_tls(tmp_path: Path, version: ssl.TLSVersion):
    """Both certificates are asked for, and one that another authority signed is refused."""
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    ours = authority.issue_cert("gateway.example")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "ours.pem")
    options = {"host": "127.0.0.1", "ca": "ca.pem", "certificate": "ours.pem"}
    async with tls_server([device(1)], context) as port:
        made = source(tmp_path, "modbus+tls", **options, port=port)
        async with opened(made) as heard:
            await check_meter(heard)
        for wrong in ({"ca": "stranger.pem"}, {"server_name": "other.example"}):
            made = source(tmp_path, "modbus+tls", **(options | wrong), port=port)
            with pytest.raises(LinkError, match="its certificate does not hold"):
                await open_driver(made, Clock()).open()
        made = source(tmp_path, "modbus+tls", **options | {"ca": "none.pem"}, port=port)
        with pytest.raises(ConfigError, match="ca"):
            await open_driver(made, Clock()).open()


@pytest.mark.parametrize("echo", [False, True])
@runs
async def test_serial(tmp_path: Path, echo: bool):
    """With a transceiver that lets us hear ourselves, told or not."""
    for told in {False, echo}:
        async with rtu_server([device(1)], echo=echo) as path:
            made = source(tmp_path, "modbus+rtu", path=path, baud=115200, echo=told)
            async with opened(made) as heard:
                await check_meter(heard)


@runs
async def test_many_units_on_one_connection(tmp_path: Path):
    """Twenty, of which one is not there: it costs the others nothing for long, and says so."""
    units = [device(unit, current=unit) for unit in range(1, 21) if unit != 7]
    async with tcp_server(units) as port:
        made = source(tmp_path, "modbus+tcp", host="127.0.0.1", port=port, units="1-20")
        async with opened(made) as heard:
            frames = await heard.more(400)
            last = {frame.key: heard.values(frame) for frame in frames if "+3" in frame.key}
    for unit in range(1, 21):
        current = None if unit == 7 else unit / 10
        assert last[f"unit={unit} holding=0+3"][1] == current


@runs
async def test_several_requests_in_flight(tmp_path: Path):
    """Four at a time, answered backwards; pymodbus's server takes one, so this is one of our own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asks = [await reader.readexactly(12) for _ in range(4)]
                for ask in reversed(asks):
                    size = 2 * int.from_bytes(ask[10:12], "big")
                    writer.write(_reply(ask)[:-size] + ask[6:7] * size)
        except asyncio.IncompleteReadError:
            writer.close()

    text = 'period_ms = 50\n[[point]]\nname = "a"\naddress = 0\n'
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = source(
        tmp_path, "modbus+tcp", text, host="127.0.0.1", port=port, units="1-8", in_flight=4
    )
    async with server, opened(made) as heard:
        for frame in await heard.more(64):
            unit = frame.raw[25]
            assert frame.key == f"unit={unit} holding=0+1"
            assert heard.values(frame) == (unit << 8 | unit,)
        assert set(counts(heard)) == {"answered"}


@runs
async def test_a_unit_that_never_answers_does_not_starve_the_others(tmp_path: Path):
    """On a serial line: it is asked ever more seldom."""
    async with rtu_server([device(1), device(3)], only(1, 3)) as path:
        made = source(tmp_path, "modbus+rtu", path=path, baud=115200, units="1-3", timeout_ms=100)
        async with opened(made) as heard:
            frames = [frame for frame in await heard.more(150) if frame.fault is None]
            told = counts(heard)
    dead = [frame for frame in frames if frame.key.startswith("unit=2 ")]
    assert 3 <= len(dead) < 25
    assert told["no_answer"] == len(dead) and told["polls_rested"]
    for frame in dead:
        assert set(heard.values(frame)) == {None}
        assert read_exchange(frame.raw).response == b""
        assert verdict(heard, frame) == [(Class.DATA_INVALID, Reason.NOT_ANSWERED)]


@runs
async def test_an_exception_is_a_sample(tmp_path: Path):
    """Registers that are not there: refused, sealed, and the others read on."""
    text = METER + '\n[[point]]\nname = "nowhere"\naddress = 900\n'
    async with (
        tcp_server([device(1)]) as port,
        opened(source(tmp_path, "modbus+tcp", text, host="127.0.0.1", port=port)) as heard,
    ):
        frame = await heard.until(lambda found: found.key == "unit=1 holding=900+1")
        assert heard.values(frame) == (None,)
        assert read_exchange(frame.raw).response.hex()[-6:] == "018302"  # illegal data address
        assert verdict(heard, frame) == [(Class.DATA_INVALID, Reason.NOT_ANSWERED)]
        await heard.until(answered(heard, FAST))
        assert counts(heard)["exception"] >= 1


@runs
async def test_a_sentinel_is_an_invalid_point(tmp_path: Path):
    async with (
        tcp_server([device(1, current=65535)]) as port,
        opened(source(tmp_path, "modbus+tcp", host="127.0.0.1", port=port)) as heard,
    ):
        frame = await heard.until(lambda found: found.key == FAST)
        assert heard.values(frame) == (230.5, None)
        assert verdict(heard, frame) == [(Class.DATA_INVALID, Reason.POINT_INVALID)]


class Hurt:
    """What a line does to what passes, once in so many times."""

    def __init__(self, every: int, how: str) -> None:
        self.every, self.how, self.seen = every, how, 0

    def __call__(self, data: bytes) -> bytes:
        self.seen += 1
        if self.seen % self.every or not data:
            return data
        match self.how:
            case "flip":
                return data[:-3] + bytes([data[-3] ^ 4]) + data[-2:]
            case "cut":
                return data[:-2]
            case "noise":
                return b"\xff\x00" + data
            case "lose":
                return b""
        return data


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ("flip", "check_word"),
        ("cut", "short_answer"),
        ("noise", "garbage"),
        ("lose", "no_answer"),
    ],
)
@runs
async def test_what_a_serial_line_does_to_answers(tmp_path: Path, how: str, name: str):
    """It is named, the points of that exchange are invalid, and the next ones are right."""
    async with rtu_server([device(1)], up=Hurt(4, how)) as path:
        made = source(tmp_path, "modbus+rtu", path=path, baud=115200, timeout_ms=150)
        async with opened(made) as heard:
            frames = await heard.more(24)
            told = counts(heard)
    assert told[name] >= 3
    good = [frame for frame in frames if frame.fault is None]
    values = {key: {heard.values(f) for f in good if f.key == key} for key in (FAST, SLOW, COIL)}
    failed = {(None, None), (None,)}
    assert values[FAST] - failed == {(230.5, 12.3)} and values[COIL] - failed == {(True,)}
    if how == "noise":
        assert {f.fault.fault for f in frames if f.fault} == {"garbage"}
        assert not any(None in heard.values(frame) for frame in good)
    else:
        assert any(None in heard.values(frame) for frame in good)


@runs
async def test_nobody_answers(tmp_path: Path):
    """Each request is a sample; after a while the line is given up, in words."""
    async with rtu_server([device(9)], only(9)) as path:
        made = source(tmp_path, "modbus+rtu", path=path, baud=115200, timeout_ms=50, silence_s=0.5)
        async with opened(made) as heard:
            with pytest.raises(LinkError, match="nobody has answered for"):
                await heard.more(10_000)
    assert heard.frames
    assert all(set(heard.values(frame)) == {None} for frame in heard.frames)


@runs
async def test_a_server_that_hangs_up(tmp_path: Path):
    """What was out is told as not answered, then the line as failed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(12)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(source(tmp_path, "modbus+tcp", host="127.0.0.1", port=port)) as heard:
        with pytest.raises(LinkError, match="closed by the peer"):
            await heard.more(10)
    assert [heard.values(frame)[0] for frame in heard.frames] == [None]


@runs
async def test_answers_over_tcp_that_are_none(tmp_path: Path):
    """Another transaction, another unit, too short, no MBAP: each is named; then all is well."""
    told = [
        lambda ask: b"\x7f\x7f" + _reply(ask)[2:],
        lambda ask: _reply(ask)[:6] + b"\x09" + _reply(ask)[7:],
        lambda ask: _reply(ask)[:-2],
        lambda ask: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ]
    turn = iter(told)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                ask = await reader.readexactly(12)
                writer.write(next(turn, _reply)(ask))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = source(
        tmp_path,
        "modbus+tcp",
        '[[point]]\nname = "a"\naddress = 0\n',
        host="127.0.0.1",
        port=port,
        timeout_ms=200,
    )
    async with server, opened(made) as heard:
        await heard.until(answered(heard, "unit=1 holding=0+1"))
        found = counts(heard)
    assert found["crossed_answer"] == found["wrong_unit"] == found["short_answer"] == 1
    assert found["no_answer"] == 1  # to whom another transaction was answered
    assert found["not_modbus"] == found["answered"] == 1


def _reply(ask: bytes) -> bytes:
    size = 2 * int.from_bytes(ask[10:12], "big")
    return ask[:4] + (3 + size).to_bytes(2, "big") + ask[6:8] + bytes([size]) + bytes(size)


@runs
async def test_a_slow_line_skips_polls_and_says_so(tmp_path: Path):
    """A device that takes four periods to answer: no arrears, every skipped poll counted."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                ask = await reader.readexactly(12)
                await asyncio.sleep(0.08)
                writer.write(_reply(ask))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    text = 'period_ms = 20\n[[point]]\nname = "a"\naddress = 0\n'
    made = source(tmp_path, "modbus+tcp", text, host="127.0.0.1", port=port)
    async with server, opened(made) as heard:
        await heard.more(6)
        assert counts(heard)["polls_skipped"] >= 12
        assert counts(heard)["answered"] == 6


@runs
async def test_a_reader_that_is_cancelled_loses_nothing(tmp_path: Path):
    async with (
        tcp_server([device(1)]) as port,
        opened(source(tmp_path, "modbus+tcp", host="127.0.0.1", port=port)) as heard,
    ):
        for _ in range(30):
            try:
                async with asyncio.timeout(0.003):
                    heard.frames += [f for f in await heard.driver.read() if isinstance(f, Frame)]
            except TimeoutError:
                pass
        await heard.more(3)
        numbers = [int.from_bytes(read_exchange(f.raw).request[:2], "big") for f in heard.frames]
        assert numbers == list(range(1, len(numbers) + 1))  # each transaction once, in order
        assert set(counts(heard)) == {"answered"}


def test_what_a_line_is_to_carry_is_known_before_it_is_opened(tmp_path: Path):
    """Requests, answers and silence between them, of all units."""
    made = source(tmp_path, "modbus+rtu", path="/dev/none", baud=9600, units="1-4")
    expected = open_driver(made, Clock()).expected()
    assert expected is not None
    # A unit: 3 registers and a coil 20 times a second, a register 2.5 times; 8 bytes of silence.
    assert expected == (4 * (20 * (8 + 11 + 8) + 20 * (8 + 6 + 8) + 2.5 * (8 + 7 + 8)), (1, 1))
    load = line_load(made, *expected)
    assert load is not None and not load.fits()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"map": ""}, "needs a map"),
        ({"sunspec": True}, "not both"),
        ({"units": "1-300"}, "written as"),
        ({"units": "3-1"}, "written as"),
        ({"units": "1,2,2"}, "unit 2 is there twice"),
        ({"units": "0-3"}, "unit 0: 1 to 247"),
        ({"map": "none.toml"}, "No such file"),
        ({"unitt": 3}, "did you mean 'unit'"),
        ({"device": [{"unit": 1, "map": "meter.toml"}]}, "stands beside"),
        ({"bytesize": 7}, "bytesize"),
    ],
)
def test_options_that_are_refused(tmp_path: Path, options: dict[str, object], said: str):
    made = source(tmp_path, "modbus+rtu", **{"path": "/dev/none"} | options)
    with pytest.raises(ConfigError, match=said):
        open_driver(made, Clock()).expected()


@runs
async def test_more_reads_than_a_line_may_have(tmp_path: Path):
    text = "".join(f'[[point]]\nname = "p{n}"\naddress = {n * 100}\n' for n in range(20))
    async with tcp_server([device(1)]) as port:
        made = source(tmp_path, "modbus+tcp", text, host="127.0.0.1", port=port, units="1-13")
        with pytest.raises(ConfigError, match="260 reads in all; at most 256"):
            await open_driver(made, Clock()).open()


@runs
async def test_opening_again_begins_anew(tmp_path: Path):
    async with tcp_server([device(1)]) as port:
        driver = open_driver(source(tmp_path, "modbus+tcp", host="127.0.0.1", port=port), Clock())
        async with asyncio.timeout(WAIT_S):
            first = await driver.open()
            await driver.read()
            assert await driver.open() == first
            assert all(isinstance(setup, Setup) for setup in first)
            await driver.read()
        await driver.close()
        await driver.close()
        with pytest.raises(LinkError, match="not open"):
            await driver.read()
