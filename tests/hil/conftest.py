"""Where the third-party captures are: GRIDSEAL_CAPTURES, or beside the checkout. Absent: skipped by
name, a failure under CI."""

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "captures"


@pytest.fixture(scope="session")
def captures() -> Path:
    folder = Path(os.environ.get("GRIDSEAL_CAPTURES", BESIDE))
    if not (folder / "c37118").is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"no captures in {folder}: set GRIDSEAL_CAPTURES")
        pytest.skip(f"no captures in {folder}: set GRIDSEAL_CAPTURES")
    return folder
