"""A revenue meter in memory: exchanges of Modbus over TCP whose registers say what a test wants.

The map, the request and what is made of both are the shipped driver's; only the wire is left out.
"""

import struct
from dataclasses import replace
from typing import Any

from drivers.modbus import crc, map, plan
from drivers.modbus.adu import Framing
from drivers.modbus.exchange import Exchange
from drivers.modbus.request import encode
from evidence.code import Flag, Kind
from evidence.credential import Terminal
from evidence.descriptor import Channel
from firmware_bridge import frame as board
from tests.record.gateway import GatewayRun, Statement

POINT = """
[[point]]
name = "{name}"
address = {address}
type = "{type}"
unit = "{unit}"
scale = {scale}
"""
CODES = {"u16": "H", "u32": "I", "s32": "i", "u64": "Q", "f32": "f", "f64": "d"}
SIZES = {"u16": 1, "u32": 2, "s32": 2, "u64": 4, "f32": 2, "f64": 4}


class Meter:
    """One meter on a stream of a run: counts into and out of its terminal."""

    def __init__(
        self,
        run: GatewayRun,
        stream: int,
        place: Terminal,
        *,
        type: str = "u32",
        unit: str = "kWh",
        scale: float = 1,
        names: tuple[str, ...] = ("into", "out"),
        directions: tuple[int, ...] = (1, -1),
        accuracy: str = "0.2S",
        source: str = "meter",
        tapped: bool = False,
    ) -> None:
        """`tapped`: a board hears it on a serial line, where somebody else asks."""
        self.run, self.stream = run, stream
        rows = (
            POINT.format(name=name, address=at * SIZES[type], type=type, unit=unit, scale=scale)
            for at, name in enumerate(names)
        )
        (block,) = plan.blocks(1, "meter", map.read_map("refresh_ms = 100\n" + "".join(rows), "m"))
        self._code = f">{len(names)}{CODES[type]}"
        self._chain = board.Chain(bytes(32), bytes(32), 1) if tapped else None
        self._request = encode(Framing.RTU if tapped else Framing.TCP, [block.request])[0]
        self._cfg, self._unit, self._place = block.encoded(), unit, place
        self._names, self._directions, self._accuracy = names, directions, accuracy
        self._source = source

    def describe(self) -> Statement:
        """Its stream."""
        return self.run.describe(
            self.stream,
            self._cfg,
            kind=Kind.MCU_MODBUS if self._chain else Kind.MODBUS,
            channels=[(0, name) for name in self._names],
            source=(self._source, "unit=1"),
            placed=self._placed,
            rate=(0, 0) if self._chain else (1, 60),
        )

    def _placed(self, at: int, row: Channel) -> Channel:
        terminal, node, _ = self._place
        return replace(
            row,
            quantity="analog",
            unit=self._unit,
            phase="",
            node=node,
            terminal=terminal,
            direction=self._directions[at],
            accuracy=self._accuracy,
        )

    def say(self, tai: int, *counts: float, answered: bool = True, **changes: Any) -> None:
        """One exchange, sealed, as a driver stamps it."""
        data = struct.pack(self._code, *counts)
        said = bytes((1, 3, len(data))) + data
        if self._chain is not None:
            asked = self._sealed(self._chain, self._request)
            raw = self._sealed(self._chain, said + crc.crc(said)) + asked
        else:
            answer = self._request[:4] + len(said).to_bytes(2, "big") + said if answered else b""
            times = (tai - 20_000_000, tai + 20_000_000)
            raw = Exchange(Framing.TCP, *times, self._request, answer).raw()
        fields = {"bound": 70_000_000, "flags": int(Flag.AGENT_STAMPED), "heard": 20_000_000}
        self.run.observe(self.stream, raw, tai, **(fields | changes))

    @staticmethod
    def _sealed(chain: board.Chain, body: bytes) -> bytes:
        """The board's frame around what passed."""
        into = bytearray(board.FRAME_MAX_BYTES)
        into[board.HEADER_BYTES : board.HEADER_BYTES + len(body)] = body
        size = chain.seal(into, board.TAPPED, 0, board.CHECKED, 1000, 0, len(body))
        return bytes(into[:size])
