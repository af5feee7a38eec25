"""Rigs of a mirror, over one server of files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from record.witness import state
from record.witness.witness import Cosigner, Witness
from tests.record.witness.rig import Rig
from tests.record.witness.shown import files
from tests.record.witness.watched import KEY, LOGS_KEY, NAME, NOW, ORIGIN


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("logs")
    with files(folder) as url:
        yield folder, url


@pytest.fixture
def rig(base: tuple[Path, str]) -> Iterator[Rig]:
    found = Rig(*base)
    yield found
    found.state.close()


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    path = tmp_path / "witness.db"
    state.make(path, KEY.public.raw, NAME)
    kept = state.open_state(path, KEY.public.raw, NAME)
    yield Witness(Cosigner(NAME, KEY, kept, lambda: NOW), {ORIGIN: [LOGS_KEY]})
    kept.close()
