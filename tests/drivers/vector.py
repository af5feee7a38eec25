"""Reads the vectors of a protocol: NAME.hex beside expected.json.

Lines that start with # are provenance.
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent / "vectors"


def vector(protocol: str, name: str) -> bytes:
    """The bytes of one vector."""
    text = (ROOT / protocol / f"{name}.hex").read_text(encoding="utf-8")
    return bytes.fromhex("".join(line for line in text.splitlines() if not line.startswith("#")))


def vectors(protocol: str) -> dict[str, bytes]:
    """Every vector of a protocol, by name."""
    paths = sorted((ROOT / protocol).glob("*.hex"))
    return {path.stem: vector(protocol, path.stem) for path in paths}


def expected(protocol: str) -> dict[str, Any]:
    """What the vectors decode to."""
    found: dict[str, Any] = json.loads((ROOT / protocol / "expected.json").read_text("utf-8"))
    return found
