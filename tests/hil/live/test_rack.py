"""A real place from its file to the report: other people's devices behind cables that a board of
relays really pulls. Plays are typed as by whoever has the rack, who knows nothing of the bench.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.hil.live.rack.place import Rack, rack

PLAY_S = 150.0  # a play of some seconds, on a loaded machine
HEAD = """[live]
name = "{name}"
title = "{name}"
length_s = {length_s}

[[gateway]]
name = "north-1"
authority = "north"
"""
DEVICE = '[[device]]\nname = "{name}"\ngateway = "north-1"\nkind = "{kind}"\n'
DEVICES = {
    "pmu": "pmu-tcp",
    "line": "pmu-serial",
    "meter": "modbus-tcp",
    "breaker": "goose-breaker",
}
NOBODY = """
[[resource]]
name = "PMU 9, which nobody has seen"
kind = "pmu-tcp"
options = { host = "192.0.2.2", port = 4799, idcode = 39 }
"""
FAULT = '[[fault]]\nname = "{name}"\nat_s = {at_s}\nfor_s = {for_s}\nact = "{act}"\n{to}\n'
MUST = '[[must]]\ntext = "{text}"\nwhere = {where}\n{more}\n'
NEVER = MUST.replace("must", "never")
SHIPPED = "link-loss"
# What rests on frames that are counted as they are sent: a real device keeps no such account.
UNKNOWN = {
    "never: a frame that waits on the disk",
    "always: no frame is lost",
    "always: no frame is there twice",
    "always: no frame is there that nobody sent",
    "always: no place bears two contents",
    "always: no gap states what is there",
}


@pytest.fixture
def plugged_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    with rack(tmp_path_factory.mktemp("rack")) as found:
        yield found


def scenario(folder: Path, name: str, length_s: float, *rows: str, devices: str = "") -> Path:
    wanted = devices.split() or list(DEVICES)
    told = [
        DEVICE.format(name=one, kind=DEVICES.get(one.partition("-")[0], "pmu-udp"))
        for one in wanted
    ]
    told = [one + "with = { idcode = 1 }\n" if 'kind = "pmu' in one else one for one in told]
    path = folder / f"{name}.toml"
    path.write_text("\n".join([HEAD.format(name=name, length_s=length_s), *told, *rows]))
    return path


def fault(name: str, at_s: float, for_s: float, act: str, to: str = "") -> str:
    return FAULT.format(name=name, at_s=at_s, for_s=for_s, act=act, to=to)


def typed(at: Rack | None, *argv: object) -> subprocess.CompletedProcess[str]:
    """At the rack; None: at the fake place, which nobody has to name."""
    within, place = ((), ()) if at is None else (at.within, ("--place", str(at.file)))
    return subprocess.run(
        [*within, sys.executable, "-m", "hil.cli", *map(str, argv), *place],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PLAY_S,
        check=False,
    )


def told(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "verdict.json").read_text(encoding="utf-8")))


def findings(verdict: dict[str, Any]) -> dict[str, bool | None]:
    return {f"{one['kind']}: {one['text']}": one["held"] for one in verdict["findings"]}


def test_what_is_plugged_in_is_heard_cut_and_counted_and_what_is_not_is_named(
    plugged_in: Rack, tmp_path: Path
):
    file = scenario(
        tmp_path, "rounds", 8,
        fault("the serial cable", 1, 2, "cut", 'device = "line"'),
        fault("the PMU's cable", 1, 2, "cut", 'device = "pmu"'),
        fault("the way to the record", 1, 3, "cut", 'gateway = "north-1"'),
        fault("the power", 4.5, 1, "power-cut"),
        MUST.format(text="PMUs", where='{ what = "sealed", device = ["pmu", "line"] }',
                    more="each = true\nleast = 100"),
        MUST.format(text="meter", where='{ what = "sealed", device = "meter" }', more="least = 6"),
        MUST.format(text="breaker", where='{ what = "sealed", device = "breaker" }',
                    more="least = 3"),
        MUST.format(text="they settle", more="each = true\nleast = 60",
                    where='{ what = "samples", class = "place_unchecked", device = '
                    '["pmu", "line"] }'),
        MUST.format(text="the line's gap", more='after = "the serial cable"',
                    where='{ what = "gap", device = "line", cause = "not_heard" }'),
        MUST.format(text="after the power came", more='after = "the power"\nover = true',
                    where='{ what = "samples", device = "meter" }'),
        MUST.format(text="the absent one", where='{ what = "sealed", device = "away" }', more=""),
        NEVER.format(text="nothing waits", where='{ what = "on_disk" }', more=""),
        devices="pmu line meter breaker away",
    )  # fmt: skip
    done = typed(plugged_in, "run", "line-trip", file, "--report", tmp_path / "out")
    assert done.returncode == 0, done.stderr + done.stdout
    said = " ".join(done.stdout.split())  # as folded for a terminal
    assert "line-trip is not played: rack measures a real grid, and nobody tells it" in said
    assert "what to do: play it at the fake place" in said
    assert "left out: device away: no pmu-udp is left in rack: add a [[resource]]" in said
    verdict = told(tmp_path / "out" / "rounds")
    held = {one["text"]: one["held"] for one in verdict["findings"]}
    assert held.pop("the record verifies") is True
    assert held.pop("the absent one") is None
    assert [one for one, holds in held.items() if holds is False] == []
    assert [one["name"] for one in verdict["deeds"] if one["over_tai_ns"] is None] == []
    assert verdict["problems"] == []
    assert verdict["grid"] is None
    assert verdict["bound"] == "not known of real devices"
    # All are whole at the beginning, and the two that were pulled at the end.
    moved = plugged_in.moved()
    assert moved[:4] == ["1 closed", "2 closed", "3 closed", "4 closed"]
    assert sorted(moved[4:]) == ["1 closed", "1 open", "2 closed", "2 open"]
    page = (tmp_path / "out" / "rounds" / "index.html").read_text(encoding="utf-8")
    assert "at the place rack (real); a real grid" in page
    assert "<svg" in page


def test_a_device_that_is_not_there_and_a_board_that_comes_off_are_named_and_the_rest_goes_on(
    plugged_in: Rack, tmp_path: Path
):
    """The board is gone while a cable is pulled: nobody can put it back, and the report says so."""
    text = plugged_in.file.read_text(encoding="utf-8")
    text = text.replace("patience_s = 20", "patience_s = 6")
    plugged_in.file.write_text(text + NOBODY, encoding="utf-8")
    file = scenario(
        tmp_path, "off", 4,
        fault("pulled", 0.5, 3, "cut", 'device = "pmu"'),
        MUST.format(text="the one", where='{ what = "sealed", device = "pmu" }', more=""),
        MUST.format(text="the other", where='{ what = "sealed", device = "pmu-2" }', more=""),
        devices="pmu pmu-2",
    )  # fmt: skip
    with coming_off(plugged_in, once="1 open"):
        done = typed(plugged_in, "run", file, "--report", tmp_path / "out")
    assert done.returncode == 1, done.stderr + done.stdout
    verdict = told(tmp_path / "out")
    held = {one["text"]: one["held"] for one in verdict["findings"]}
    assert (held["the one"], held["the other"], held["the record verifies"]) == (True, None, True)
    problems = set(verdict["problems"]) - {verdict["behind"]}
    assert len(verdict["problems"]) == len(set(verdict["problems"]))  # each of them once
    cut, absent, undone = sorted(problems)
    assert "pmu may still be cut: board 'relays' at " in cut
    assert "pmu-2 does not come up: not heard in 6 s" in absent
    assert "is it powered, and reached at host 192.0.2.2, port 4799" in absent
    assert "pulled: board 'relays' at " in undone
    assert "No such file or directory: is it plugged in?" in undone


@pytest.mark.timeout(PLAY_S + 10)
def test_a_shipped_scenario_comes_to_the_same_at_the_fake_place_and_with_real_devices(
    plugged_in: Rack, tmp_path: Path
):
    """What nobody can know of a real device is not asked of it; all else is, and holds."""
    with ThreadPoolExecutor() as both:
        plays = {
            name: both.submit(typed, at, "run", SHIPPED, "--short", "--report", tmp_path / name)
            for name, at in (("fake", None), ("rack", plugged_in))
        }
    for name, play in plays.items():
        done = play.result()
        assert done.returncode == 0, f"{name}: {done.stderr}{done.stdout}"
    fake, real = told(tmp_path / "fake"), told(tmp_path / "rack")
    assert (fake["place"]["kind"], real["place"]["kind"]) == ("fake", "real")
    assert fake["scenario"] == real["scenario"]
    for verdict in (fake, real):
        assert (verdict["left_out"], verdict["problems"]) == ([], [])
        assert [one["name"] for one in verdict["deeds"] if one["over_tai_ns"] is None] == []
    assert [one["name"] for one in fake["deeds"]] == [one["name"] for one in real["deeds"]]
    held, held_there = findings(fake), findings(real)
    assert set(held.values()) == {True}
    unasked = {one for one, holds in held_there.items() if holds is None}
    assert unasked == UNKNOWN
    assert held_there == {one: None if one in unasked else True for one in held}
    # The board did it, and its cable is whole again.
    assert plugged_in.moved() == ["1 closed", "2 closed", "1 open", "1 closed"]


@contextmanager
def coming_off(at: Rack, once: str) -> Iterator[None]:
    """Its board is gone as soon as a contact has moved so."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            if once in at.moved():
                at.pull_board()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PLAY_S)
