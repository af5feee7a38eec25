"""Every live scenario that is shipped, at the fake place, its stretches shortened: it comes to what
it expects, with all its devices and all that is done in it.
"""

import json
from pathlib import Path

import pytest

from hil.faults import need
from hil.live import command
from hil.live.command import Asked
from hil.scenario.command import SCENARIOS
from tests.conftest import absent

LIVE = sorted(
    path.stem
    for path in SCENARIOS.glob("*.toml")
    if command.is_live(path.read_text(encoding="utf-8"))
)


@pytest.mark.parametrize("name", LIVE)
def test_it_comes_to_what_it_expects(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    try:
        need.check(need.CHAMBER)
    except need.NeedError as missing:
        absent("namespaces", str(missing))
    folder = tmp_path / "out"
    code = command.main(Asked([name], folder=folder, short=True))
    said = capsys.readouterr()
    assert code == 0, f"{said.err}\n{said.out}"
    verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["left_out"] == []
    assert [one["name"] for one in verdict["deeds"] if one["began_tai_ns"] is None] == []
    assert [one["text"] for one in verdict["findings"] if one["held"] is not True] == []
