"""What a place may be able to do, by name, and what to do where it is not.

1. A scenario names abilities and kinds of devices; a place says which it has. Neither knows the
   other.
2. Why something is not there is one sentence, and it says what to do.
"""

CABLES = "cables"  # of devices can be pulled and plugged in
SPOIL = "spoil"  # devices do on request what they should not
KILL = "kill"  # programs of the gateways can be killed and started
DISK = "disk"  # a gateway's spool can have a disk of its own
RAW = "raw-sockets"  # Ethernet is sent and heard: GOOSE, Sampled Values
CLOCK = "gateway-clock"  # a gateway's wall clock can be set, and nobody else's
REFERENCE = "reference-clock"  # gateways' clocks are measured by a chronyd
ERA = "another-date"  # devices and gateways show another date, at which a second is inserted
GRID = "grid"  # what there is to measure can be told to do something

TEXTS = {
    CABLES: "cables of devices can be pulled",
    SPOIL: "devices do on request what they should not",
    KILL: "gateways' programs can be killed and started",
    DISK: "a gateway can have a disk of its own",
    RAW: "Ethernet frames can be sent and heard",
    CLOCK: "a gateway's wall clock can be set",
    REFERENCE: "a gateway's clock has a reference",
    ERA: "a second can be inserted, at another date",
    GRID: "the grid can be told what to do",
}
