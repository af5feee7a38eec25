"""The gateway itself, as pre-flight finds it: disk, device key, credential; and its clock and those
of its devices against it.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.keystore import uri
from evidence.siteplan import Survey
from hil.devices.gnss import Truth
from hil.devices.pmu import Plant
from hil.devices.receiver import Receiver
from provisioning.init import ANCHORS, DEVICE_KEY, GATEWAY, InitRequest, initialise
from provisioning.source import SourceRequest
from tests.drivers.receiver_peer import on_line
from tests.provisioning.preflight.yard import Said, Unit, Yard, examined, preflight, standing

NS = 1_000_000_000
DAY_S = 86_400
OWN = "--only=disk,device-key,credential"


def made(folder: Path, born_s: int | None = None, **changes: object) -> Path:
    request = InitRequest(folder, **changes)  # type: ignore[arg-type]
    initialise(request, int(time.time()) if born_s is None else born_s, os.urandom)
    return folder


def looked(folder: Path, *arguments: str) -> Said:
    return asyncio.run(preflight(folder, *(arguments or (OWN,))))


def test_a_gateway_as_it_should_be(tmp_path):
    said = looked(made(tmp_path / "site"))
    assert (said.code, said.open()) == (0, set()), said.text
    assert "a sync takes" in said.figures("disk")
    assert "is the credential's" in said.figures("device-key")
    assert "by authority-1" in said.figures("credential")
    assert sorted(path.name for path in (tmp_path / "site").iterdir() if "pre" in path.name) == []


def test_a_dry_run_writes_nothing_and_does_not_say_that_the_disk_takes_it(tmp_path):
    said = looked(made(tmp_path / "site"), "--only=disk,test-observation", "--dry-run")
    assert said.words("disk") == ["cannot tell"]
    assert said.told["left_out"] == {"test-observation": "--dry-run"}


def test_a_disk_that_is_full(tmp_path, program: Callable[[str], Path]):
    folder = made(tmp_path / "site")
    disk = folder / "disk"
    disk.mkdir()
    path = folder / GATEWAY
    path.write_text(path.read_text().replace('path = "spool.db"', 'path = "disk/spool.db"'))
    typed = f"{sys.executable} -c 'from provisioning.cli import main; main()' preflight {folder}"
    command = f"mount -t tmpfs -o size=1m none {disk} && {typed} --only disk"
    unshare = [str(program("unshare")), "--mount", "--propagation", "private", "sh", "-c", command]
    done = subprocess.run(unshare, capture_output=True, text=True, timeout=60, check=False)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.fail(done.stderr)
    assert "fault        disk: 1 MB free" in done.stdout, done.stdout + done.stderr


def test_a_disk_that_is_not_there(tmp_path):
    folder = made(tmp_path / "site")
    path = folder / GATEWAY
    path.write_text(path.read_text().replace('path = "spool.db"', 'path = "gone/spool.db"'))
    said = looked(folder)
    assert said.words("disk") == ["fault"]
    assert "No such file" in said.figures("disk")


def test_another_key_than_the_credentials(tmp_path):
    folder = made(tmp_path / "site")
    (folder / DEVICE_KEY).unlink()
    uri.make(f"file:{DEVICE_KEY}", folder)
    said = looked(folder)
    assert said.words("device-key") == ["fault"]
    assert "the credential is for" in said.figures("device-key")


def test_a_key_that_is_gone(tmp_path):
    folder = made(tmp_path / "site")
    (folder / DEVICE_KEY).unlink()
    assert looked(folder).words("device-key") == ["fault"]


@pytest.mark.parametrize(
    ("born_days", "valid_days", "word", "words"),
    [
        (-400, 365, "fault", "it ended 35 days ago"),
        (30, 365, "fault", "not in force yet"),
        (0, 3, "fault", "limit 7 days"),
        (0, 30, "ok", "ends in 29 days"),
    ],
)
def test_a_credential_in_time(tmp_path, born_days: int, valid_days: int, word: str, words: str):
    born_s = int(time.time()) - 60 + born_days * DAY_S  # a minute ago: days are counted whole
    said = looked(made(tmp_path / "site", born_s, valid_days=valid_days))
    assert said.words("credential") == [word]
    assert words in said.figures("credential")


def test_a_credential_of_an_authority_that_nobody_named(tmp_path):
    folder, other = made(tmp_path / "site"), made(tmp_path / "other")
    (folder / "credential.cbor").write_bytes((other / "credential.cbor").read_bytes())
    (folder / DEVICE_KEY).write_bytes((other / DEVICE_KEY).read_bytes())
    plan = (other / "site.toml").read_text()
    (folder / "site.toml").write_text(plan)
    said = looked(folder)
    assert said.words("credential") == ["fault"]
    assert "nobody knows key" in said.figures("credential")
    anchors = (folder / ANCHORS).read_text()
    (folder / ANCHORS).write_text(anchors.split("[[authority]]")[0])
    assert looked(folder).words("credential") == ["cannot tell"]


def test_before_there_is_a_credential_all_else_is_looked_at(tmp_path):
    folder = made(tmp_path / "site")
    (folder / "credential.cbor").unlink()
    said = looked(folder, "--offline", "--seconds=1")
    assert said.code == 1
    assert said.words("credential") == ["cannot tell"]
    assert said.words("device-key") == ["cannot tell"]
    assert said.words("disk") == ["ok"]


def test_a_credential_that_does_not_grant_the_plan(tmp_path):
    folder = made(tmp_path / "site")
    path = folder / "site.toml"
    more = '\n[[bus]]\nname = "New"\nmrid = "7d8f1b80-0000-4000-8000-000000000001"\n'
    path.write_text(path.read_text() + more)
    said = looked(folder)
    assert said.words("credential") == ["fault"]
    assert "is not granted by the credential" in said.figures("credential")


CLOCKS = "--only=gateway-clock,device-clock"


def test_a_device_whose_clock_is_a_second_off_and_one_that_is_right(tmp_path, time_source):
    """By arrivals: its own word is that it is locked, within a microsecond."""

    def seen(off_ns: int) -> Said:
        yard = Yard((Unit("pmu-a", 1),), off_ns=off_ns, time_source=time_source)
        return examined(tmp_path / f"site{off_ns}", yard, CLOCKS, hear_s=3)

    ahead, behind, right = seen(NS), seen(-NS), seen(0)
    assert ahead.words("device-clock") == ["fault"], ahead.text
    assert "before the instant that they claim" in ahead.figures("device-clock")
    assert behind.words("device-clock") == ["fault"], behind.text
    assert "after their instant" in behind.figures("device-clock")
    assert right.words("device-clock") == right.words("gateway-clock") == ["ok"], right.text


def test_a_gateway_clock_for_which_nothing_vouches(tmp_path):
    """A chronyd that is not there: as good as none."""
    source = f"chrony:?host={tmp_path}/nobody.sock"
    said = examined(tmp_path / "site", Yard((Unit("pmu-a", 1),), time_source=source), CLOCKS)
    assert said.words("gateway-clock") == ["fault"]
    assert said.words("device-clock") == ["cannot tell"]


BERN = Survey(46.9480, 7.4474, 600.0, 0.5)


@pytest.mark.parametrize(
    ("north", "plight", "word", "words"),
    [
        (0.0, {}, "ok", "m from the survey"),
        (0.01, {}, "fault", "find out what else stands here"),
        (0.0, {"held": True}, "cannot tell", "in fixed mode"),
        (0.0, {"silent": True}, "cannot tell", "it said nothing"),
    ],
)
def test_where_a_receiver_stands(
    tmp_path, north: float, plight: dict[str, object], word: str, words: str
):
    receiver = Receiver(Truth(BERN.latitude + north, BERN.longitude), ubx=True)
    for name, value in plight.items():
        setattr(receiver.plight, name, value)

    async def run() -> Said:
        with on_line(receiver) as (_, path):
            sources = (SourceRequest("gps", "ublox", {"path": path}),)
            folder = made(tmp_path / "site", sources=sources, survey=BERN)
            return await preflight(folder, "--only=position", "--seconds=5")

    said = asyncio.run(run())
    assert said.words("position", "gps") == [word], said.text
    assert words in said.figures("position", "gps")
    assert said.words("position", "credential") == ["ok"]


def test_a_gateway_of_which_nothing_says_where_it_is(tmp_path):
    said = looked(made(tmp_path / "site"), "--only=position", "--seconds=0.3")
    assert said.words("position") == ["cannot tell"]
    assert "[site.survey]" in said.figures("position")
    said = looked(made(tmp_path / "two", survey=BERN), "--only=position", "--seconds=0.3")
    assert said.words("position", "credential") == ["ok"]
    assert "a receiver that measures its place" in said.figures("position")


def on_lines(folder: Path, yard: Yard, spoil: Callable[[Plant], None]) -> Said:
    """What is said of the lines while something is done to them."""

    async def run() -> Said:
        async with standing(folder, yard) as plant:
            spoil(plant)
            return await preflight(
                folder, "--only=line-errors,line-speed,configuration,rate", "--seconds=2"
            )

    return asyncio.run(run())


def test_frames_that_arrive_broken(tmp_path):
    def spoil(plant: Plant) -> None:
        plant._places[0].pmu.spoil(20)

    units = (Unit("pmu-a", 1, serial=True), Unit("pmu-b", 1))
    said = on_lines(tmp_path / "site", Yard(units), spoil)
    assert said.words("line-errors", "pmu-a") == ["fault"]
    assert "check_word" in said.figures("line-errors", "pmu-a")
    assert said.words("line-errors", "pmu-b") == ["ok"]


def test_a_line_that_is_too_slow_for_what_is_sent(tmp_path):
    """74 bytes at 60 a second are 44,400 bits."""
    unit = Unit("pmu-a", 1, serial=True, rate=60, options={"baud": 38_400})
    said = on_lines(tmp_path / "site", Yard((unit,)), lambda plant: None)
    assert said.words("line-speed", "pmu-a") == ["fault"]
    assert "of 38400 baud; limit 85%" in said.figures("line-speed")


def test_a_line_at_another_speed_says_something_and_no_frame(tmp_path):
    """What a UART makes of a line at the wrong speed is bytes, and no frame among them."""
    primary, secondary = os.openpty()
    try:
        yard = Yard((Unit("pmu-a", 1, serial=True, options={"ask_timeout_s": 0.3}),))

        async def run() -> Said:
            async with standing(tmp_path / "site", yard):
                path = tmp_path / "site" / GATEWAY
                text = path.read_text()
                at = text.index('path = "/dev/')
                end = text.index("\n", at)
                path.write_text(f'{text[:at]}path = "{os.ttyname(secondary)}"{text[end:]}')
                told = asyncio.ensure_future(babble(primary))
                try:
                    only = "--only=line-errors,configuration"
                    return await preflight(tmp_path / "site", only, "--seconds=2")
                finally:
                    told.cancel()
                    await asyncio.gather(told, return_exceptions=True)

        said = asyncio.run(run())
    finally:
        os.close(primary)
        os.close(secondary)
    assert said.words("line-errors") == ["fault"]
    assert "not one frame: is the speed 115200" in said.figures("line-errors")


async def babble(line: int) -> None:
    os.set_blocking(line, False)
    while True:
        try:
            os.write(line, bytes(range(1, 120)))
            os.read(line, 4096)  # what is asked
        except BlockingIOError:
            pass
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", ["VX", "va"])
def test_a_channel_that_the_plan_names_and_the_device_has_not(tmp_path, name: str):
    yard = Yard((Unit("pmu-a", 1),))

    async def run() -> Said:
        async with standing(tmp_path / "site", yard):
            path = tmp_path / "site" / "site.toml"
            path.write_text(path.read_text().replace('name = "VA"', f'name = "{name}"'))
            return await preflight(tmp_path / "site", "--only=configuration", "--seconds=1")

    said = asyncio.run(run())
    assert said.words("configuration") == ["fault"]
    assert repr(name) in said.figures("configuration")
