"""A board that seals and signs, and a record that has its frames: what tests share."""

import struct
from collections.abc import Sequence
from pathlib import Path

from drivers.c37118.wire import Layout
from evidence.code import Kind
from evidence.key import Ed25519Key
from firmware_bridge import frame as board
from record.cli import main
from tests.record.gateway import (
    START,
    Gateway,
    GatewayRun,
    Statement,
    cfg_bytes,
    configuration,
    frame,
    key,
)
from tests.record.test_audit import anchors_text
from tests.record.upstream import AUTHORITY, Upstream

HMAC_KEY = bytes(range(32))
BOARD, OTHER = key("board"), key("another board")
TAPPED = [frame(Layout(configuration(3)), number) for number in range(4)]


class Sealed:
    """One boot of a board; `frames` is what it sealed."""

    def __init__(self, signer: Ed25519Key = BOARD, boot: int = 1, of: bytes = b"") -> None:
        self.public = of or signer.public.raw
        self.signer, self.chain = signer, board.Chain(HMAC_KEY, self.public, boot)
        self.frames: list[bytes] = []

    def say(self, body: bytes, kind: int = board.TAPPED) -> bytes:
        into = bytearray(board.FRAME_MAX_BYTES)
        into[board.HEADER_BYTES : board.HEADER_BYTES + len(body)] = body
        size = self.chain.seal(into, kind, 0, board.CHECKED, 1000, 0, len(body))
        self.frames.append(bytes(into[:size]))
        return self.frames[-1]

    def head(self, seq: int | None = None, link: bytes | None = None) -> bytes:
        """Of the link after its newest frame, where a test says no other."""
        seq = self.chain.seq - 1 if seq is None else seq
        link = self.chain.link if link is None else link
        message = board.head_message(self.public, self.chain.boot, seq, link)
        body = struct.pack(board.HEAD_BODY, seq, link, self.signer.sign(message))
        return self.say(body, board.HEAD)

    def rounds(self, many: int) -> "Sealed":
        """So many frames, a head after every fourth."""
        for number in range(many):
            self.say(b"%d" % number)
            if number % 4 == 3:
                self.head()
        return self


def tap(run: GatewayRun) -> Statement:
    """What describes the tapped PMU's stream."""
    cfg = cfg_bytes(configuration(3))
    return run.describe(1, cfg, kind=Kind.MCU_C37118, source=("relay", "tap=0,idcode=7"))


def own(run: GatewayRun) -> Statement:
    """What describes the board's own."""
    source = ("relay", "board")
    return run.describe(2, BOARD.public.raw, None, Kind.MCU_INFO, (), source)


def observe(run: GatewayRun, frames: Sequence[bytes], tai: int = START) -> GatewayRun:
    for raw in frames:
        run.observe(1 if board.Fields(raw).kind == board.TAPPED else 2, raw, tai=tai)
    return run


def verify(path: Path, boards: str = "") -> int:
    """What the program ends with. `boards`: more of the anchors."""
    anchors = path.with_name("anchors.toml")
    anchors.write_text(anchors_text() + boards)
    return main(["verify", str(path), "--anchors", str(anchors)])


class Kept:
    """A record in which a gateway seals a board's frames: batches reach it in the order of `push`,
    and not of `cut`."""

    def __init__(self, path: Path) -> None:
        self.path, self.upstream = path, Upstream(path)
        self.gateway = Gateway("gw-1", AUTHORITY)
        self.upstream.send(self.gateway.statement)

    def run(self, after: GatewayRun | None = None) -> GatewayRun:
        run = self.gateway.start(after)
        self.upstream.send(run.statement)
        return run

    def verify(self, boards: str = "") -> int:
        """What the program ends with, once all is there. `boards`: more of the anchors."""
        self.upstream.close()
        return verify(self.path, boards)


def filled(path: Path, frames: Sequence[bytes]) -> Kept:
    """All of them in one batch."""
    kept = Kept(path)
    run = kept.run()
    kept.upstream.send(tap(run), own(run))
    kept.upstream.push(observe(run, frames).cut())
    return kept


def tapped() -> Sealed:
    made = Sealed()
    for body in TAPPED:
        made.say(body)
    made.head()
    return made


def long(many: int) -> list[bytes]:
    """So many tapped frames, and a head after every hundredth."""
    made = Sealed()
    for number in range(many):
        made.say(TAPPED[number % 4])
        if number % 100 == 99:
            made.head()
    return made.frames


def named(signer: Ed25519Key) -> str:
    return f'[[board]]\nname = "bay 7"\nkey = "{signer.public.raw.hex()}"\n'
