"""Pairing: both ends come to the same key, and nobody between them does without being seen."""

import os

import pytest

from firmware_bridge.curve25519 import run
from firmware_bridge.pairing import BoardEnd, GatewayEnd, PairingError

PUBLIC = bytes(range(32))


def ends() -> tuple[GatewayEnd, BoardEnd]:
    gateway = GatewayEnd(os.urandom(32), os.urandom(16))
    return gateway, BoardEnd(os.urandom(32), os.urandom(16), PUBLIC)


def test_both_show_one_code_and_have_one_key():
    gateway, board = ends()
    reveal = run(gateway.answered(run(board.offered(run(gateway.offer())))))
    code = run(board.revealed(reveal))
    assert gateway.agreed and gateway.agreed.code == code and len(code) == 6 and code.isdigit()
    key = board.confirmed(gateway.confirm())
    assert gateway.paired(board.paired()) == key and len(key) == 32
    assert gateway.board_public == PUBLIC


def test_two_pairings_have_nothing_in_common():
    codes = set()
    for _ in range(5):
        gateway, board = ends()
        run(board.revealed(run(gateway.answered(run(board.offered(run(gateway.offer())))))))
        assert gateway.agreed
        codes.add((gateway.agreed.code, gateway.agreed.key))
    assert len(codes) == 5


def test_who_sits_between_shows_two_codes():
    """With a point of one's own to each side, the two codes differ, and the tags fit neither."""
    gateway, board = ends()
    to_gateway, to_board = ends()[1], ends()[0]
    offer = run(gateway.offer())
    forged = run(board.offered(run(to_board.offer())))
    run(to_board.answered(forged))
    reveal = run(gateway.answered(run(to_gateway.offered(offer))))
    run(to_gateway.revealed(reveal))
    code = run(board.revealed(to_board._point + to_board._nonce))
    assert gateway.agreed and gateway.agreed.code != code
    with pytest.raises(PairingError, match="same key"):
        board.confirmed(gateway.confirm())


def test_a_gateway_cannot_choose_its_point_after_it_saw_the_boards():
    gateway, board = ends()
    later = GatewayEnd(os.urandom(32), os.urandom(16))
    run(later.offer())
    answer = run(board.offered(run(gateway.offer())))
    with pytest.raises(PairingError, match="not the point"):
        run(board.revealed(run(later.answered(answer))))


def test_what_is_said_out_of_turn_or_is_no_point_is_refused():
    gateway, board = ends()
    for refused in (
        lambda: board.confirmed(bytes(32)),
        lambda: board.paired(),
        lambda: gateway.confirm(),
        lambda: gateway.paired(bytes(32)),
        lambda: run(board.revealed(bytes(48))),
        lambda: run(board.offered(bytes(31))),
        lambda: run(gateway.answered(bytes(79))),
    ):
        with pytest.raises(PairingError):
            refused()
    run(gateway.offer())
    with pytest.raises(PairingError, match="low order"):
        run(gateway.answered(bytes(80)))


def test_a_board_that_kept_another_key_is_found():
    gateway, board = ends()
    run(board.revealed(run(gateway.answered(run(board.offered(run(gateway.offer())))))))
    board.confirmed(gateway.confirm())
    with pytest.raises(PairingError, match="same key"):
        gateway.paired(bytes(32))
