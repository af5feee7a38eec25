"""What a bundle is of: what was asked for, and at which size of the log. `scope.json`.

1. It is the word of whoever made the bundle. What it claims is held against what is there: the
   interval against the streams' chains, the size against the checkpoint, the seam against those
   in force; what is withheld is counted by what is not there.
2. `anchors` is the SHA-256 of the trust anchors by which seams and states were read when it was
   made: whoever has others knows why documents differ. They are not in the bundle.
"""

from dataclasses import dataclass
from typing import Any

from evidence.bundle import canonical
from evidence.code import Reason
from evidence.refusal import EvidenceError

PATH = "scope.json"
FORM = "gridseal bundle 1"
WITHHELD_MAX = 4096
WORDS_CHARS_MAX = 1024
_MEMBERS = frozenset({"begins", "ends", "seam", "size", "withheld", "anchors", "software"})


@dataclass(frozen=True, slots=True)
class Scope:
    """From `begins` to before `ends`, ns TAI, in a log of `size` entries.

    `seam`: its name; None: all that the log has. `withheld`: what was asked to be left out, in the
    words of whoever asked.
    """

    begins: int
    ends: int
    seam: str | None
    size: int
    withheld: tuple[str, ...]
    anchors: bytes
    software: str

    def encode(self) -> bytes:
        """The file. Raises EvidenceError where `read` would."""
        data = canonical.write(
            {
                "form": FORM,
                "begins": str(self.begins),
                "ends": str(self.ends),
                "seam": self.seam,
                "size": self.size,
                "withheld": list(self.withheld),
                "anchors": self.anchors.hex(),
                "software": self.software,
            }
        )
        read(data)
        return data


def read(data: bytes) -> Scope:
    """The scope in a file. Raises EvidenceError."""
    found = canonical.read(data, FORM, _MEMBERS)
    withheld = found["withheld"]
    if type(withheld) is not list or len(withheld) > WITHHELD_MAX:
        raise EvidenceError(Reason.SHAPE, f"withheld is no list of at most {WITHHELD_MAX}")
    begins = canonical.instant(found["begins"], "begins")
    ends = canonical.instant(found["ends"], "ends")
    if begins >= ends:
        raise EvidenceError(Reason.SHAPE, f"from {begins} to {ends}")
    return Scope(
        begins,
        ends,
        None if found["seam"] is None else _words(found["seam"], "seam"),
        canonical.whole(found["size"], "size"),
        tuple(_words(one, "withheld") for one in withheld),
        canonical.digest(found["anchors"], "anchors"),
        _words(found["software"], "software"),
    )


def _words(value: Any, field: str) -> str:
    """What is shown to people. Raises EvidenceError(SHAPE)."""
    text = canonical.text(value, field)
    if not text.isprintable() or len(text) > WORDS_CHARS_MAX:
        raise EvidenceError(Reason.SHAPE, f"{field} is not {WORDS_CHARS_MAX} printable characters")
    return text
