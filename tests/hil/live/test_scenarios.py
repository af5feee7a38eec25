"""Every live scenario that is shipped, at the fake place, its stretches shortened: it comes to what
it expects, with all its devices and all that is done in it.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hil.faults import need
from hil.live import command
from hil.live.command import Asked
from hil.script import SCENARIOS
from tests.conftest import absent

LIVE = sorted(
    path.stem
    for path in SCENARIOS.glob("*.toml")
    if command.is_live(path.read_text(encoding="utf-8"))
)


JOBS = 2  # at once; each sleeps most of the time
ALL_S = 720  # for all of them: half of it on a quiet machine
pytestmark = pytest.mark.timeout(ALL_S)


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reports of all those lie that this session asks for."""
    try:
        need.check(need.CHAMBER)
    except need.NeedError as missing:
        absent("namespaces", str(missing))
    wanted = [
        str(item.callspec.params["name"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
    ]
    folder = tmp_path_factory.mktemp("scenarios")
    names = [*dict.fromkeys(wanted), "no-such-one"]  # keeps none of the others
    assert command.main(Asked(names, folder=folder, short=True, jobs=JOBS)) != 0
    for name in names[:-1]:
        verdict = _verdict(folder, name)
        if verdict["behind"] and not verdict["holds"]:
            # The bench itself was too slow, which says nothing of a gateway: once more, alone.
            again = folder / "again" / name
            command.main(Asked([name], folder=again, short=True))
            if (again / "verdict.json").exists():
                shutil.rmtree(folder / name)
                again.rename(folder / name)
    return folder


def _verdict(played: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((played / name / "verdict.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", LIVE)
def test_it_comes_to_what_it_expects(name: str, played: Path):
    verdict = _verdict(played, name)
    failed = [f"{one['text']}: {one['why']}" for one in verdict["findings"] if not one["held"]]
    assert [*failed, *verdict["problems"]] == []
    assert verdict["holds"] is True
    assert verdict["left_out"] == []
    assert [one["name"] for one in verdict["deeds"] if one["began_tai_ns"] is None] == []
