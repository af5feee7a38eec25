"""QR codes of a file's parts, on a terminal or as pictures, for a phone or a camera to read.

1. A code on a terminal is no wider than the terminal, and small enough for a phone; what does not
   fit is in further codes. A picture has room for larger ones.
2. Error correction is L (7 %): nothing wears off a screen, and fewer codes are scanned sooner.

The only file of this folder that loads `segno`.
"""

from collections.abc import Sequence
from pathlib import Path

import segno

from provisioning.enrol import part
from provisioning.placement import PlacementError

# Characters of an alphanumeric code at level L, by version (ISO/IEC 18004 7.4.10, table 7).
_ROOM = {5: 154, 6: 195, 7: 224, 8: 279, 9: 335, 10: 395, 11: 468, 12: 535, 13: 619, 20: 1249}
_PICTURE = 20  # 97 modules: read from a screen by an ordinary phone at arm's length
_QUIET = 4  # modules around it (ISO/IEC 18004 6.3.8)
_SCALE = 6  # pixels a module
_ERROR = "l"


def split(packed: bytes, columns: int) -> list[str]:
    """Parts whose codes a terminal of so many columns shows, a module a column.

    Raises RequestError.
    """
    fits = [version for version in _ROOM if 17 + 4 * version + 2 * _QUIET <= columns]
    version = max((one for one in fits if one < _PICTURE), default=min(_ROOM))
    return part.split(packed, _ROOM[version])


def shown(text: str) -> str:
    """A part as a code of a terminal's characters, two rows of modules in one."""
    matrix = [list(row) for row in _code(text).matrix_iter(border=_QUIET)]
    matrix += [[0] * len(matrix[0])] * (len(matrix) % 2)
    signs = {(0, 0): "\u2588", (0, 1): "\u2580", (1, 0): "\u2584", (1, 1): " "}
    return "\n".join(
        "".join(signs[bool(upper), bool(lower)] for upper, lower in zip(*rows, strict=True))
        for rows in zip(matrix[::2], matrix[1::2], strict=True)
    )


def pictures(packed: bytes, path: Path) -> list[Path]:
    """PNG files: the one named, or NAME-1.png and so on. Raises RequestError, PlacementError."""
    parts = part.split(packed, _ROOM[_PICTURE])
    paths = _numbered(path, parts)
    for text, one in zip(parts, paths, strict=True):
        try:
            _code(text).save(str(one), kind="png", scale=_SCALE, border=_QUIET)
        except OSError as fault:
            raise PlacementError(f"{one}: {fault.strerror or fault}") from fault
    return paths


def _numbered(path: Path, parts: Sequence[str]) -> list[Path]:
    if len(parts) == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{at}.png") for at in range(1, len(parts) + 1)]


def _code(text: str) -> segno.QRCode:
    return segno.make_qr(text, error=_ERROR, mode="alphanumeric", boost_error=False)
