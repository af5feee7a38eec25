"""An address that somebody else has: said by name with what to do, and sealing goes on; tried again
until it is free.
"""

import signal
import socket
import subprocess
import sys
from pathlib import Path

from hil.bench.process import process
from tests.agent.page.gateway import Gateway, running
from tests.provisioning.page.rig import until


def test_address_in_use_is_told_and_taken_once_it_is_free(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        name = f"127.0.0.1:{other.getsockname()[1]}"
        with running(tmp_path, name, pmus=1) as gateway:
            until(lambda: gateway.status()["page"]["fault"] is not None, "what is in the way")
            fault = gateway.status()["page"]["fault"]
            assert name in fault and "in use by another program" in fault
            assert "[page] listen of gateway.toml" in fault
            until(lambda: gateway.status()["receipted"] > 60, "receipts all the same")
            argv = ["agent.cli", "status", "--config", str(gateway.configuration)]
            said = subprocess.run(
                [sys.executable, "-m", *argv], capture_output=True, text=True, timeout=20
            )
            assert f"NO PAGE: no page: {name} is in use" in said.stdout
            other.close()
            assert gateway.url == f"http://{name}/"
            assert gateway.get("/")[0] == 200
            assert gateway.log.read_text(encoding="utf-8").count("in use by another program") == 1
            watched_until_it_is_gone(gateway)


def watched_until_it_is_gone(gateway: Gateway) -> None:
    """`status --watch` of an agent that ends is told so once, and asks again until Ctrl-C: the next
    is watched as if nothing had been.
    """
    argv = ["agent.cli", "status", "--watch", "--config", str(gateway.configuration)]
    watching = subprocess.Popen(
        [sys.executable, "-m", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert watching.stdout is not None and "1 of 1 sources up" in watching.stdout.readline()
        gateway.agent.terminate()
        gateway.agent.wait(20)
        assert watching.stderr is not None
        said = watching.stderr.readline()
        assert "no agent answers for spool.db" in said and "asked again until Ctrl-C" in said
        again = ["agent.cli", "run", "--config", str(gateway.configuration)]
        with process(again, gateway.log.with_name("again.log")):
            line = ""
            while "1 of 1 sources up" not in line:
                line = watching.stdout.readline()
                assert line
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0
    finally:
        watching.kill()
        watching.communicate()
