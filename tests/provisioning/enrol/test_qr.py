"""QR codes of a request, read back by another program (zbarimg), as a camera would."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioning.enrol import parcel, part, qr
from provisioning.source import RequestError
from tests.provisioning.enrol.conftest import Gateway
from tests.provisioning.enrol.desk import Desk

ZBAR_S = 60
PIXELS = 4  # of a module
Program = Callable[[str], Path]


def scanned(program: Program, *pictures: Path) -> bytes:
    """What zbarimg reads, as it prints it."""
    argv = [str(program("zbarimg")), "--quiet", *map(str, pictures)]
    return subprocess.run(argv, stdout=subprocess.PIPE, timeout=ZBAR_S, check=True).stdout


def drawn(shown: str, path: Path) -> Path:
    """A terminal's characters as a picture (PGM): light where a terminal draws."""
    upper, lower = "\u2588\u2580", "\u2588\u2584"
    rows = [
        [255 if sign in half else 0 for sign in line]
        for line in shown.splitlines()
        for half in (upper, lower)
    ]
    wide = [bytes(pixel for pixel in row for _ in range(PIXELS)) for row in rows]
    body = b"".join(row * PIXELS for row in wide)
    path.write_bytes(b"P5 %d %d 255\n" % (len(wide[0]), len(wide) * PIXELS) + body)
    return path


def test_pictures_of_a_request_are_read_back(gateway: Gateway, program: Program) -> None:
    gateway.new()
    picture = gateway.stick / "request.png"
    told = gateway.json("enrol", "request", gateway.folder, "--png", picture)
    pictures = [Path(name) for name in told["pictures"]]
    text = scanned(program, *reversed(pictures))
    packed = (gateway.folder / "enrol-request.gse").read_bytes()
    assert parcel.unpack(text) == parcel.unpack(packed)


def test_an_answer_goes_by_camera_all_the_way(
    gateway: Gateway, desk: Desk, program: Program, tmp_path: Path
) -> None:
    gateway.new()
    gateway.request("--png", str(gateway.stick / "request.png"))
    request = scanned(program, *gateway.stick.glob("request*.png"))
    answer = desk.answer(request)
    pictures = qr.pictures(answer, tmp_path / "answer.png")
    text = scanned(program, *pictures)
    gateway.accept(text, "--fingerprint", desk.root.public.fingerprint)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_codes_on_a_terminal_fit_and_are_read_back(
    program: Program, tmp_path: Path, columns: int
) -> None:
    packed = parcel.pack(bytes(range(256)) * 6)
    pictures = []
    for number, text in enumerate(qr.split(packed, columns)):
        shown = qr.shown(text)
        assert all(len(line) <= columns for line in shown.splitlines())
        pictures.append(drawn(shown, tmp_path / f"{number}.pgm"))
    assert parcel.unpack(scanned(program, *pictures)) == bytes(range(256)) * 6


def test_the_terminal_shows_every_code_with_its_number(gateway: Gateway) -> None:
    gateway.new()
    said = gateway.type("enrol", "request", gateway.folder, "--qr")
    count = len(qr.split((gateway.folder / "enrol-request.gse").read_bytes(), 80))
    assert [f"QR code {at} of {count}" in said for at in range(1, count + 1)] == [True] * count


def test_what_no_number_of_codes_can_hold_is_said() -> None:
    with pytest.raises(RequestError, match="hand over the file"):
        part.split(bytes(1 << 20), 483)
