"""SunSpec: devices made of pysunspec2's own models, served by pymodbus, found and read."""

import asyncio
import importlib
import struct
import time
from pathlib import Path

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.line import LinkError
from drivers.modbus import plan, sunspec
from drivers.modbus.sunspec import MARK, Rhythm, discover, point_map
from drivers.modbus.wire import Layout, read_block
from drivers.registry import open_driver
from drivers.values import Value
from hil.devices.modbus.__main__ import rack_of
from hil.devices.modbus.port import LinePort
from tests.drivers.modbus_peer import Clock, counts, opened, runs, source, tcp_server

reference = importlib.import_module("sunspec2.device")  # it has no types
RHYTHM = Rhythm(100, None, 0)


def model(number: int, **values: object) -> bytes:
    """A model as pysunspec2 encodes it; what has no value is not implemented."""
    made = reference.Model(number)
    for name, value in values.items():
        getattr(made, name).value = value
    encoded: bytes = made.get_mb()
    return encoded


COMMON = model(1, Mn="Acme", Md="Meter 9", SN="0042")
INVERTER = model(
    103,
    A=100,
    A_SF=-1,
    PhVphA=2301,
    V_SF=-1,
    W=-1500,
    W_SF=1,
    Hz=5001,
    Hz_SF=-2,
    WH=0,
    WH_SF=0,
    St=4,
    Evt1=3,
)
FLOATS = model(113, A=10.5, PhVphA=230.25, W=-1500.0, Hz=50.01, St=2)
END = b"\xff\xff\0\0"
WANT = {
    "inverter_three_phase.A": 10.0,
    "inverter_three_phase.PhVphA": 230.1,
    "inverter_three_phase.W": -15000,
    "inverter_three_phase.Hz": 50.01,
    "inverter_three_phase.WH": 0,
    "inverter_three_phase.St": "MPPT",
    "inverter_three_phase.Evt1 GROUND_FAULT": True,
    "inverter_three_phase.Evt1 DC_OVER_VOLT": True,
    "inverter_three_phase.Evt1 OVER_TEMP": False,
}


def registers(body: bytes) -> list[int]:
    return list(struct.unpack(f">{len(body) // 2}H", body))


def holding(body: bytes, base: int) -> SimDevice:
    """A device with these registers alone."""
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    there = [SimData(base, values=registers(body), datatype=DataType.REGISTERS)]
    return SimDevice(1, (bits, bits, there, [SimData(0, datatype=DataType.REGISTERS)]))


def reader(body: bytes, base: int = 40000) -> sunspec.Read:
    """The same without a line."""

    async def read(address: int, length: int) -> bytes | None:
        at = 2 * (address - base)
        part = body[at : at + 2 * length] if at >= 0 else b""
        return part if len(part) == 2 * length else None

    return read


async def found(body: bytes) -> dict[str, Value]:
    """Every value of a device, by name and part."""
    read = reader(body)
    values: dict[str, Value] = {}
    for block in plan.blocks(1, "", point_map(await discover(read), RHYTHM)):
        data = await read(block.request.address, block.request.length)
        assert data is not None
        layout = Layout(block)
        for slot, value in zip(layout.slots, layout.values(data), strict=True):
            values[f"{slot.name} {slot.part}".strip()] = value
    return values


@pytest.mark.parametrize("base", [40000, 50000, 0])
def test_a_device_is_found_and_read(tmp_path: Path, base: int):
    @runs
    async def play() -> None:
        async with (
            tcp_server([holding(MARK + COMMON + INVERTER + END, base)]) as port,
            opened(
                source(
                    tmp_path,
                    "modbus+tcp",
                    "",
                    host="127.0.0.1",
                    port=port,
                    sunspec=True,
                    period_ms=50,
                )
            ) as heard,
        ):
            blocks = {setup.blocks[0].station for setup in heard.setups.values()}
            assert blocks == {"Acme Meter 9 0042"}
            values: dict[str, Value] = {}
            for frame in await heard.more(6):
                slots = Layout(read_block(heard.setups[frame.key].configuration)).slots
                for slot, value in zip(slots, heard.values(frame), strict=True):
                    values[f"{slot.name} {slot.part}".strip()] = value
            assert values.items() >= WANT.items()
            assert values["common.SN"] == "0042"
            # Half of the model is not implemented: none of that is a point.
            assert "inverter_three_phase.PPVphAB" not in values
            rates = {setup.rate for setup in heard.setups.values()}
            assert rates == {(20, 1), (1, 3600)}  # the nameplate once an hour

    play()


@runs
async def test_floats_repeated_models_and_models_that_nobody_knows():
    vendor = struct.pack(">HH", 65001, 3) + bytes(6)
    values = await found(MARK + COMMON + FLOATS + vendor + INVERTER + INVERTER + END)
    assert values["inverter_three_phase_float.PhVphA"] == 230.25
    assert values["inverter_three_phase_float.St"] == "SLEEPING"
    assert values["inverter_three_phase#2.W"] == -15000


@runs
async def test_groups_that_repeat():
    """Model 160 says how often its group is there by its length, 705 by points of its own."""
    mppt = model(160)[:20]
    mppt = mppt[:2] + struct.pack(">H", 8 + 40) + struct.pack(">hhhhII", -1, 0, 0, 0, 0, 0)[:12]
    mppt += struct.pack(">HH", 2, 0)
    module = struct.pack(">H16sHHHIIhHI", 1, b"roof", 55, 3800, 2090, 7, 9, 21, 4, 0)
    values = await found(MARK + COMMON + mppt + module + module + END)
    assert values["mppt.module[1].IDStr"] == values["mppt.module[2].IDStr"] == "roof"
    assert values["mppt.module[2].DCA"] == 5.5
    assert values["mppt.module[2].DCV"] == 3800
    assert "mppt.module[3].DCV" not in values


@runs
async def test_a_common_model_without_its_pad():
    short = COMMON[:2] + struct.pack(">H", 65) + COMMON[4 : 4 + 130]
    values = await found(MARK + short + INVERTER + END)
    assert values["common.SN"] == "0042" and values["inverter_three_phase.Hz"] == 50.01


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no SunSpec device"),
        (b"SunX" + COMMON + END, "no SunSpec device"),
        (MARK, "breaks off at 40002"),
        (MARK + COMMON, "breaks off at 40070"),
        (MARK + struct.pack(">HH", 1, 65000), "not credible"),
        (MARK + struct.pack(">HH", 1, 60) + bytes(20), "are in the chain and refused"),
        (MARK + struct.pack(">HH", 65001, 0) * 200, "more than 128 models"),
        (MARK + struct.pack(">HH", 65001, 1) + b"\0\0" + END, "0 points in 1 models"),
        (MARK + END, "0 points in 0 models"),
    ],
)
def test_chains_that_lie(body: bytes, said: str):
    @runs
    async def play() -> None:
        with pytest.raises(LinkError, match=said):
            point_map(await discover(reader(body)), RHYTHM)

    play()


@runs
async def test_any_registers_are_walked_within_bounds():
    """Every model that pysunspec2 knows, full of ones, of sevens, of nothing."""
    folder = Path(str(reference.__file__)).parent / "models" / "json"
    numbers = sorted(int(path.stem[6:]) for path in folder.glob("model_[0-9]*.json"))
    assert len(numbers) > 100
    for number in numbers:
        for filling in (b"\0\1", b"\0\7", b"\0\0", b"\x80\0", b"\xff\xff"):
            body = struct.pack(">HH", number, 200) + filling * 200
            try:
                made = point_map(await discover(reader(MARK + COMMON + body + END)), RHYTHM)
            except LinkError:
                continue
            for block in plan.blocks(1, "", made):
                assert block.request.address >= 40002
                assert block.request.address + block.request.length <= 40002 + 68 + 202


@runs
async def test_a_device_that_is_not_there_yet_is_looked_for_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It refuses everything until it is there; the meter on the same line is read all the while."""
    monkeypatch.setattr("drivers.modbus.driver.SEEK_S", 0.1)
    there = False

    async def refuse(*_: object) -> ExcCodes | None:
        return None if there else ExcCodes.DEVICE_FAILURE

    inverter = holding(MARK + COMMON + INVERTER + END, 40000)
    inverter.action = refuse
    meter = SimDevice(2, holding(b"\0\7", 0).simdata)
    (tmp_path / "m.toml").write_text('period_ms = 20\n[[point]]\nname = "a"\naddress = 0\n')
    options = {"device": [{"unit": 1, "sunspec": True}, {"unit": 2, "map": "m.toml"}]}
    async with tcp_server([inverter, meter]) as port:
        made = source(
            tmp_path, "modbus+tcp", "", host="127.0.0.1", port=port, period_ms=50, **options
        )
        async with opened(made) as heard:
            assert set(heard.setups) == {"unit=2 holding=0+1"}
            assert {heard.values(frame) for frame in await heard.more(20)} == {(7,)}
            there = True
            frame = await heard.until(lambda found: found.key.startswith("unit=1 "))
            assert len(heard.setups) > 2 and None not in heard.values(frame)
            await heard.until(lambda found: found.key == "unit=2 holding=0+1")


@runs
async def test_a_device_that_claims_too_much_costs_nobody_else_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("drivers.modbus.plan.BLOCKS_MAX", 3)
    greedy = holding(MARK + COMMON + INVERTER * 3 + END, 40000)
    meter = SimDevice(2, holding(b"\0\7", 0).simdata)
    (tmp_path / "m.toml").write_text('period_ms = 20\n[[point]]\nname = "a"\naddress = 0\n')
    options = {"device": [{"unit": 1, "sunspec": True}, {"unit": 2, "map": "m.toml"}]}
    async with tcp_server([greedy, meter]) as port:
        made = source(tmp_path, "modbus+tcp", "", host="127.0.0.1", port=port, **options)
        async with opened(made) as heard:
            assert set(heard.setups) == {"unit=2 holding=0+1"}
            assert {heard.values(frame) for frame in await heard.more(3)} == {(7,)}


@runs
async def test_a_line_on_which_nothing_is_found(tmp_path: Path):
    async with tcp_server([holding(b"\0\7", 0)]) as port:
        made = source(tmp_path, "modbus+tcp", "", host="127.0.0.1", port=port, sunspec=True)
        with pytest.raises(LinkError, match="no SunSpec device"):
            await open_driver(made, Clock()).open()


@runs
async def test_late_answers_on_a_serial_line_are_not_taken_for_others(tmp_path: Path):
    """Number and length of a model are reads of one form. Each answer comes after its timeout: two
    tries of the one, and the answer to the second is not that to the other.
    """
    rack = rack_of(("sunspec",), 1)
    port = LinePort(rack, 115_200)
    path = await port.open()
    rack.fault(1, "slowly", 0.001)  # the mark, which comes in time
    rack.fault(1, "late", 0.33, times=3)
    made = source(
        tmp_path,
        "modbus+rtu",
        "",
        path=path,
        baud=115_200,
        parity="none",
        timeout_ms=300,
        sunspec=True,
    )
    try:
        with pytest.raises(LinkError, match="unit 1: no answer"):
            await open_driver(made, Clock()).open()
        rack.mend()
        async with opened(made) as heard:
            assert len(heard.setups) > 1
    finally:
        await port.close()


@runs
async def test_a_unit_that_is_looked_for_slowly_does_not_starve_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It answers late enough to take more than the time between two looks."""
    monkeypatch.setattr("drivers.modbus.driver.SEEK_S", 0.2)
    monkeypatch.setattr("drivers.modbus.driver.SEEK_MAX_S", 0.5)

    async def slowly(*_: object) -> ExcCodes | None:
        await asyncio.sleep(0.15)
        return None

    endless = holding(MARK + struct.pack(">HH", 65001, 0) * 200, 40000)
    endless.action = slowly
    meter = SimDevice(2, holding(b"\0\7", 0).simdata)
    (tmp_path / "m.toml").write_text('period_ms = 20\n[[point]]\nname = "a"\naddress = 0\n')
    options = {"device": [{"unit": 1, "sunspec": True}, {"unit": 2, "map": "m.toml"}]}
    monkeypatch.setattr("drivers.modbus.sunspec.MODELS_MAX", 3)  # while it is opened
    async with tcp_server([endless, meter]) as port:
        made = source(tmp_path, "modbus+tcp", "", host="127.0.0.1", port=port, **options)
        async with opened(made) as heard:
            monkeypatch.setattr("drivers.modbus.sunspec.MODELS_MAX", 128)
            await heard.more(3)
            begun_s = time.monotonic()
            await heard.until(lambda _: time.monotonic() - begun_s > 2)
            reads = sum(heard.values(frame) == (7,) for frame in heard.frames)
            assert reads > 15  # of a hundred: three looks and the breaths between them
            assert counts(heard)["answered"] >= reads
