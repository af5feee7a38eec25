"""Places: what a scenario lacks there is said by name, with what to do; a board pulls cables."""

import asyncio
import os
import re
import select
import tty
from pathlib import Path

import pytest

from evidence.config import ConfigError
from hil import cli
from hil.child import ChildError
from hil.faults import need
from hil.live import ability, place, script
from hil.live.command import is_live
from hil.live.real import RealRig
from hil.live.relay import Lcus, command
from hil.live.rig import RigError
from hil.outcome import WRONG

SCENARIOS = Path(script.__file__).parent.parent / "scenarios"
REAL = """
[place]
name = "rack"
kind = "real"

[[resource]]
name = "left"
kind = "pmu-tcp"
options = { host = "192.0.2.11", port = 4712, idcode = 11 }

[[board]]
name = "relays"
driver = "lcus"
path = "/dev/null"
channels = 4
"""
BOARD = '[[board]]\nname = "relays"\ndriver = "lcus"\npath = "/dev/null"\n'
BOARDS = (("pmu-a", "gone"), ("pmu-b", "relays"))
HEARD_S = 5.0  # for octets that were written already
METER = """[[resource]]
name = "meter"
kind = "modbus-tcp"
options = { host = "192.0.2.20", port = 502, unit = 1 }
"""
ALSO = """[[resource]]
name = "also left"
kind = "pmu-tcp"
options = { host = "192.0.2.11", port = 4712, idcode = 11 }
"""
ROOF = """[[resource]]
name = "roof"
kind = "gnss-receiver"
options = { path = "/dev/ttyACM0", survey = [446.948, 7.4474, 600.0] }
"""
CABLE = 'idcode = 11 }\ncable = { board = "relays", channel = 4 }'


RIGHT = (
    '\n[[resource]]\nname = "right"\nkind = "pmu-udp"\noptions = { host = "h", port = 1, ' + CABLE
)
LIVE = sorted(
    path.stem for path in SCENARIOS.glob("*.toml") if is_live(path.read_text(encoding="utf-8"))
)


def scenario(name: str) -> script.Script:
    return script.read((SCENARIOS / f"{name}.toml").read_text(encoding="utf-8"), name)


def test_the_places_that_are_shipped_can_be_read():
    assert not place.found("bench").fake
    assert place.found("fake").fake


def test_a_device_without_a_resource_is_left_out_and_the_rest_is_cast():
    cast = place.read(REAL.replace("idcode = 11 }", CABLE), "rack.toml").cast(scenario("link-loss"))
    assert [one.name for one in cast.devices] == ["pmu-a"]
    assert cast.resources["pmu-a"].name == "left"
    assert ("device", "pmu-b") in [(one.what, one.name) for one in cast.lacks]
    assert "add a [[resource]] of that kind" in cast.lacks[0].why
    assert [one.name for one in cast.faults] == ["the link is cut", "the PMU's cable is pulled"]
    assert not any("[[board]]" in one.why for one in cast.lacks)


def test_a_cable_that_nothing_pulls_leaves_the_fault_out():
    cast = place.read(REAL, "rack.toml").cast(scenario("link-loss"))
    assert cast.faults[0].gateway == "north-1"
    assert [(one.name, "say its `cable`" in one.why) for one in cast.lacks[1:]] == [
        ("the PMU's cable is pulled", True)
    ]


def test_without_a_board_the_way_to_the_record_is_cut_all_the_same():
    bare = REAL.partition("[[board]]")[0]
    cast = place.read(bare, "rack.toml").cast(scenario("link-loss"))
    assert [one.name for one in cast.faults] == ["the link is cut"]
    (why,) = [one.why for one in cast.lacks if one.name == "the PMU's cable is pulled"]
    assert why == "rack has no [[board]] that pulls cables: add one"


def test_a_board_that_is_not_there_leaves_out_what_it_pulls_and_no_other_board_does():
    gone = REAL.replace("/dev/null", "/dev/serial/by-id/none").replace("idcode = 11 }", CABLE)
    cast = place.read(gone, "rack.toml").cast(scenario("link-loss"))
    assert [one.name for one in cast.faults] == ["the link is cut"]
    assert "board 'relays' is not at /dev/serial/by-id/none: plug it in" in cast.lacks[-1].why
    other = BOARD.replace("relays", "others")
    found = place.read(gone + other, "rack.toml")
    assert "the PMU's cable is pulled" in [
        one.name for one in found.cast(scenario("link-loss")).lacks
    ]
    assert found.why_not((ability.CABLES,)) == ""
    whole = gone.replace('board = "relays"', 'board = "others"')
    cast = place.read(whole + other, "rack.toml").cast(scenario("link-loss"))
    assert [one.name for one in cast.faults] == ["the link is cut", "the PMU's cable is pulled"]


def test_what_is_plugged_in_is_one_plays_at_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rack.toml"
    file.write_text(REAL, encoding="utf-8")
    report = tmp_path / "report"
    with place.alone(str(file), place.found(str(file))):
        typed = ["run", "link-loss", "--place", str(file), "--report", str(report)]
        assert cli.main(typed) == WRONG
    assert "place 'rack': another play has what is plugged in there" in capsys.readouterr().err
    assert not report.exists()
    with place.alone(str(file), place.found(str(file))):  # free again
        pass
    fake = place.found("fake")
    with place.alone("fake", fake), place.alone("fake", fake):  # made anew for each
        pass


def test_what_a_whole_scenario_needs_leaves_out_all_of_it():
    cast = place.read(REAL, "rack.toml").cast(scenario("disk-full"))
    assert not cast.whole
    (lack,) = cast.lacks  # and nothing beside it: none of it is played
    assert "play it at the fake place" in lack.why


@pytest.mark.parametrize("name", ["clock-leap", "gnss-spoof"])
def test_without_a_chronyd_nothing_is_played_that_is_of_it(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    """Its pulse is spoofed, or its word ends a doubt: the rest alone would fail."""
    for where in ("_UNPACKED", "_ADMINISTRATORS"):
        monkeypatch.setattr(need, where, ())
    monkeypatch.setenv("PATH", "/nowhere")
    fake = place.found("fake")
    assert "chronyd is missing: apt-get install chrony" in fake.missing[ability.REFERENCE]
    assert not fake.cast(scenario(name)).whole
    monkeypatch.undo()
    text = REAL + '[[resource]]\nname = "c"\nkind = "chrony"\noptions = { clock = "chrony:" }\n'
    assert ability.REFERENCE in place.read(REAL, "rack.toml").missing
    assert ability.REFERENCE not in place.read(text, "rack.toml").missing


@pytest.mark.parametrize("name", LIVE)
def test_what_a_real_place_never_does_is_told_with_what_to_do(name: str):
    for lack in place.read(REAL, "rack.toml").cast(scenario(name)).lacks:
        assert re.search(r": (play it|add a|say its|run it|plug it)|its device '", lack.why), lack


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "pmu-tcp"', 'kind = "pmu-tpc"', r"rack.toml:\d+: resource\[0\].kind: .*'pmu-tcp'"),
        ("idcode = 11 }", CABLE.replace("relays", "relas"), r"cable.board: 'relas' .*'relays'"),
        ("idcode = 11 }", CABLE.replace("4 }", "5 }"), r"channel: 'relays' has 4 channels"),
        ('kind = "real"', 'kind = "real"\nhas = ["grid"]', r"rack.toml:\d+: place.has: .*unknown"),
        ('kind = "real"', 'kind = "fake"', r"resource: a fake place has all there is"),
        ('kind = "real"', 'knd = "real"', r"place.knd: .*'kind'"),
        ("[[board]]", BOARD + "[[board]]", r"board\[1\].name: 'relays' is there twice"),
        ("port = 4712, ", "", r"resource\[0\].options: a pmu-tcp is reached by host and port: say"),
        ("port = 4712", "port = 4712, prot = 1", r"options: 'prot' .*'port'"),
        ("port = 4712", 'port = "4712"', r"options: port: Expected `int`"),
        ("port = 4712", "port = 0", r"options: port: Expected `int` >= 1"),
        ("idcode = 11", "idcode = 0", r"options: idcode: Expected `int` >= 1"),
        ("idcode = 11 }", CABLE + RIGHT, r"resource\[1\].cable.channel: another cable"),
        (", idcode = 11", "", r"no scenario knows of a real pmu-tcp: say its idcode"),
        ("[[board]]", METER + "[[board]]", r"a real modbus-tcp: say its map or device"),
        ("[[board]]", ALSO + "[[board]]", r"resource\[1\].options: it is 'left' once more"),
        (
            "[[board]]",
            BOARD.replace("relays", "others") + "[[board]]",
            r"board\[1\].path: another board is at /dev/null",
        ),
        ("[[board]]", ROOF + "[[board]]", r":\d+: resource\[1\].options: survey: .* <= 90.0"),
    ],
)
def test_what_is_wrong_in_a_place_is_told(old: str, new: str, says: str):
    with pytest.raises(ConfigError, match=says):
        place.read(REAL.replace(old, new, 1), "rack.toml")


def test_a_place_that_is_not_there_is_told_by_the_nearest():
    with pytest.raises(ConfigError, match="'bench'"):
        place.found("bensh")


def test_a_place_that_is_no_file_is_told_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "rack.toml")
    with pytest.raises(ConfigError, match="not a file"):
        place.found(str(tmp_path / "rack.toml"))


def test_a_map_that_is_not_there_leaves_out_its_device_alone(tmp_path: Path):
    where = tmp_path / "meter.toml"
    meter = METER.replace("unit = 1", f'unit = 1, map = "{where}"')
    rack = place.read(REAL + meter, "rack.toml")
    wanted = scenario("healthy-day")
    cast = rack.cast(wanted)
    assert [one.name for one in cast.devices] == ["pmu-tcp"]
    whys = {one.name: one.why for one in cast.lacks}
    assert whys["feeder-relay"] == f"the map of 'meter' is not at {where}: put it there"
    where.touch()
    assert [one.name for one in rack.cast(wanted).devices] == ["pmu-tcp", "feeder-relay"]


def test_every_cable_is_plugged_in_again_whatever_comes_of_one(tmp_path: Path):
    far, near = os.openpty()
    tty.setraw(near)
    gone = f'[[board]]\nname = "gone"\ndriver = "lcus"\npath = "{tmp_path / "gone"}"\n'
    text = REAL.replace("/dev/null", os.ttyname(near)) + gone
    text = text.replace("idcode = 11 }", 'idcode = 11 }\ncable = { board = "gone", channel = 2 }')
    rig = RealRig(tmp_path, place.read(text, "rack.toml"))
    rig._cables = {one: place.Cable(board=board, channel=2) for one, board in BOARDS}
    rig._cut = dict(rig._cables)
    served = ["0", "--bind", "127.0.0.1"]
    program = rig.start_child("program", "http.server", served)
    try:
        (why,) = rig.close()
        assert "pmu-a may still be cut: board 'gone'" in why
        assert heard(far, 4) == command(2, False)
        with pytest.raises(ChildError):
            program.check()
    finally:
        rig.kill()
        os.close(far)
        os.close(near)


def test_a_cable_that_may_have_been_cut_is_plugged_in_again(tmp_path: Path):
    """A board that comes off while it is told says nothing of what it did."""
    far, near = os.openpty()
    tty.setraw(near)
    link = tmp_path / "board"
    link.symlink_to("/dev/null")  # of what came off, no port is left
    text = REAL.replace("/dev/null", str(link)).replace("idcode = 11 }", CABLE)
    rig = RealRig(tmp_path, place.read(text, "rack.toml"))
    rig._cables = {"pmu-a": place.Cable(board="relays", channel=2)}
    try:
        with pytest.raises(RigError, match=r"'relays' at .*: is it a serial port\?"):
            asyncio.run(rig.cut("pmu-a", True))
        link.unlink()
        link.symlink_to(os.ttyname(near))
        assert rig.close() == []
        assert heard(far, 4) == command(2, False)
    finally:
        rig.kill()
        os.close(far)
        os.close(near)


def heard(far: int, count: int) -> bytes:
    """So many octets of a pseudo-terminal, or what there is when none come for a while."""
    data = b""
    while len(data) < count and select.select([far], [], [], HEARD_S)[0]:
        data += os.read(far, count + 1 - len(data))
    return data


def test_a_board_is_told_four_octets_and_nothing_else():
    far, near = os.openpty()
    tty.setraw(near)
    try:
        board = Lcus(Path(os.ttyname(near)))
        board.cut(1, True)
        board.cut(8, False)
        assert heard(far, 8) == bytes.fromhex("A00101A2 A00800A8")
    finally:
        os.close(far)
        os.close(near)
    assert command(2, True) == bytes.fromhex("A00201A3")
