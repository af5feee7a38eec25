"""`gridseal-agent listen` on a receiver of time and place: what a technician reads of the sky."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.agent.test_listen import ROOT, WAIT_S, objects, typed


@contextmanager
def receiver(*words: str, plight: dict[str, object] | None = None) -> Iterator[str]:
    """Its URL."""
    argv = [sys.executable, "-m", "hil.devices.receiver", "--pty", "--plight", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None and process.stdin is not None
            path = json.loads(process.stdout.readline())["pty"]
            process.stdin.write(json.dumps(plight or {}) + "\n")
            process.stdin.flush()
            yield f"ublox://{path}"
        finally:
            process.terminate()
            process.communicate(timeout=WAIT_S)


def test_each_epoch_is_a_line_with_time_place_and_what_is_wrong() -> None:
    with receiver(plight={"spoofing": 2, "antenna": 4}) as url:
        code, out, err = typed(url, "--count", "3", "--timeout", "15")
    assert (code, err) == (0, "")
    epochs = [line for line in out.splitlines() if line.startswith("receiver 20")]
    assert len(epochs) == 3
    assert all(
        "Z within 66 ns, heard " in line
        and "; 46.94" in line
        and " above the ellipsoid, to 0.9 m (1 sigma); " in line
        and "fix space, navigation mode, 20 satellites at 41 dB-Hz, antenna open" in line
        and "spoofing indicated, jamming none" in line
        for line in epochs[1:]  # the first may be of a receiver that was not asked yet
    )
    assert "receiver: 3 epoch, " in out and "stated" not in out.splitlines()[-1]


def test_programs_get_an_object_an_epoch() -> None:
    with receiver("--ubx", plight={"lost": True}) as url:
        code, out, err = typed(url, "--count", "2", "--json", "--timeout", "15")
    assert (code, err) == (0, "")
    first, last = objects(out, "epoch")
    assert last["tai"] - first["tai"] == 1_000_000_000
    assert (last["fix"], last["bound_ns"], last["accuracy_m"]) == ("none", None, None)
    assert "no_fix" in last["doubts"] and last["speech"] == "ubx"
    assert objects(out, "summary")[0]["frames"] == 2
    assert not objects(out, "frame")


def test_nothing_is_told_of_a_receiver_that_is_silent() -> None:
    with receiver(plight={"silent": True}) as url:
        code, out, err = typed(url, "--count", "1", "--timeout", "4")
    assert code == 1 and "receiver 20" not in out
    assert "nothing was heard" in err
