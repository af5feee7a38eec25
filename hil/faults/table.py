"""Every fault there is, by name.

To add one: a function of a rig in the file of what it strikes, and a row here.

Not here: a machine restored from a snapshot of its memory. Processes cannot be copied so; what a
record does with the twins is shown in tests/record.
"""

from hil.faults import (
    brokered,
    clock,
    copied,
    device,
    disk,
    leap,
    network,
    process,
    sky,
    upstream,
)
from hil.faults.fault import Fault
from hil.faults.need import CHAMBER, ROOT
from hil.faults.outfit import CHRONY_NEEDS, PTP_NEEDS

_TRACED = ("strace", ROOT)

_ALL = (
    Fault("agent-kill", "kill -9 of the agent at random moments", process.kill),
    Fault("agent-stop", "SIGSTOP of the agent, and SIGCONT", process.stop),
    Fault(
        "disk-full",
        "another file fills the spool's disk",
        disk.full,
        CHAMBER,
        disk_bytes=disk.DISK_BYTES,
    ),
    Fault(
        "disk-read-only",
        "the spool's disk turns read-only, and back",
        disk.read_only,
        (*CHAMBER, *_TRACED),
        disk_bytes=disk.DISK_BYTES,
    ),
    Fault("sync-error", "fsync fails with EIO, once and for a while", disk.sync_error, _TRACED),
    Fault(
        "sync-error-restart",
        "fsync fails with EIO, and the agent is killed amid it",
        disk.sync_error_restart,
        _TRACED,
    ),
    Fault(
        "clock-step",
        "the agent's wall clock steps an hour forward and back",
        clock.step,
        ("faketime", *CHRONY_NEEDS),
        faketime=True,
        outfit=clock.STEPPED,
    ),
    Fault(
        "link-cut",
        "packets between agent and record are dropped",
        upstream.link_cut,
        (*CHAMBER, "nft"),
    ),
    Fault("record-restart", "kill -9 of the record, and a start", upstream.restart),
    Fault("record-rollback", "the record is restored from an older copy", upstream.rollback),
    Fault("spool-rollback", "the spool is set back to an older copy", copied.spool_rollback),
    Fault(
        "key-clone",
        "a copy of the gateway runs beside it",
        copied.key_clone,
        clones=copied.CLONES,
    ),
    Fault(
        "broker-leader-kill",
        "kill -9 of the broker's node that leads, of three",
        brokered.leader_kill,
        ("nats-server",),
        between=brokered.Brokers,
    ),
    Fault("gnss-loss", "the antenna is cut", sky.loss, CHRONY_NEEDS, outfit=sky.PLACED),
    Fault(
        "gnss-spoof",
        "GNSS is spoofed: the receiver says so, time is pulled slowly, time jumps",
        sky.spoof,
        (*PTP_NEEDS, *CHRONY_NEEDS),
        outfit=sky.WITNESSED,
    ),
    Fault("gnss-jam", "a jammer beside the antenna", sky.jam, CHRONY_NEEDS, outfit=sky.JAMMED),
    Fault("moved", "the antenna is carried 50 m away", sky.moved, CHRONY_NEEDS, outfit=sky.PLACED),
    Fault(
        "leap",
        "a second is inserted",
        leap.second,
        ("faketime", *CHRONY_NEEDS),
        outfit=leap.THROUGH,
    ),
    Fault(
        "ptp-loss",
        "the PTP grandmaster goes away, and is back",
        network.grandmaster,
        PTP_NEEDS,
        outfit=network.BY_PTP,
    ),
    Fault(
        "pmu-second-off",
        "the clock of one PMU is a second ahead, of another a second behind",
        device.second,
        CHRONY_NEEDS,
        outfit=device.HEARD,
    ),
    Fault(
        "pmu-cycle-off",
        "the clock of a PMU is a cycle off: by a step, and all the time beside another",
        device.cycle,
        CHRONY_NEEDS,
        outfit=device.BESIDE,
    ),
)
FAULTS = {fault.name: fault for fault in _ALL}
