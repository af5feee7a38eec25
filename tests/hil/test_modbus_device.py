"""Simulated Modbus devices as other people's clients read them: pymodbus and pysunspec2."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from pymodbus.client import (
    AsyncModbusSerialClient,
    AsyncModbusTcpClient,
    AsyncModbusTlsClient,
    ModbusTcpClient,
)
from pymodbus.exceptions import ModbusIOException
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from evidence.leap import BUILT_IN, NS
from hil.devices.modbus import meter, relay
from hil.devices.modbus.__main__ import rack_of
from hil.devices.modbus.port import BITS_A_BYTE, LinePort, TcpPort
from hil.devices.modbus.rack import Rack
from hil.devices.modbus.unit import Sent
from hil.grid import Grid

ROOT = Path(__file__).resolve().parents[2]
NOW = BUILT_IN.tai_ns(1_790_000_000, 123_456_789)
KINDS = ("meter", "relay", "sunspec")
SPAN = 5.0  # seconds that anything may take


def rack(sent: list[Sent], units: int = 3) -> Rack:
    return rack_of(KINDS, units, now=lambda: NOW, tell=sent.append)


def played_with(client: Any, play: Callable[[Any], Awaitable[Any]], port: Any) -> Any:
    """Opens the port and a client on it, within bounds, and closes both."""

    async def run() -> Any:
        address = await port.open()
        try:
            async with asyncio.timeout(4 * SPAN):
                asked = client(address)
                try:
                    assert await asked.connect()
                    return await play(asked)
                finally:
                    asked.close()
        finally:
            await port.close()

    return asyncio.run(run())


def tcp_client(address: tuple[str, int]) -> AsyncModbusTcpClient:
    return AsyncModbusTcpClient(address[0], port=address[1], timeout=SPAN, retries=0)


def serial_client(path: str) -> AsyncModbusSerialClient:
    return AsyncModbusSerialClient(path, baudrate=115_200, timeout=SPAN, retries=0)


async def everything(client: Any) -> dict[str, list[Any]]:
    """What three devices say of themselves."""
    return {
        "meter": (await client.read_input_registers(meter.MEASUREMENTS, count=41)).registers,
        "relay": (await client.read_input_registers(0, count=22, device_id=2)).registers,
        "contacts": (await client.read_discrete_inputs(0, count=8, device_id=2)).bits,
        "outputs": (await client.read_coils(1, count=3, device_id=2)).bits[:3],
        "plate": (await client.read_holding_registers(0, count=8, device_id=2)).registers,
    }


@pytest.mark.parametrize("kind", ["tcp", "tls", "pty"])
def test_pymodbus_reads_what_the_grid_has(kind: str):
    sent: list[Sent] = []
    port: TcpPort | LinePort = TcpPort(rack(sent))
    client: Callable[[Any], Any] = tcp_client
    if kind == "pty":
        port, client = LinePort(rack(sent), 115_200), serial_client
    elif kind == "tls":
        authority = trustme.CA()
        server, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), None
        authority.issue_cert("localhost").configure_cert(server)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        port = TcpPort(rack(sent), "localhost", 0, server)

        def client(address: Any) -> Any:
            return AsyncModbusTlsClient("localhost", port=address[1], sslctx=trusting)

    found = played_with(client, everything, port)
    instant = sent[0].measured_tai
    assert instant == NOW - NOW % meter.REFRESH_NS
    reading = Grid().measured(instant, 1, 1)
    convert, types = AsyncModbusTcpClient.convert_from_registers, AsyncModbusTcpClient.DATATYPE
    read = found["meter"]
    assert convert(read[0:2], types.UINT32) == 1  # its first answer
    assert convert(read[2:6], types.UINT64) == BUILT_IN.utc_ns(instant) // 1_000_000
    assert convert(read[6:8], types.FLOAT32) == pytest.approx(abs(reading.voltages[0]))
    assert convert(read[28:30], types.FLOAT32) == pytest.approx(reading.frequency_hz)
    assert convert(read[30:34], types.UINT64) == meter.WH_START[0]
    at = sent[1].measured_tai
    reading = Grid().measured(at, 2, 2)
    read = found["relay"]
    assert read[4] == round(abs(reading.voltages[0]) / relay.VOLT)
    assert read[10] == round(reading.frequency_hz / relay.HZ)
    assert read[14] == 0x8000  # the sensor that is not there
    assert (read[15], read[16]) == (41, 0)  # swapped words
    assert read[18] == 2026 - 2000
    assert found["contacts"] == [True, False, False, True, True, False, False, False]
    assert found["outputs"] == [False, False, False]
    assert bytes.fromhex("".join(f"{word:04x}" for word in found["plate"])) == (
        b"Gridseal bench\0\0"
    )


def test_what_is_not_there_and_what_would_write_is_refused():
    made = rack([])

    async def play(client: Any) -> None:
        assert (await client.read_input_registers(21, count=2, device_id=2)).exception_code == 2
        assert (await client.read_input_registers(9_000, count=1)).exception_code == 2
        assert (await client.write_register(0, 7)).exception_code == 1
        assert (await client.write_coil(0, True, device_id=2)).exception_code == 1
        assert (await client.write_registers(0, [7, 8])).exception_code == 1
        assert (await client.read_coils(0, count=1, device_id=77)).exception_code == 11

    played_with(tcp_client, play, TcpPort(made))
    assert made.report()["writes"] == 3
    assert made.report()["foreign"] == 1
    assert made.report()["sent"] == 0


def test_a_trip_shows_in_contacts_and_in_the_status_word():
    made = rack([])
    breaker = made.units[2].content
    assert isinstance(breaker, relay.Relay)
    breaker.trip()

    async def play(client: Any) -> None:
        bits = (await client.read_discrete_inputs(0, count=3, device_id=2)).bits[:3]
        assert bits == [False, True, True]
        words = (await client.read_input_registers(0, count=22, device_id=2)).registers
        assert words[2] & 7 == 0b110
        assert words[7:10] == [0, 0, 0]
        assert (words[15], words[17]) == (42, 127)

    played_with(tcp_client, play, TcpPort(made))


def test_registers_change_with_the_refresh_and_answers_are_numbered():
    sent: list[Sent] = []
    now = [NOW]
    made = rack_of(("meter",), now=lambda: now[0], tell=sent.append)
    for ahead_ms in (0, 50, 199, 3_600_000):
        now[0] = NOW - NOW % meter.REFRESH_NS + ahead_ms * 1_000_000
        made.units[1].answer(bytes.fromhex("04 0bb8 0029"))
    assert [item.sequence for item in sent] == [1, 2, 3, 4]
    assert [int.from_bytes(item.data[:4], "big") for item in sent] == [1, 2, 3, 4]
    assert len({item.measured_tai for item in sent}) == 2
    assert sent[0].data[4:] == sent[2].data[4:]
    energy = [int.from_bytes(item.data[60:68], "big") for item in sent]
    watts = abs(Grid().measured(sent[3].measured_tai, 1, 1).voltages[0])
    assert energy[3] > energy[0] + watts  # an hour of hundreds of megawatts


def test_pysunspec2_discovers_the_meter():
    program = [sys.executable, "-m", "hil.devices.modbus", "--kind", "sunspec", "--seconds", "20"]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            host, port = json.loads(running.stdout.readline())["tcp"].split(":")
            device = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr=host, ipport=int(port))
            device.scan()
            common, wye = device.common[0], device.models[203][0]
            device.close()
        finally:
            running.terminate()
            running.communicate()
    assert (common.Mn.value, common.Md.value) == ("Gridseal bench", "SunSpec meter")
    reading = Grid().truth(0, 1)
    assert wye.PhVphA.cvalue == pytest.approx(abs(reading.voltages[0]), rel=0.01)
    assert wye.PhVphAB.cvalue == pytest.approx(345_000, rel=0.02)
    assert wye.Hz.cvalue == pytest.approx(60, abs=0.2)
    assert 90 < wye.PF.cvalue <= 100
    assert wye.W.cvalue == pytest.approx(wye.VA.cvalue * wye.PF.cvalue / 100, rel=0.01)
    assert wye.TotWhExp.value is None  # not counted
    assert wye.TotWhImp.cvalue == 4.2e9


def test_a_fault_is_for_one_answer_of_one_unit():
    made = rack([])
    made.fault(1, "exception", 6, times=2)

    async def play(client: Any) -> None:
        for refused in (True, True, False):
            answer = await client.read_input_registers(meter.MEASUREMENTS, count=2)
            assert answer.isError() is refused
        made.fault(1, "no-answer")
        other = await client.read_input_registers(0, count=2, device_id=2)
        assert not other.isError()
        made.mend()
        assert not (await client.read_input_registers(meter.MEASUREMENTS, count=2)).isError()

    played_with(tcp_client, play, TcpPort(made))
    assert made.units[1].counts.faults == 2
    for wrong in ((1, "no-answr"), (9, "late"), (1, "late", 0.0, 0)):
        with pytest.raises(ValueError, match=r"expected|not here"):
            made.fault(*wrong)


def test_a_late_answer_is_overtaken():
    made = rack([])
    made.fault(1, "late", 1.0)

    async def play(client: Any) -> None:
        asked = client.read_input_registers(meter.MEASUREMENTS, count=2)
        late = asyncio.ensure_future(asked)
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection(client.comm_params.host, port_of(client))
        writer.write(bytes.fromhex("0102 0000 0006 01 04 0bb8 0002"))
        await reader.readexactly(13)
        assert not late.done()
        assert not (await late).isError()
        writer.close()

    played_with(tcp_client, play, TcpPort(made))


def port_of(client: Any) -> int:
    return int(client.comm_params.port)


def test_a_connection_that_ends_in_the_middle():
    made = rack([])
    made.fault(1, "hang-up")

    async def play(client: Any) -> None:
        reader, writer = await asyncio.open_connection(client.comm_params.host, port_of(client))
        writer.write(bytes.fromhex("0102 0000 0006 01 04 0bb8 0029"))
        assert await reader.read() == bytes.fromhex("0102 0000 0055 01 04 52") + b"\0\0\0\1" + (
            await expected(made)
        )
        writer.close()

    async def expected(made: Rack) -> bytes:
        return made.units[1].answer(bytes.fromhex("04 0bb8 0029"))[6:][: 91 // 2 - 13]

    played_with(tcp_client, play, TcpPort(made))


def test_a_serial_line_takes_its_time(tmp_path: Path):
    """41 registers at 9,600 baud: eight bytes there, 87 back, none of them before its time."""
    made = rack([])
    made.fault(1, "no-answer")
    loop_s: list[float] = []

    async def play(client: Any) -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(ModbusIOException):
            await client.read_input_registers(meter.MEASUREMENTS, count=2)
        begun_s = loop.time()
        assert not (await client.read_input_registers(meter.MEASUREMENTS, count=41)).isError()
        loop_s.append(loop.time() - begun_s)

    def client(path: str) -> AsyncModbusSerialClient:
        return AsyncModbusSerialClient(path, baudrate=9600, timeout=1.0, retries=0)

    played_with(client, play, LinePort(made, 9600, tmp_path / "ttyUSB0"))
    assert loop_s[0] >= (8 + 3.5 + 87) * BITS_A_BYTE / 9600


def test_a_serial_line_that_is_pulled_out_and_plugged_in(tmp_path: Path):
    made = rack([])
    port = LinePort(made, 0, tmp_path / "ttyUSB0")
    gone: list[bool] = []

    async def play() -> None:
        for _ in range(2):
            path = await port.open()
            assert path == str(tmp_path / "ttyUSB0")
            client = serial_client(path)
            assert await client.connect()
            assert not (await client.read_input_registers(meter.MEASUREMENTS, count=41)).isError()
            client.close()
            port.pull()
            gone.append("ttyUSB0" not in os.listdir(tmp_path))
        await port.close()

    asyncio.run(asyncio.wait_for(play(), 4 * SPAN))
    assert gone == [True, True]


def test_noise_on_a_serial_line_is_passed_over():
    made = rack([])
    port = LinePort(made, 0)

    async def play(client: Any) -> None:
        fd = os.open(client.comm_params.host, os.O_RDWR | os.O_NOCTTY)
        os.write(fd, b"\xff\x00\x31")
        await asyncio.sleep(0.05)
        os.close(fd)
        assert not (await client.read_input_registers(meter.MEASUREMENTS, count=2)).isError()

    played_with(serial_client, play, port)
    assert made.report()["bad"]


def test_the_program(tmp_path: Path):
    """First and last line of the standard output, faults by the standard input, the journal."""
    journal = tmp_path / "sent"
    program = [
        *(sys.executable, "-m", "hil.devices.modbus", "--kind", "relay,meter", "--units", "4"),
        *("--unit", "11", "--stdin", "--sent", str(journal)),
    ]
    with subprocess.Popen(
        program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            told = json.loads(running.stdout.readline())
            assert told["units"] == [11, 12, 13, 14]
            host, port = told["tcp"].split(":")
            running.stdin.write("12 exception 6 1000\nno such thing\n")
            running.stdin.flush()
            with ModbusTcpClient(host, port=int(port), timeout=SPAN) as client:
                refused = False
                for _ in range(200):
                    answer = client.read_input_registers(meter.MEASUREMENTS, count=2, device_id=12)
                    if refused := answer.isError():
                        break
                assert refused
                words = client.read_input_registers(0, count=22, device_id=11).registers
            running.send_signal(signal.SIGTERM)
            counted = json.loads(running.stdout.read())
        finally:
            running.kill()
    lines = [line.split() for line in journal.read_text(encoding="ascii").splitlines()]
    assert len(lines) == counted["sent"]
    unit, sequence, measured, data = lines[-1]
    assert (unit, sequence) == ("11", "1")
    assert abs(int(measured) - _now()) < 60 * NS
    assert data == "".join(f"{word:04x}" for word in words)


def _now() -> int:
    from hil.devices.pace import tai_now

    return tai_now()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kind", "metre"], "--kind metre; meter, relay, sunspec expected"),
        (["--units", "300"], "1 to 247 expected"),
        (["--tcp", "nowhere"], "HOST:PORT expected"),
        (["--pty", "--baud", "3"], "3 baud"),
    ],
)
def test_options_are_refused(options: list[str], said: str):
    program = [sys.executable, "-m", "hil.devices.modbus", *options]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
