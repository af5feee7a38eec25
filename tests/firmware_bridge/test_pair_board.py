"""A pairing at the board itself: the firmware under a real MicroPython, its link a terminal."""

import contextlib
import json
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nacl import bindings

from firmware_bridge import link, pairing
from firmware_bridge.curve25519 import run
from firmware_bridge.firmware.bridge import FIRMWARE
from firmware_bridge.firmware.pair import OFFERS_MAX
from firmware_bridge.packet import Packer, Unpacker
from hil.station import Station
from tests.firmware_bridge.test_firmware import WAIT_S, data, interpreter


class Technician:
    """Speaks packets on the link of a board, and waits for one of a kind."""

    def __init__(self, station: Station) -> None:
        self.far = station.far
        self._packer, self._unpacker = Packer(link.BODY_MAX_BYTES), Unpacker(link.BODY_MAX_BYTES)
        self._heard: list[tuple[int, bytes]] = []

    def say(self, kind: int, body: bytes) -> None:
        os.write(self.far, bytes(self._packer.buffer[: self._packer.pack(kind, body)]))

    def hears(self, kind: int, wait_s: float = WAIT_S) -> bytes:
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            for index, (said, body) in enumerate(self._heard):
                if said == kind:
                    del self._heard[: index + 1]
                    return body
            if select.select([self.far], [], [], 0.05)[0]:
                self._heard += self._unpacker.feed(os.read(self.far, 4096))
        raise TimeoutError(f"no {kind:#x}: {self._heard}")


@pytest.fixture
def unpaired(tmp_path: Path) -> Iterator[Station]:
    station = Station(tmp_path, interpreter("micropython"), paired=False)
    yield station
    station.close()


def shows(station: Station, code: str) -> None:
    """Waits until the board has printed it."""
    end = time.monotonic() + WAIT_S
    while f"pairing code {code}\n" not in station.said().replace("\r", ""):
        if time.monotonic() > end:
            raise TimeoutError(station.said())
        time.sleep(0.02)


def offered(person: Technician, body: bytes) -> bytes:
    """The answer: a port that has just been opened forgets what came before."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        person.say(pairing.OFFER, body)
        try:
            return person.hears(pairing.ANSWER, 0.5)
        except TimeoutError:
            continue
    raise TimeoutError("no answer to any offer")


def greeted(person: Technician) -> bytes:
    """The answer to a greeting, that is said again until then; no other one is under way."""
    end, found = time.monotonic() + WAIT_S, b""
    while True:
        with contextlib.suppress(TimeoutError):
            if not found:
                person.say(link.HELLO, bytes(8))
            found = person.hears(pairing.UNPAIRED, 0.5)
            continue
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError("no answer to any greeting")


def agreed(station: Station, person: Technician) -> pairing.GatewayEnd:
    """As far as the code, which both show."""
    end = pairing.GatewayEnd(os.urandom(32), os.urandom(16))
    reveal = run(end.answered(offered(person, run(end.offer()))))
    for _ in range(2):  # whoever did not hear that it is shown says it again
        person.say(pairing.REVEAL, reveal)
        assert person.hears(pairing.REVEALED) == b""
    assert end.agreed
    shows(station, end.agreed.code)
    assert station.said().count(f"code {end.agreed.code}") == 1
    return end


def test_a_board_is_paired_and_from_then_on_heard_and_not_paired_again(unpaired, tmp_path):
    person = Technician(unpaired)
    end = agreed(unpaired, person)
    assert not (tmp_path / "keys.json").exists()
    for _ in range(2):  # whoever did not hear it asks again
        person.say(pairing.CONFIRM, end.confirm())
        key = end.paired(person.hears(pairing.PAIRED))
        kept = json.loads((tmp_path / "keys.json").read_text())
        assert bytes.fromhex(kept["key"]) == key
    public, _ = bindings.crypto_sign_seed_keypair(bytes.fromhex(kept["seed"]))
    assert public == bytes.fromhex(kept["public"]) == end.board_public
    person.hears(link.STARTED)
    person.say(pairing.OFFER, bytes(32))
    assert person.hears(pairing.KEYED) == b""
    unpaired.start_gateway(key, public)
    unpaired.until(lambda: unpaired.gateway.greeting is not None, WAIT_S)
    unpaired.say(data(1))
    unpaired.until(lambda: unpaired.bodies() == [data(1)], WAIT_S)


def test_an_unpaired_board_answers_an_offer_and_says_what_it_is(unpaired):
    person = Technician(unpaired)
    agreed(unpaired, person)
    unpaired.kill_board()
    unpaired.start_board()
    assert tuple(greeted(person)) == FIRMWARE
    for kind in (link.PING, link.BAUD, pairing.REVEAL, pairing.CONFIRM, 0, 0xFF):
        person.say(kind, bytes(10))
    with pytest.raises(TimeoutError, match=r": \[\]$"):
        person.hears(-1, 0.2)
    agreed(unpaired, person)


@pytest.mark.parametrize("forged", ["point", "tag", "length"])
def test_a_forged_answer_fails_by_name_and_leaves_no_keys(unpaired, tmp_path, forged):
    person = Technician(unpaired)
    agreed(unpaired, person)
    if forged == "tag":
        person.say(pairing.CONFIRM, bytes(32))
        why = b"same key"
    elif forged == "length":
        person.say(pairing.OFFER, bytes(31))
        why = b"another length"
    else:
        end = pairing.GatewayEnd(os.urandom(32), os.urandom(16))
        run(end.answered(offered(person, run(end.offer()))))
        person.say(pairing.REVEAL, bytes(48))
        why = b"not the point"
    assert why in person.hears(pairing.FAILED)
    assert not (tmp_path / "keys.json").exists()
    agreed(unpaired, person)  # and another may begin


def test_nobody_offers_until_the_code_is_one_that_he_wants(unpaired):
    person = Technician(unpaired)
    answers: set[bytes] = set()
    for one in range(OFFERS_MAX):
        answer = offered(person, bytes([one]) * 32)
        while answer in answers:  # said twice, of the one before
            answer = person.hears(pairing.ANSWER)
        answers.add(answer)
    for _ in range(2):
        person.say(pairing.OFFER, bytes([OFFERS_MAX]) * 32)
        assert b"too often" in person.hears(pairing.FAILED)
    unpaired.kill_board()
    unpaired.start_board()
    agreed(unpaired, person)
