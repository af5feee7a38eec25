"""What the last pre-flight found, as it stands in the gateway's folder: `preflight.json`, in the
form that `gridseal-provision preflight --json` prints, with whoever waived what.

1. It is replaced whole by the next pre-flight: what was waived of the one before is to be waived
   again, for it may be another fault.
2. A file that is none of ours counts as none; so does one that a report would not take any more.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent import config
from evidence.config import ConfigError
from provisioning.change import write_over
from provisioning.init import GATEWAY
from provisioning.placement import PlacementError, SystemDisk
from provisioning.preflight.examination import Findings
from provisioning.preflight.outcome import Outcome, Word
from provisioning.report import checked

FILE = "preflight.json"
_MODE = 0o644
_BYTES_MAX = 1 << 22


def outcomes(folder: Path, now_ns: int) -> list[Outcome]:
    """Those of the last pre-flight, what was left out among them; none where there was none."""
    try:
        gateway = config.sketch(folder / GATEWAY).file.gateway.name
        with (folder / FILE).open("rb") as file:
            return checked.of_file(file.read(_BYTES_MAX), FILE, gateway, now_ns)
    except (OSError, ConfigError):
        return []


def keep(folder: Path, found: Findings) -> None:
    """In place of the one before. Raises PlacementError."""
    _write(folder, found.told())


def mark(folder: Path, found: Sequence[Outcome]) -> None:
    """The same pre-flight, all of its outcomes, some of them waived now. Raises PlacementError."""
    try:
        told = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError) as fault:
        raise PlacementError(f"{folder / FILE}: cannot be read") from fault
    _write(folder, {**told, "outcomes": [one.told() for one in found], "left_out": {}})


def _write(folder: Path, told: Mapping[str, Any]) -> None:
    try:
        write_over(folder / FILE, json.dumps(told).encode(), _MODE, SystemDisk())
    except OSError as fault:
        raise PlacementError(f"{fault.filename or folder}: {fault.strerror or fault}") from fault


def counted(found: Sequence[Outcome]) -> list[str]:
    """How many of each word, what is to be acted on first."""
    words = [one.word for one in found]
    return [f"{words.count(word)} {word}" for word in reversed(Word) if word in words]
