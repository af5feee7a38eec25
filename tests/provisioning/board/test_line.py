"""The technician's end of a board's link: what comes beside an answer is not lost."""

import os
import threading
import tty
from collections.abc import Iterator

import pytest

from firmware_bridge import link
from firmware_bridge.packet import Packer
from provisioning.board.line import CLOCK, NS, Line


def packed(kind: int, body: bytes) -> bytes:
    packer = Packer(64)
    return bytes(packer.buffer[: packer.pack(kind, body)])


@pytest.fixture
def ends() -> Iterator[tuple[int, Line]]:
    near, far = os.openpty()
    tty.setraw(near)
    tty.setraw(far)
    line = Line(os.ttyname(far), 460_800)
    yield near, line
    line.close()
    os.close(near)
    os.close(far)


def answered(near: int, line: Line, octets: bytes) -> tuple[int, bytes] | None:
    """What comes of a HELLO, which is answered by these octets in one piece."""

    def board() -> None:
        os.read(near, 100)
        os.write(near, octets)

    thread = threading.Thread(target=board)
    thread.start()
    found = line.asked(link.HELLO, b"hello", (link.WELCOME,), 5 * NS, 1)
    thread.join(5)
    return found


def test_what_came_with_an_answer_is_heard_next(ends):
    near, line = ends
    data = [packed(link.DATA, b"frame %d" % number) for number in range(3)]
    found = answered(near, line, packed(link.WELCOME, b"one") + b"".join(data))
    assert found == (link.WELCOME, b"one")
    heard = list(line.hear(CLOCK.monotonic_ns() + NS // 2))
    assert heard == [(link.DATA, b"frame %d" % number) for number in range(3)]


def test_an_answer_from_before_the_question_is_not_taken(ends):
    near, line = ends
    both = packed(link.WELCOME, b"one") + packed(link.WELCOME, b"late")
    assert answered(near, line, both) == (link.WELCOME, b"one")
    assert answered(near, line, packed(link.WELCOME, b"two")) == (link.WELCOME, b"two")
