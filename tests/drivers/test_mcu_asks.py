"""What may be sent to a board: the link's own packets, and nothing that only looks like one."""

import pytest

from drivers import asks
from firmware_bridge.packet import Packer
from tests.recorder import table


def packet(kind: int, body: bytes) -> bytes:
    packer = Packer(64)
    return bytes(packer.buffer[: packer.pack(kind, body)])


PING = packet(4, bytes(12))
REFUSED = {
    "nothing": b"",
    "a boundary": b"\0",
    "no boundary": PING[:-1],
    "what pairs it": packet(0x10, bytes(32)),
    "what is the board's to say": packet(0x82, bytes(40)),
    "longer than it is": packet(4, bytes(13)),
    "another rate": packet(5, bytes(4) + (9_999_999).to_bytes(4, "big")),
    "a rate that no board agrees to": packet(5, bytes(4) + (4800).to_bytes(4, "big")),
    "a bit of it": bytes([*PING[:5], PING[5] ^ 1, *PING[6:]]),
    "another check word": bytes([*PING[:-2], PING[-2] ^ 0x80, 0]),
    "another encoding of it": bytes([*PING[:-6], PING[-6] + 1, *PING[-5:]]),
    "for a device behind it": b"\xaa\x41\0\x12\0\7" + bytes(12),
    "a good one and more": PING + b"open breaker",
    "many": PING * 5,
}


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_else_is_sent_to_a_board(name: str):
    with pytest.raises(asks.AskError):
        asks.send(-1, "mcu", REFUSED[name])
    assert table.name_of(REFUSED[name]) != "board's link" or "rate" in name or name == "many"
