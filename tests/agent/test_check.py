"""`gridseal-agent check` as it is typed: files as provisioning makes them, a simulated PMU on TCP
that sends CFG-3, a receiver on a pseudo-terminal, and an agent that runs.
"""

import asyncio
import contextlib
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from drivers.c37118.wire import FrameType, Stamp, encode_configuration
from evidence.siteplan import Survey
from hil.devices.gnss import Truth
from hil.devices.pmu import Plant, Profile
from hil.devices.receiver import Receiver
from hil.grid import Grid
from hil.grid import Plan as GridPlan
from provisioning.cli import main as provision
from provisioning.init import InitRequest, initialise
from provisioning.source import SourceRequest
from tests.drivers.receiver_peer import on_line, runs

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 30.0
NORTH, EAST = 46.9480, 7.4474
BERN = (NORTH, EAST, 600.0)
FAR = (47.0480, 7.4474, 600.0)  # 11 km north
SURVEY = Survey(NORTH, EAST, 600.0, 0.5, "RTK, 30 min")
TERMINAL = "123e4567-e89b-12d3-a456-426614174000"


class Done(NamedTuple):
    """What a program said."""

    code: int
    out: str
    err: str

    def line(self, beginning: str) -> str:
        found = [one for one in self.out.splitlines() if one.startswith(beginning)]
        assert len(found) == 1, self
        return found[0].removeprefix(beginning)


async def check(folder: Path, *more: str) -> Done:
    argv = [sys.executable, "-m", "agent.cli", "check", "--config", str(folder / "gateway.toml")]
    program = await asyncio.create_subprocess_exec(
        *argv,
        *more,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WAIT_S):
        out, err = await program.communicate()
    return Done(program.returncode or 0, out.decode(), err.decode())


def made(
    folder: Path, *sources: SourceRequest, survey: Survey | None = SURVEY, bus: str = "Bus 1"
) -> Path:
    request = InitRequest(folder, sources=sources, survey=survey, buses=(bus,))
    initialise(request, int(time.time()), os.urandom)
    return folder


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))


def pmu_at(address: str, **options: str | int) -> SourceRequest:
    host, _, port = address.rpartition(":")
    return SourceRequest(
        "pmu-a", "c37118+tcp", {"host": host, "port": int(port), "idcode": 7, **options}
    )


@contextlib.asynccontextmanager
async def pmu(place: tuple[float, float, float] | None) -> AsyncIterator[str]:
    """A simulated PMU; its address."""
    plant = Plant(Grid(GridPlan()))
    _, address = await plant.add_tcp(Profile(idcode=7, rate=10, place=place))
    plant.start()
    try:
        yield address
    finally:
        await plant.stop()


def filed(folder: Path, place: tuple[float, float, float] | None) -> SourceRequest:
    """A PMU whose CFG-3 is in a file, and which nobody can reach."""
    found = Profile(idcode=7, place=place).configuration(FrameType.CFG3)
    (folder / "pmu.cfg3").write_bytes(encode_configuration(found, Stamp(1_790_000_000)))
    return pmu_at("127.0.0.1:1", configuration=str(folder / "pmu.cfg3"))


# --- what is in files


@pytest.mark.parametrize("place", [BERN, (NORTH + 0.00008, EAST, 600.0)])
def test_a_configuration_on_file_that_agrees(
    tmp_path: Path, place: tuple[float, float, float]
) -> None:
    folder = made(tmp_path / "site", filed(tmp_path, place))
    done = asyncio.run(check(folder))
    assert (done.code, done.err) == (0, "")
    assert done.line("place of site.toml: ") == (
        "46.948000, 7.447400, within 0.5 m (1 sigma) by RTK, 30 min"
    )
    assert done.line("place of credential.cbor: ") == "0.0 m from the survey"
    assert re.fullmatch(
        r"\d\.\d m from the survey", done.line("place of pmu-a (IDCODE 7, on file): ")
    )
    assert done.line("place of the antenna: ") == "no receiver; nobody can check it"
    assert done.out.endswith("the configuration can be run\n")


@pytest.mark.parametrize(("place", "code"), [(BERN, 0), (FAR, 1)])
def test_a_pmu_behind_a_board_is_held_against_the_plan(
    tmp_path: Path, place: tuple[float, float, float], code: int
) -> None:
    filed(tmp_path, place)
    (tmp_path / "k").write_text("11" * 32)
    (tmp_path / "k").chmod(0o600)
    options: dict[str, str | list[Any]] = {
        "path": str(tmp_path / "nothing"),
        "board": "22" * 32,
        "key": str(tmp_path / "k"),
        "configurations": [str(tmp_path / "pmu.cfg3")],
    }
    relay = SourceRequest("relay", "mcu+serial", options)
    done = asyncio.run(check(made(tmp_path / "site", relay), "--open", "5"))
    assert done.code == code, done
    told = done.line("place of relay (IDCODE 7, on file): ")
    assert told.startswith("CONTRADICTS") is (code == 1)
    assert done.line("place of relay: ").startswith("cannot be asked: ") and "ring" not in done.out
    change(tmp_path / "site" / "gateway.toml", "[spool]\n", "[spool]\ncommit_ms = 5000\n")
    done = asyncio.run(check(tmp_path / "site"))
    assert " octets come in 5500 ms" in done.line("ring of relay: ") and done.code == code


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (FAR, "CONTRADICTS: 11 km from the survey, 12 m may be: it says 47.04"),
        ((EAST, NORTH, 0.0), "is it latitude and longitude exchanged?"),
        ((NORTH, -EAST, 0.0), "is it the sign of the longitude?"),
    ],
)
def test_one_that_does_not_is_exit_1(
    tmp_path: Path, place: tuple[float, float, float], words: str
) -> None:
    folder = made(tmp_path / "site", filed(tmp_path, place))
    done = asyncio.run(check(folder))
    assert words in done.line("place of pmu-a (IDCODE 7, on file): ")
    assert done.code == 1
    assert done.err == "gridseal-agent: one of them says another place than the site plan\n"
    assert "can be run" not in done.out


def test_a_place_that_nobody_can_check_is_no_fault(tmp_path: Path) -> None:
    folder = made(tmp_path / "site", filed(tmp_path, None))
    done = asyncio.run(check(folder))
    told = done.line("place of pmu-a (IDCODE 7, on file): ")
    assert (done.code, told) == (0, "its configuration names none; nobody can check it")


def test_without_a_survey_all_is_said_and_nothing_compared(tmp_path: Path) -> None:
    folder = made(tmp_path / "site", filed(tmp_path, FAR), survey=None)
    done = asyncio.run(check(folder))
    assert done.code == 0
    assert done.line("place of site.toml: ").startswith("no survey")
    assert done.line("place of credential.cbor: ").startswith("no position")
    told = done.line("place of pmu-a (IDCODE 7, on file): ")
    assert re.fullmatch(r"it says 47\.04\d+, 7\.44\d+; nobody can check it", told)


def test_a_pmu_at_its_bus_stands_where_it_should(tmp_path: Path) -> None:
    place = (NORTH + 300 / 111_170, EAST, 600.0)
    folder = made(tmp_path / "site", filed(tmp_path, place))
    assert asyncio.run(check(folder)).code == 1
    change(folder / "site.toml", 'name = "Bus 1"', 'name = "Bus 1"\noffset_mm = [0, 300000, 0]')
    done = asyncio.run(check(folder))
    assert done.code == 0
    assert "m from bus 'Bus 1'" in done.line("place of pmu-a (IDCODE 7, on file): ")


# --- the credential against the plan


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_survey_far_from_the_credentials_position(tmp_path: Path, command: str) -> None:
    """Whoever moves a gateway and tells the plan alone is found before the record refuses it."""
    folder = made(tmp_path / "site")
    change(folder / "site.toml", "latitude = 46.948", "latitude = 46.949")
    words = "111 m from the position in the credential, 12 m may be"
    if command == "check":
        done = asyncio.run(check(folder))
        assert done.code == 1
        assert f"CONTRADICTS: the survey is {words}" in done.line("place of credential.cbor: ")
        return
    done = asyncio.run(_run(folder))
    assert done.code == 2
    assert f"site.toml: site.survey: the survey is {words}" in done.err
    assert not (folder / "spool.db").exists()


async def _run(folder: Path) -> Done:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent.cli", "run", "--config", str(folder / "gateway.toml")),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WAIT_S):
        out, err = await program.communicate()
    return Done(program.returncode or 0, out.decode(), err.decode())


def test_a_survey_that_was_made_a_little_better_needs_no_new_credential(tmp_path: Path) -> None:
    folder = made(tmp_path / "site")
    change(folder / "site.toml", "latitude = 46.948", "latitude = 46.94801")
    done = asyncio.run(check(folder))
    assert (done.code, done.line("place of credential.cbor: ")) == (0, "1.1 m from the survey")


def test_a_terminal_is_granted_by_the_next_credential(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan first, then the authority, then the gateway."""
    folder = made(tmp_path / "site", filed(tmp_path, BERN))
    with (folder / "site.toml").open("a") as plan:
        plan.write(f'[[stream.channel]]\nname = "IA"\nterminal = "{TERMINAL}"\ndirection = "in"\n')
    done = asyncio.run(check(folder))
    assert done.code == 2
    assert re.search(r"site\.toml:\d+: stream\[0\]\.channel\[0\]\.terminal: ", done.err)
    assert f"{TERMINAL} at 'Bus 1', direction 'in', is not granted by the credential" in done.err
    asked = ["authority", "renew", str(folder / "credential.cbor"), "--authority", str(folder)]
    asked += ["--plan", str(folder / "site.toml"), "--out", str(tmp_path / "new.cbor")]
    assert provision(asked) == 0
    assert f"{TERMINAL}  at " in capsys.readouterr().out
    (tmp_path / "new.cbor").replace(folder / "credential.cbor")
    assert asyncio.run(check(folder)).code == 0
    change(folder / "site.toml", 'direction = "in"', 'direction = "out"')
    assert asyncio.run(check(folder)).code == 2


# --- what only a device can say


@runs
async def opened(
    tmp_path: Path, place: tuple[float, float, float] | None, code: int, words: str
) -> None:
    async with pmu(place) as address:
        folder = made(tmp_path / "site", pmu_at(address))
        done = await check(folder)
        assert done.code == 0
        assert done.line("place of pmu-a: ").startswith("not asked; --open 10 ")
        begun = time.monotonic()
        done = await check(folder, "--open", "20")
        assert time.monotonic() - begun < 15  # it does not wait when all is said
        assert done.code == code
        assert words in done.line("place of pmu-a (IDCODE 7, heard): ")


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        (BERN, 0, " m from the survey"),
        (FAR, 1, "CONTRADICTS: 11 km from the survey"),
        (None, 0, "its configuration names none"),
        ((0.0, 0.0, 0.0), 0, "its configuration names none"),
    ],
)
def test_a_pmu_that_is_opened(
    tmp_path: Path, place: tuple[float, float, float] | None, code: int, words: str
) -> None:
    opened(tmp_path, place, code, words)


def test_a_pmu_that_is_away_is_said(tmp_path: Path) -> None:
    folder = made(tmp_path / "site", pmu_at("127.0.0.1:1"))
    done = asyncio.run(check(folder, "--open", "5"))
    assert done.code == 0
    assert done.line("place of pmu-a: ").startswith("cannot be asked: ")


@runs
async def received(tmp_path: Path, truth: Truth, plight: dict[str, object], *told: object) -> None:
    code, words = told
    receiver = Receiver(truth, ubx=True)
    for name, value in plight.items():
        setattr(receiver.plight, name, value)
    with on_line(receiver) as (_, path):
        source = SourceRequest("gps", "ublox", {"path": path})
        folder = made(tmp_path / "site", source)
        done = await check(folder, "--open", "3" if plight else "20")
        assert (done.code, bool(re.search(str(words), done.line("place of gps: ")))) == (code, True)


@pytest.mark.parametrize(
    ("truth", "plight", "code", "words"),
    [
        (Truth(NORTH, EAST), {}, 0, r"^\d\.\d m from the survey$"),
        (Truth(NORTH + 0.01, EAST), {}, 1, r"^CONTRADICTS: 111\d m from the survey, \d\d m may be"),
        (Truth(NORTH, EAST), {"lost": True}, 0, "measures no position now; nobody can check it"),
        (Truth(NORTH, EAST), {"held": True}, 0, "it could not notice that it was moved"),
        (Truth(NORTH, EAST), {"silent": True}, 0, "it said nothing"),
    ],
)
def test_a_receiver_that_is_opened(
    tmp_path: Path, truth: Truth, plight: dict[str, object], code: int, words: str
) -> None:
    received(tmp_path, truth, plight, code, words)


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[None]:
    """The agent of this folder, in a process of its own."""
    agent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent.cli", "run", "--config", str(folder / "gateway.toml")),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        agent.terminate()
        await asyncio.wait_for(agent.wait(), WAIT_S)


@runs
async def asked_of_the_agent(tmp_path: Path) -> None:
    async with pmu(FAR) as address:
        folder = made(tmp_path / "site", pmu_at(address))
        async with running(folder):
            async with asyncio.timeout(WAIT_S):
                done = await check(folder)
                while "heard by the agent" not in done.out:
                    done = await check(folder, "--open", "1")
            assert done.code == 1
            told = done.line("place of pmu-a (IDCODE 7, heard by the agent): ")
            assert told.startswith("CONTRADICTS: 11 km from the survey")
            assert "heard)" not in done.out  # the line is the agent's


def test_an_agent_that_runs_is_asked_instead_of_its_lines(tmp_path: Path) -> None:
    asked_of_the_agent(tmp_path)


@runs
async def concluded_by_the_agent(tmp_path: Path) -> None:
    with on_line(Receiver(Truth(NORTH + 0.01, EAST), ubx=True)) as (_, path):
        folder = made(tmp_path / "site", SourceRequest("gps", "ublox", {"path": path}))
        async with running(folder):
            async with asyncio.timeout(WAIT_S):
                done = await check(folder)
                while "doubted" not in done.out:
                    done = await check(folder)
            assert done.code == 1
            told = done.line("place of the antenna (gps): ")
            assert re.match(r"CONTRADICTS: doubted: gps: 111[0-3] m from the survey", told)


def test_what_an_agent_concludes_of_its_receivers_is_told(tmp_path: Path) -> None:
    concluded_by_the_agent(tmp_path)


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "4000", "soon"])
def test_a_time_that_is_none_is_refused(tmp_path: Path, given: str) -> None:
    folder = made(tmp_path / "site")
    done = asyncio.run(check(folder, "--open", given))
    assert done.code == 2 and "expected seconds, up to 3600" in done.err


def test_the_credential_of_another_authority_is_not_renewed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(tmp_path / "site")
    other = made(tmp_path / "other")
    asked = ["authority", "renew", str(folder / "credential.cbor"), "--authority", str(other)]
    asked += ["--plan", str(folder / "site.toml"), "--out", str(tmp_path / "new.cbor")]
    assert provision(asked) == 2
    assert "is signed by 'authority-1' with another key" in capsys.readouterr().err
    assert not (tmp_path / "new.cbor").exists()
