"""What tests ask of their surroundings: recorded traffic, and other people's programs.

1. What is absent is named: the test is skipped, and with CI set it fails. No other file skips.
2. Whatever code under drivers/ writes to a line in a test, or in a program that a test started, is
   written down (tests.recorder), and the test fails where that is in no table.

It starts nothing.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from tests.recorder import sitecustomize as recorder
from tests.recorder import table

pytest_plugins = ["tests.machine"]

ROOT = Path(__file__).resolve().parent.parent
_DEBIAN = ROOT / ".debian" / "usr"  # what .ci/debian unpacks, so that nothing is installed for it
os.environ["PATH"] = os.pathsep.join(
    [str(_DEBIAN / "sbin"), str(_DEBIAN / "bin"), os.environ.get("PATH", os.defpath), "/usr/sbin"]
)

# How fast inputs are made says something of the machine, and nothing of what is tested: the first
# text strategy on a fresh clone reads the whole of Unicode.
settings.register_profile(
    "gridseal",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,  # so that a draw that fails once in a thousand runs can be made again
)
settings.load_profile("gridseal")

# A shell has what it starts in the background ignore Ctrl-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

recorder.install()
# Programs that tests start load the same recorder by themselves.
_PATHS = [str(Path(recorder.__file__).parent), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, _PATHS))


@pytest.fixture(scope="session")
def asked_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was sent to devices in this session, a line each."""
    path = tmp_path_factory.mktemp("asked") / "lines"
    path.touch()
    os.environ[recorder.FILE] = str(path)
    return path


@pytest.fixture(autouse=True)
def nothing_but_asks(asked_file: Path) -> Iterator[None]:
    """A test in which a device was sent what no table holds has failed."""
    before = asked_file.stat().st_size
    yield
    with asked_file.open("rb") as file:
        file.seek(before)
        lines = file.read().decode().splitlines()
    refused = [line for line in lines if not table.name_of(bytes.fromhex(line.split(" ")[2]))]
    if refused:
        pytest.fail(f"sent to a device, and in no table: {refused[:3]}", pytrace=False)


def absent(what: str, remedy: str) -> NoReturn:
    """Skips the test that needs `what`, by name; under CI nothing may be missing."""
    text = f"absent: {what}; {remedy}"
    if os.environ.get("CI"):
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


@contextmanager
def small_disk(place: Path, size: int | str) -> Iterator[Path]:
    """An empty disk in memory of so many bytes, at a folder that is made for it."""
    if os.geteuid() != 0:
        absent("the right to mount a small disk", "run the tests as root")
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    subprocess.run(["mount", *options, place], check=True, timeout=10)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True, timeout=10)


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of recorded traffic, third parties' included: beside the project, never in it."""
    named = os.environ.get("GRIDSEAL_CAPTURES")
    path = Path(named) if named else ROOT.parent / "shared" / "captures"
    if not (path / "c37118").is_dir():
        absent("the captures", "name their folder by GRIDSEAL_CAPTURES")
    return path


@pytest.fixture(scope="session")
def events() -> Path:
    """The folder of public data on real events: beside the project, never in it."""
    named = os.environ.get("GRIDSEAL_EVENTS")
    path = Path(named) if named else ROOT.parent / "shared" / "events"
    if not (path / "pmu_capture_1344").is_dir():
        absent("the data of real events", "name their folder by GRIDSEAL_EVENTS")
    return path


@pytest.fixture(scope="session")
def oracle() -> Path:
    """A Python that has the independent COSE library `cwt`, and nothing of ours."""
    path = ROOT / ".oracle" / "bin" / "python"
    if not path.exists():
        absent("the independent COSE library", "type: make oracle")
    return path


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """Finds a program of Debian's by name, for tests that talk to the real thing."""

    def find(name: str) -> Path:
        path = shutil.which(name)
        if path is None:
            absent(name, "type: sudo make debian")
        return Path(path)

    return find
