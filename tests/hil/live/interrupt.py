"""A play from the command line, begun, and ended by somebody's Ctrl-C."""

import signal
import subprocess
import sys
import threading
import time


def begun(*argv: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-u", "-m", "hil.cli", "run", *map(str, argv)]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupted(
    words: str, most_s: float, *argv: object, later_s: float = 0.0
) -> subprocess.CompletedProcess[str]:
    """Told once, so long after it has said these words. Killed after `most_s`."""
    with begun(*argv) as play:
        bound = threading.Timer(most_s, play.kill)
        bound.start()
        try:
            assert play.stdout is not None
            assert any(words in line for line in play.stdout)
            time.sleep(later_s)
            play.send_signal(signal.SIGINT)
            said, why = play.communicate()
        finally:
            bound.cancel()
            play.kill()
    return subprocess.CompletedProcess(play.args, play.returncode, said, why)
