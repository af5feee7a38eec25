"""How long after its instant an honest sample is heard: the figures by which gateway and record
both judge an arrival.

1. Only what is on time or late is TIMED: a block of Sampled Values is as old as its frames. Of
   GOOSE and Modbus nothing is too late: the first repeats the instant of a change that may be old,
   registers may hold what was measured long ago.

What a path adds that nobody declared, and what bounds allow, is for whoever judges.
"""

from evidence.code import Kind
from evidence.leap import NS

TIMED = frozenset({Kind.C37118, Kind.IEEE1344, Kind.SV, Kind.MCU_C37118})
PERIODS = 7  # C37.118.1-2011 Table 11: PMU reporting latency, class M: 7/Fs
RATE_UNKNOWN_NS = NS  # in place of 7/Fs
# Of a concentrator that does not say how long it waits: they are set to 1 to 4 s.
WAIT_UNKNOWN_NS = 5 * NS
