"""pypmu's own PMU, in a process of its own: a peer, not a part.

    python -m tests.drivers.pypmu_pmu

1. Patched at run time, nowhere else: it asks for `collections.Sequence`, which Python 3.10 moved to
   collections.abc, and takes no port 0.
2. It sends its own sample of the standard's annex, RATE times a second, to whoever asked for data.
   It has no CFG-3, and hangs up when asked for one.
3. The first line printed is the port. It ends with its standard input, and takes with it what it
   started.
"""

import collections
import collections.abc
import os
import signal
import sys
import threading
import time

RATE = 30


def main() -> int:
    """Until the standard input ends. 1 when pypmu is not there."""
    collections.Sequence = collections.abc.Sequence  # type: ignore[attr-defined]
    try:
        from synchrophasor.pmu import Pmu
    except ImportError as fault:
        print(f"pypmu: {fault}", file=sys.stderr)
        return 1
    Pmu.logger.setLevel("ERROR")
    Pmu.logger.handlers.clear()
    made = Pmu(pmu_id=7734, data_rate=RATE, port=0)
    made.run()
    print(made.socket.getsockname()[1], flush=True)

    def measure() -> None:
        while True:
            made.send(made.ieee_data_sample)
            time.sleep(1 / RATE)

    threading.Thread(target=measure, daemon=True).start()
    # Not by sys.stdin: a process forked while that is being read waits for its lock for ever.
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)  # it forks a process for each client
    return 0


if __name__ == "__main__":
    sys.exit(main())
