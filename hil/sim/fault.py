"""What can go wrong in a simulated run, and the run that it goes wrong in.

1. A fault is a coroutine that does its harm and takes it back; what it leaves to others to mend,
   hil.sim.trial mends.
2. Its chance is the run's own, so the same seed does the same harm.
3. What a fault takes away from what can be judged it says: the disk was set back, a device's
   instants came twice, the record forgot what it had signed.

When faults come and how many is hil.sim.trial's.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import apsw

from evidence.leap import NS
from hil.sim.line import raw_of
from hil.sim.wire import Weather
from hil.sim.world import World

SYNC_NS_MAX = 20_000_000  # of an ordinary disk
Fault = Callable[["Trial"], Awaitable[None]]


class Trial:
    """A world, and what was done to it."""

    def __init__(self, world: World) -> None:
        self.world, self.chance = world, world.chance
        self.faults: list[str] = []
        self.set_back = False  # the disk is older than it was, or a clock
        self.operator = asyncio.Lock()  # one thing at a time is done with the record
        self.unsteady = False  # instants of a device came twice
        self.unheard = False  # an answer of the record may have been lost on its way
        self.damaged = False  # a bit of the disk was flipped
        self.unsealed = False  # and it may be one that no checksum guards
        self.torn = False  # its log was cut short, perhaps amid being brought in
        self.forked = False  # the record forgot what it had signed, and went on: its own to answer

    def pause(self, most_ns: int) -> Awaitable[None]:
        return asyncio.sleep(self.chance.randrange(most_ns) / NS)


# --- faults: each ends by itself, but for what `mend` ends --------------------------------------


async def power_cut(trial: Trial) -> None:
    """At one of the next disk calls, or now."""
    trial.unheard = True
    disk = trial.world.disk
    if trial.chance.random() < 0.9:
        disk.cut_at = disk.calls + trial.chance.randint(1, 120)
    else:
        trial.world.crash(power=True)


async def kill(trial: Trial) -> None:
    trial.unheard = True
    disk = trial.world.disk
    if trial.chance.random() < 0.9:
        disk.kill_at = disk.calls + trial.chance.randint(1, 120)
    else:
        trial.world.crash(power=False)


async def restart(trial: Trial) -> None:
    trial.world.stop()


async def full_disk(trial: Trial) -> None:
    disk = trial.world.disk
    disk.limit_bytes = disk.used() + trial.chance.choice((0, 4096, 100_000, 17 << 20))
    await trial.pause(3 * NS)
    disk.limit_bytes = None


async def read_only(trial: Trial) -> None:
    trial.world.disk.read_only = True
    await trial.pause(2 * NS)
    trial.world.disk.read_only = False


async def failed_sync(trial: Trial) -> None:
    trial.world.disk.sync_faults = trial.chance.choice((1, 1, 1, 2, 5))
    if trial.chance.random() < 0.3:
        await trial.pause(NS // 2)
        await power_cut(trial)


async def slow_disk(trial: Trial) -> None:
    trial.world.work_ns = trial.chance.choice((30, 300, 1500)) * 1_000_000
    await trial.pause(2 * NS)
    trial.world.work_ns = SYNC_NS_MAX


async def disk_set_back(trial: Trial) -> None:
    """The disk is restored from an image."""
    image = trial.world.disk.image()
    await trial.pause(3 * NS)
    trial.set_back = True
    trial.world.while_down.append(lambda: trial.world.disk.put_back(image))
    trial.world.crash(power=True)


async def log_cut_short(trial: Trial) -> None:
    trial.set_back = trial.torn = True
    trial.world.while_down.append(lambda: _truncated(trial))
    trial.world.crash(power=True)


def _truncated(trial: Trial) -> None:
    trial.world.disk.power_on()
    trial.world.disk.truncate_log()


async def bit_flipped(trial: Trial) -> None:
    """While the machine is off: in a sealed frame, or anywhere in the file."""
    anywhere = trial.chance.random() < 0.3
    trial.world.while_down.append(lambda: _flipped(trial, anywhere))
    trial.world.crash(power=True)


def _flipped(trial: Trial, anywhere: bool) -> None:
    world = trial.world
    world.disk.power_on()
    world.disk.sync_faults, world.disk.limit_bytes, world.disk.read_only = 0, None, False
    with contextlib.suppress(apsw.Error):  # a start that got as far as bringing in the log
        db = apsw.Connection(str(world.spool))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        db.close()
    sent = [
        raw_of(stream, number)
        for device in world.devices
        for stream, numbers in device.sent.items()
        for number in range(len(numbers))
    ]
    trial.chance.shuffle(sent)
    if world.disk.flip(world.spool.name, [] if anywhere else sent):
        trial.damaged = True
        trial.unsealed |= anywhere


async def link_down(trial: Trial) -> None:
    trial.unheard = True
    trial.world.wire.weather.cut = True
    await trial.pause(5 * NS)
    trial.world.wire.weather.cut = False


async def bad_weather(trial: Trial) -> None:
    trial.unheard = True
    chance = trial.chance
    trial.world.wire.weather = Weather(
        drops=chance.choice((0.0, 0.1, 0.4)),
        doubles=chance.choice((0.0, 0.3)),
        lies=chance.choice((0.0, 0.2, 0.8)),
        delay_ns=chance.choice((5, 500)) * 1_000_000,
    )
    await trial.pause(5 * NS)
    trial.world.wire.weather = Weather()


async def record_restarted(trial: Trial) -> None:
    trial.unheard = True
    async with trial.operator:
        await trial.world.upstream.stop()
        await trial.pause(2 * NS)
        await trial.world.upstream.start()


async def record_set_back(trial: Trial) -> None:
    trial.unheard = True
    async with trial.operator:
        copy = await trial.world.upstream.back_up()
        await trial.pause(2 * NS)
        await trial.world.upstream.set_back(copy)
        await trial.pause(3 * NS)
        trial.forked |= await trial.world.upstream.mend()


async def clock_stepped(trial: Trial) -> None:
    clocks, chance = trial.world.clocks, trial.chance
    match chance.randrange(3):
        case 0:
            clocks.step(chance.choice((-3600, -2, -1, 1, 2, 3600)) * NS)
        case 1:
            clocks.drift(chance.randint(-200_000, 200_000))
        case _:
            clocks.sleep(chance.randrange(NS))
    await trial.pause(4 * NS)
    if chance.random() < 0.5:
        clocks.correct()


async def device_set_forward(trial: Trial) -> None:
    """A device's own clock."""
    device = trial.chance.choice(trial.world.devices)
    device.clock_ns += trial.chance.choice((1, 5, 3600)) * NS


async def device_set_back(trial: Trial) -> None:
    device = trial.chance.choice(trial.world.devices)
    trial.unsteady = True
    device.clock_ns -= trial.chance.choice((1, 5, 3600)) * NS


async def line_down(trial: Trial) -> None:
    device = trial.chance.choice(trial.world.devices)
    device.fail()
    await trial.pause(2 * NS)
    device.up = True


async def line_poor(trial: Trial) -> None:
    device = trial.chance.choice(trial.world.devices)
    device.loss = trial.chance.choice((0.05, 0.5))
    device.silent = trial.chance.random() < 0.3
    await trial.pause(2 * NS)
    device.loss, device.silent = 0.0, False


async def reconfigured(trial: Trial) -> None:
    trial.chance.choice(trial.world.devices).version += 1


FAULTS: tuple[tuple[Fault, int], ...] = (
    (power_cut, 8), (kill, 4), (restart, 3), (full_disk, 3), (read_only, 1), (failed_sync, 4),
    (slow_disk, 2), (disk_set_back, 1), (log_cut_short, 1), (bit_flipped, 1), (link_down, 3),
    (bad_weather, 4), (record_restarted, 2), (record_set_back, 1), (clock_stepped, 2),
    (device_set_forward, 1), (line_down, 2), (line_poor, 2), (reconfigured, 2),
)  # fmt: skip
# Not among them: device_set_back. What a device measured in a hole across which its clock is set
# back has instants that nobody can tell, and no gap names them yet.
BY_NAME = {fault.__name__: fault for fault, _ in FAULTS}
