"""The driver against pymodbus's own servers, over TCP, TLS and a serial line, good and bad."""

import asyncio
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from drivers.line import Frame, LinkError, Setup
from drivers.modbus.wire import read_exchange
from drivers.port import Port
from drivers.registry import open_driver
from evidence.code import Class, Reason
from evidence.config import ConfigError
from tests.drivers.modbus_peer import (
    FAST,
    METER,
    SLOW,
    WAIT_S,
    Clock,
    answered,
    check_meter,
    counts,
    device,
    opened,
    runs,
    source,
    tcp_server,
    tls_server,
    verdict,
)


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
        locked(ours.private_key_pem.bytes(), tmp_path / "locked.pem")
        for wrong, said in (
            ({"ca": "none.pem"}, "ca"),
            ({"key": "locked.pem"}, "ours.pem: no certificate or key"),  # and nobody is asked
            ({"certificate": "", "key": "ours.pem"}, "key: is a key without a certificate"),
        ):
            made = source(tmp_path, "modbus+tls", **options | wrong, port=port)
            with pytest.raises(ConfigError, match=said):
                await open_driver(made, Clock()).open()


@runs
async def test_bytes_that_make_nothing_yet_hold_nobody_up():
    """Half a record of TLS is there, and in time; what it will be nobody waits for without end."""

    class Half(Port):
        def _read(self) -> bytes:
            raise BlockingIOError

    ours, theirs = socket.socketpair()
    port = Half(ours.fileno(), Clock(), ours.close)
    try:
        theirs.send(b"\x17\x03\x03")
        assert await asyncio.wait_for(port.take_within(0.01), WAIT_S) == []
    finally:
        port.close()
        theirs.close()


def locked(key: bytes, path: Path) -> None:
    """The same private key under a pass phrase."""
    private = serialization.load_pem_private_key(key, None)
    text = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    path.write_bytes(text)


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
    """Four at a time, answered backwards. (pymodbus's server answers only one of a segment.)"""

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
        assert set(counts(heard)) <= {"answered", "polls_skipped"}


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


@runs
async def test_an_optional_point_keeps_no_other_from_settling(tmp_path: Path):
    """Its value is None then, and that is all; of any other point a sentinel still counts."""
    text = METER.replace("invalid = [65535]", "invalid = [65535]\noptional = true")
    text += '\n[[point]]\nname = "state too"\naddress = 3\ninvalid = [0x51]\ngroup = "slow"\n'
    async with (
        tcp_server([device(1, current=65535)]) as port,
        opened(source(tmp_path, "modbus+tcp", text, host="127.0.0.1", port=port)) as heard,
    ):
        frame = await heard.until(lambda found: found.key == FAST)
        assert heard.values(frame) == (230.5, None)
        assert verdict(heard, frame) == []
        frame = await heard.until(lambda found: found.key == SLOW)
        assert heard.values(frame)[-1] is None
        assert verdict(heard, frame) == [(Class.DATA_INVALID, Reason.POINT_INVALID)]


def stopped(asked: threading.Event) -> None:
    """As if by a debugger: until the answer is there and every timer of ours is over."""
    assert asked.wait(WAIT_S)
    time.sleep(0.1)


@runs
async def test_it_is_we_who_are_late(tmp_path: Path):
    """An answer that came in time is one, however long the process was stopped meanwhile."""
    text = 'period_ms = 50\n[[point]]\nname = "a"\naddress = 0\n'
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(WAIT_S)

        def serve() -> None:
            line, _ = listening.accept()
            with line:
                line.settimeout(WAIT_S)
                for _ in range(3):
                    ask = line.recv(12)
                    line.sendall(_reply(ask))
                    asked.set()
                line.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        where = {"host": "127.0.0.1", "port": listening.getsockname()[1], "timeout_ms": 50}
        async with opened(source(tmp_path, "modbus+tcp", text, **where)) as heard:
            for _ in range(3):
                asked.clear()
                reading = asyncio.ensure_future(heard.more(1))
                await asyncio.sleep(0)  # the request goes out
                stopped(asked)
                await reading
            assert counts(heard)["answered"] == 3 and "no_answer" not in counts(heard)
        thread.join(WAIT_S)


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
        timeout_ms=1000,
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
        assert set(counts(heard)) <= {"answered", "polls_skipped"}


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
