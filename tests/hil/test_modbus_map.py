"""Simulated Modbus devices as our own driver reads them by the maps beside them."""

import asyncio
from pathlib import Path

import pytest

from drivers.decode import compiled
from hil.devices.modbus import meter
from hil.devices.modbus.__main__ import rack_of
from hil.devices.modbus.port import TcpPort
from tests.drivers.modbus_peer import opened, source

SPAN = 20.0  # seconds that it may take


@pytest.mark.parametrize(
    ("kind", "without"), [("meter", {"in"}), ("relay", {"temperature_2", "fault_km"})]
)
def test_what_a_device_never_has_keeps_nothing_from_settling(
    tmp_path: Path, kind: str, without: set[str]
):
    """As its own map has it read."""
    text = Path(meter.__file__).with_name(f"{kind}.toml").read_text(encoding="utf-8")

    async def run() -> None:
        port = TcpPort(rack_of((kind,), 1))
        host, number = await port.open()
        where = {"host": host, "port": number, "units": "1"}
        try:
            async with opened(source(tmp_path, "modbus+tcp", text, **where)) as heard:
                waited = set(heard.setups)
                while waited:
                    (frame, *_) = await heard.more(1)
                    found = compiled(frame.kind, heard.setups[frame.key].configuration)
                    values = found.decode(frame.raw)
                    pairs = zip(found.slots, values, strict=True)
                    missing = {slot.name for slot, value in pairs if value is None}
                    assert missing == (without if "input=" in frame.key else set())
                    assert found.judge((frame.raw,)) == []
                    waited.discard(frame.key)
        finally:
            await port.close()

    asyncio.run(asyncio.wait_for(run(), SPAN))
