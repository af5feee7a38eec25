"""The local archive, program by program: exported while the agent runs, and verified when neither
agent nor record is there any more.
"""

import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evidence import instant
from evidence.leap import BUILT_IN, NS
from provisioning.init import ANCHORS, GATEWAY
from tests.scenario.test_kill import END_S, PLAY_S, running

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 30
pytestmark = pytest.mark.timeout(PLAY_S + 10)


def now() -> int:
    """The machine's clock, ns TAI."""
    return BUILT_IN.tai_ns(*divmod(time.time_ns(), NS))


def ran(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip


def test_export_of_a_running_agent_is_verified_alone(tmp_path: Path) -> None:
    site_folder = tmp_path / "site"
    files = [tmp_path / name for name in ("live", "one", "hidden", "copied")]

    def exported(out: Path, *more: str) -> str:
        day = ("--from", instant.words(begun - 60 * NS), "--to", instant.words(now() + 60 * NS))
        done = ran("agent.cli", "export", *day, "--out", str(out), *more)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    begun = now()
    config = ("--config", str(site_folder / GATEWAY))

    async def play() -> None:
        async with running(tmp_path) as site:
            await site.until(lambda told: told["receipted"] > 100)
            await asyncio.sleep(0.5)
            told = await asyncio.to_thread(exported, files[0], *config)
            assert "of 2 streams" in told or "of 3 streams" in told
            await asyncio.to_thread(exported, files[1], *config, "--stream", "pmu-a")
            await asyncio.to_thread(exported, files[2], *config, "--without-disclosures")
            assert site.agent is not None and site.record is not None
            site.agent.kill()
            copy = tmp_path / "copy"
            copy.mkdir()
            for name in ("spool.db", "spool.db-wal"):
                shutil.copy(site.site / name, copy)
            await site.record.end(END_S)
            shutil.copy(site.site / ANCHORS, tmp_path)

    asyncio.run(asyncio.wait_for(play(), PLAY_S))
    shutil.rmtree(site_folder)
    exported(files[3], "--spool", str(tmp_path / "copy" / "spool.db"))
    for path in files:
        done = ran("record.cli", "verify", str(path), "--anchors", str(tmp_path / ANCHORS))
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        assert "everything holds" in done.stdout and " with a receipt of the log" in done.stdout
        assert " 0 with a receipt" not in done.stdout
        assert ("(pmu-a/idcode=7)" in done.stdout) == (path != files[2])
