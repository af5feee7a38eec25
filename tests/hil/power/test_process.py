"""One seed is one grid in every process, whatever its hashes are salted with."""

import os
import subprocess
import sys

# States, what instruments say, and what happened, to the last bit.
PROGRAM = """
from hashlib import sha256
from evidence.leap import NS
from hil.power import case, event
from hil.power.event import At, cleared
from hil.power.instrument import Instrument
from hil.power.model import Model
from hil.power.point import Point
from hil.power.readings import Readings

begins = 1_795_352_230 * NS
names = ("7-8/1", "7-8/2")
timeline = [*cleared("8-9/1", begins + NS // 2, dead_s=0.3), At(begins + NS, event.Trip("G1"))]
timeline += [At(begins + NS, event.Open(name)) for name in names]
model = Model(case.load("two-utilities"), begins, seed=3, rate=60, timeline=timeline)
points = [Point("7", "L7"), Point("9", "DC")]
instrument = Instrument("0.5/5P20", "0.5/5P20", drift_ppb=900)
readings = Readings(model, points, instrument=instrument)
said = sha256()
for frame in range(0, 120, 3):
    for number in (1, 2):
        tai = begins + frame * NS // 30
        said.update(repr(readings.measured(tai, number, 5)).encode())
        said.update(repr(readings.bound(tai, number, 5)).encode())
said.update(repr(model.state(240)).encode())
said.update(repr(model.happened).encode())
print(said.hexdigest(), len(model.happened))
"""


def test_one_seed_is_one_grid_in_every_process() -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": salt},
            stdout=subprocess.PIPE,
            text=True,
        )
        for salt in ("1", "77")
    ]
    said = [process.communicate(timeout=120)[0].split() for process in running]
    assert said[0] == said[1]
    assert int(said[0][1]) > 6  # what was asked for, and what relays did
