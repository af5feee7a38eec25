"""A PMU of somebody else's make: pypmu (`synchrophasor` 1.0.0a0), by TCP or at a serial line.

    python pmu.py --tcp HOST:PORT --idcode N
    python pmu.py --line PATH --idcode N

1. Nothing of ours is here: frames, and over TCP the server too, are pypmu's. It writes no account
   of what it sends, as no device does.
2. pypmu asks for `collections.Sequence`, which Python 3.10 moved; its server sleeps a whole period
   besides what it does, so that it falls behind, and spins where it has nothing to send. All three
   are mended here, and nowhere else.
3. At a serial line, where pypmu has no server, it is asked by pypmu's own command frames.
"""

import argparse
import collections
import collections.abc
import os
import select
import time
import tty
from collections.abc import Iterator

collections.Sequence = collections.abc.Sequence  # type: ignore[attr-defined]

from synchrophasor import pmu as server  # noqa: E402
from synchrophasor.frame import CommandFrame, CommonFrame, ConfigFrame2, DataFrame  # noqa: E402

RATE = 60
NOMINAL_60 = 60
TIME_BASE = 960_000  # whole instants at this rate
LOOK_S = 0.005  # between two looks at what is to be sent: less than a period
EDITION_2011 = 2  # VERSION of SYNC
PHASORS = [(132790.0, 0.0), (132790.0, -2.0944), (132790.0, 2.0944)]
FREQ = 10  # mHz from nominal: pypmu knows no FREQ in Hz
OK = ("ok", True, "timestamp", False, False, False, 2, "<10", 0)
FRAME_BYTES = 18  # of a command without more
COMMANDS = {"start": True, "stop": False}


def configuration(idcode: int) -> ConfigFrame2:
    """Three voltages in polar floats, nothing else."""
    told = (True, True, True, False)  # FORMAT: polar, floats but for FREQ
    names = ["VA", "VB", "VC"]
    units = [(0, "v")] * 3
    return ConfigFrame2(
        *(idcode, TIME_BASE, 1, "FOREIGN PMU", idcode, told, 3, 0, 0),
        *(names, units, [], [], NOMINAL_60, 1, RATE),
        version=EDITION_2011,
    )


def data(of: ConfigFrame2, idcode: int, number: int) -> bytes:
    """The frame of an instant, by its number since 1970."""
    frame = DataFrame(idcode, OK, PHASORS, FREQ, 0, [], [], of)
    frame.set_version(EDITION_2011)
    frame.set_soc(number // RATE)
    frame.set_frasec(number % RATE * (TIME_BASE // RATE))
    return bytes(frame.convert2bytes())


def instants() -> Iterator[int]:
    """The number of each, at its time; those that were slept through follow at once."""
    number = int(time.time() * RATE) + 1
    while True:
        time.sleep(max(0.0, number / RATE - time.time()))
        yield number
        number += 1


def over_tcp(host: str, port: int, idcode: int) -> None:
    server.sleep = lambda _: None
    server.select = lambda ports, _, __, ___: select.select(ports, [], [], LOOK_S)
    pmu = server.Pmu(idcode, RATE, port, host, set_timestamp=False)
    of = configuration(idcode)
    pmu.set_configuration(of)
    pmu.set_header("somebody else's")
    pmu.run()
    print("it listens", flush=True)
    for number in instants():
        pmu.send(data(of, idcode, number))


def at_line(path: str, idcode: int) -> None:
    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port)
    of = configuration(idcode)
    print("it listens", flush=True)
    asked, sending = b"", False
    for number in instants():
        if sending:
            os.write(port, data(of, idcode, number))
        if not select.select([port], [], [], 0)[0]:
            continue
        asked += os.read(port, 4096)
        while len(asked) >= FRAME_BYTES:
            frame, asked = CommonFrame.convert2frame(asked[:FRAME_BYTES]), asked[FRAME_BYTES:]
            command = frame.get_command() if isinstance(frame, CommandFrame) else ""
            sending = COMMANDS.get(command, sending)
            if command == "cfg2":
                of.set_time()
                os.write(port, of.convert2bytes())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tcp", default="")
    parser.add_argument("--line", default="")
    parser.add_argument("--idcode", type=int, required=True)
    told = parser.parse_args()
    if told.line:
        at_line(told.line, told.idcode)
    host, _, port = told.tcp.rpartition(":")
    over_tcp(host, int(port), told.idcode)


if __name__ == "__main__":
    main()
