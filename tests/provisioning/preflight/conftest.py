"""A source of time that vouches for this machine's clock, whatever the machine has: a real chronyd
that a thread feeds. It sets no clock (-x).
"""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.drivers.timekeeper_peer import CHRONY, Feed

SETTLE_S = 30.0
TELL_S = 0.25
ERROR_S = 0.05  # what it says of itself, once it has heard enough


@pytest.fixture(scope="session")
def time_source(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], Path]
) -> Iterator[str]:
    """As [clock] sources has it."""
    folder = tmp_path_factory.mktemp("chrony")
    folder.chmod(0o700)
    file, sock = folder / "conf", folder / "cmd.sock"
    file.write_text(CHRONY.format(folder=folder))
    chronyc = str(program("chronyc"))
    argv = [str(program("chronyd")), "-x", "-d", "-u", "root", "-f", str(file)]
    stop = threading.Event()
    with Feed(folder / "ref.sock") as feed, (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(argv, stdout=log, stderr=log)

        def tell() -> None:
            while not stop.wait(TELL_S):
                feed.tell()

        teller = threading.Thread(target=tell)
        teller.start()
        try:
            _settle(chronyc, sock)
            yield f"chrony:?chronyc={chronyc}&host={sock}"
        finally:
            stop.set()
            teller.join()
            daemon.terminate()
            daemon.wait(SETTLE_S)


def _settle(chronyc: str, sock: Path) -> None:
    """Until it follows its reference, well enough."""
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        argv = [chronyc, "-c", "-h", str(sock), "tracking"]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=SETTLE_S, check=False)
        parts = said.stdout.strip().split(",")
        if len(parts) == 14 and parts[13] == "Normal":
            error_s = abs(float(parts[4])) + float(parts[11]) + float(parts[10]) / 2
            if error_s < ERROR_S:
                return
        time.sleep(0.2)
    pytest.fail(f"chronyd does not settle: {said.stdout}")
