"""pypmu (`synchrophasor` 1.0.0a0) decodes beside us, in a process of its own: a peer, not a part.

1. Patched at run time, nowhere else: it asks for `collections.Sequence`, which Python 3.10 moved to
   collections.abc.
2. It reads no float FREQ that says Hz (it takes every FREQ for mHz from nominal), and no STAT with
   PMU_TQ: it is given frames without them.
3. The first line of stdin is a JSON object with a configuration frame and data frames, in hex. Each
   further line is one pass over all frames; each is answered with the seconds that it took.
"""

import collections
import collections.abc
import json
import sys
import time


def main() -> int:
    """Until stdin ends. 1 when pypmu is not there or cannot read the frames."""
    collections.Sequence = collections.abc.Sequence  # type: ignore[attr-defined]
    try:
        from synchrophasor.frame import ConfigFrame2, DataFrame, FrameError
    except ImportError as fault:
        print(f"pypmu: {fault}", file=sys.stderr)
        return 1
    asked = json.loads(sys.stdin.readline())
    frames = [bytes.fromhex(raw) for raw in asked["frames"]]
    read = DataFrame.convert2frame
    try:
        configuration = ConfigFrame2.convert2frame(bytes.fromhex(asked["configuration"]))
        found = read(frames[0], configuration).get_measurements()["measurements"][0]["phasors"]
        print(json.dumps(found), flush=True)
        for _ in sys.stdin:
            start = time.perf_counter()
            for raw in frames:
                read(raw, configuration).get_measurements()
            print(time.perf_counter() - start, flush=True)
    except FrameError as fault:
        print(f"pypmu: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
