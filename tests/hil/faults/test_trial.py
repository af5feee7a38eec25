"""What is made of a trial whose rig was not ready for its date."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.faults import leap, trial
from hil.faults.fault import SHORT
from hil.faults.outfit import Outfit
from hil.faults.rig import LateError
from hil.faults.table import FAULTS

LATE = "all was well 0.1 s after it was announced"


@pytest.mark.parametrize(
    ("lates", "leads", "reasons"),
    [
        (0, [leap.DUE_S], []),
        (1, [leap.DUE_S, 2 * leap.DUE_S], []),
        (2, [leap.DUE_S, 2 * leap.DUE_S], [f"late: {LATE}"]),
    ],
)
def test_who_was_late_is_played_once_more_with_twice_the_time(
    lates: int, leads: list[int], reasons: list[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made: list[tuple[Path, int]] = []
    closed: list[Path] = []

    class Rig:
        def __init__(self, folder: Path, *rest: Any) -> None:
            outfit = next(one for one in rest if isinstance(one, Outfit))
            assert replace(outfit, leap_in_s=leap.DUE_S) == leap.THROUGH
            assert not any(folder.iterdir()) and len(made) == len(closed)
            self._folder = folder
            made.append((folder, outfit.leap_in_s))
            (folder / "record.db").touch()

        def close(self) -> None:
            closed.append(self._folder)

    async def played(*_: object) -> dict[str, Any]:
        if len(made) <= lates:
            raise LateError(LATE)
        return {"sent": 1}

    monkeypatch.setattr(trial, "Rig", Rig)
    monkeypatch.setattr(trial, "_played", played)
    told = asyncio.run(trial.run(FAULTS["leap"], SHORT, tmp_path, 7))
    assert [lead for _, lead in made] == leads
    assert closed == [folder for folder, _ in made]
    assert told["reasons"] == reasons
    assert told.get("again") == (LATE if lates else None)
    assert told["sent"] == (None if reasons else 1)
