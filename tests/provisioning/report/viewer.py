"""What a person sees of a PDF, by poppler and zbarimg: text, pages, attachments, codes."""

import re
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import NamedTuple

Program = Callable[[str], Path]
SECONDS = 50


def _ran(*told: str | Path, codes: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(
        list(map(str, told)), capture_output=True, timeout=SECONDS, text=True, check=False
    )
    assert done.returncode in codes, done.stderr
    return done.stdout


def text(program: Program, pdf: bytes, folder: Path, page: int | None = None) -> str:
    """The words of a file, or of one page, with one space between them."""
    at = folder / "seen.pdf"
    at.write_bytes(pdf)
    pages = [] if page is None else ["-f", str(page), "-l", str(page)]
    return " ".join(_ran(program("pdftotext"), *pages, "-layout", at, "-").split())


class Word(NamedTuple):
    """A word where it stands: its page, left and right edge and the page's width, in points."""

    page: int
    text: str
    left: float
    right: float
    width: float


def words(program: Program, pdf: bytes, folder: Path) -> list[Word]:
    at = folder / "seen.pdf"
    at.write_bytes(pdf)
    found: list[Word] = []
    page, width = 0, 0.0
    for line in _ran(program("pdftotext"), "-bbox", at, "-").splitlines():
        if sheet := re.search(r'<page width="([\d.]+)"', line):
            page, width = page + 1, float(sheet.group(1))
        elif word := re.search(r'<word xMin="([\d.-]+)".* xMax="([\d.-]+)".*?>(.*)</word>', line):
            left, right, text = word.groups()
            found.append(Word(page, unescape(text), float(left), float(right), width))
    return found


def info(program: Program, pdf: bytes, folder: Path) -> dict[str, str]:
    at = folder / "seen.pdf"
    at.write_bytes(pdf)
    rows = (line.partition(":") for line in _ran(program("pdfinfo"), at).splitlines())
    return {name: value.strip() for name, _, value in rows}


def attachments(program: Program, pdf: bytes, folder: Path) -> dict[str, bytes]:
    at, out = folder / "seen.pdf", folder / "attached"
    at.write_bytes(pdf)
    out.mkdir(exist_ok=True)
    _ran(program("pdfdetach"), "-saveall", "-o", out, at)
    return {path.name: path.read_bytes() for path in out.iterdir()}


def picture(program: Program, pdf: bytes, folder: Path, page: int = 1, dpi: int = 150) -> Path:
    at, out = folder / "seen.pdf", folder / f"page-{page}-{dpi}"
    at.write_bytes(pdf)
    told = ["-f", str(page), "-l", str(page), "-r", str(dpi), "-gray", "-png", "-singlefile"]
    _ran(program("pdftoppm"), *told, at, out)
    return out.with_suffix(".png")


def codes(program: Program, image: Path) -> list[str]:
    """What the QR codes of a picture say; 4: there are none."""
    return _ran(program("zbarimg"), "--quiet", "--raw", image, codes=(0, 4)).splitlines()
