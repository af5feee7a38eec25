"""A simulated PMU: measures the grid on exact UTC-aligned instants and speaks C37.118 with the
driver's own encoder.

1. A frame's SOC and FRACSEC are those of the instant, whenever it is sent.
2. `sent` counts good data frames by instant, when a client's transport has taken them whole, and no
   others: not those of a fault asked for, not those nobody asked for.
3. Everything a client can make grow is bounded: its queue (hil.devices.port), the clients, the list
   of instants. Whoever needs each instant of a long run is told of it as it is sent (`tell`).

It opens no port and keeps no time: hil.devices.port and hil.devices.pace do. The program is
hil.devices.pmu.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple, Protocol

from drivers.c37118.wire import (
    VERSION_2011,
    Bad,
    Block,
    Command,
    FrameType,
    Layout,
    Stamp,
    decode_command,
    encode_data,
    encode_fragments,
    encode_header_text,
)
from drivers.line import FrameError
from evidence.leap import NS
from hil.devices.profile import Profile, turned
from hil.devices.speech import C37118, Speech
from hil.devices.watch import Watch
from hil.measurand import Measurand

CLIENTS_MAX = 16  # of one PMU; real ones serve 2 to 8
INSTANTS_MAX = 36_000  # kept for comparison: ten minutes at 60 frames a second

# C37.118.2-2011 Table 7
STAT_CONFIGURATION_CHANGE = 1 << 10
STAT_PMU_TQ_SHIFT = 6


class Instant(NamedTuple):
    """A moment to measure: the `number`th of its second, counted by the rate."""

    tai_ns: int
    soc: int
    number: int


class Client(Protocol):
    """One listener at a port. `on`: it asked for data."""

    on: bool

    def send(self, raw: bytes, key: int | None) -> None:
        """Takes bytes to be sent. With a `key` it calls Pmu.handed(key) once they have all gone."""
        ...

    def abort(self) -> None:
        """Hangs up, at once."""
        ...


@dataclass(slots=True)
class Counts:
    """What happened, as the PMU saw it."""

    sent: int = 0  # instants whose data frame at least one client took
    written: int = 0  # data frames taken, client by client
    commands: int = 0
    foreign: int = 0  # commands for another IDCODE, and frames that are no commands
    bad: int = 0  # bytes that are no frame
    skipped: int = 0  # instants not sent: asked for by a fault, or the program was late
    spoiled: int = 0  # data frames sent with a bad CHK
    refused: int = 0  # clients beyond CLIENTS_MAX
    dropped: int = 0  # clients that were too slow
    overrun: int = 0  # frames that found a serial line's queue full


class Pmu:
    """One simulated PMU. The faults at the end are asked for by tests and scenarios."""

    speech: Speech = C37118

    def __init__(
        self,
        profile: Profile,
        grid: Measurand,
        now: Callable[[], int],
        tell: Callable[[int, int, int], None] | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.counts = Counts()
        # IDCODE and ns TAI of each instant sent, as a reader of its frame has it; and how wrong its
        # clock was.
        self._tell = tell
        self._watch = watch or Watch(now)
        self.grid = grid
        self._now = now  # ns TAI
        self._clients: list[Client] = []
        self._instants: OrderedDict[int, None] = OrderedDict()
        self._silent = False
        self._second = (-1, 0)  # of TAI, and the leap bits in it
        self._skip = 0
        self._spoil = 0
        self._garbage = b""
        self._stat = 0
        self._change: tuple[Profile, int] | None = None  # what comes, and in how many frames
        if profile.nominal_hz != grid.plan.nominal_hz:
            raise ValueError(f"a PMU of {profile.nominal_hz} Hz on {grid.plan.nominal_hz} Hz")
        self._adopt(profile)
        # What the grid has and FORMAT cannot say is found out now, by ValueError, not in a timer.
        self.frame(Instant(now(), 0, 0))

    def _adopt(self, profile: Profile) -> None:
        self.profile = profile
        self._layout = Layout(profile.configuration(FrameType.CFG2))
        base, rate = profile.time_base, profile.rate
        # C37.118.2-2011 6.2: FRACSEC / TIME_BASE is the fraction, to the nearest count.
        self._fracsec = [(2 * at * base + rate) // (2 * rate) for at in range(rate)]
        self._digitals = [1] * profile.digitals

    # --- the instants ---

    def tick(self, instant: Instant) -> None:
        """Measures and sends. Called once for each instant of the profile's rate, in order."""
        self._count_down()
        listeners = [client for client in self._clients if client.on]
        if self._silent or not listeners:
            return
        if self._skip:
            self._skip -= 1
            self.counts.skipped += 1
            return
        raw = self.frame(instant)
        key: int | None = self._key(instant)
        if self._spoil:
            self._spoil -= 1
            self.counts.spoiled += 1
            raw, key = raw[:-1] + bytes((raw[-1] ^ 0xFF,)), None
        garbage, self._garbage = self._garbage, b""
        for client in listeners:
            if garbage:
                client.send(garbage, None)
            client.send(raw, key)

    def frame(self, instant: Instant) -> bytes:
        """The data frame of an instant."""
        profile = self.profile
        off_ns = self._watch.off_ns
        reading = self.grid.measured(instant.tai_ns - off_ns, profile.bus, profile.device)
        if off_ns:
            reading = turned(reading, profile.nominal_hz, off_ns)
        pairs, analogs = profile.values(reading, instant.soc)
        stat = self._stat | profile.pmu_tq << STAT_PMU_TQ_SHIFT
        block = Block(
            stat, pairs, reading.frequency_hz, reading.rocof_hz_s, analogs, self._digitals
        )
        quality = profile.time_quality | self._leap_bits(instant.tai_ns // NS)
        stamp = Stamp(instant.soc, self._fracsec[instant.number], quality)
        return encode_data(self._layout, stamp, [block])

    def _leap_bits(self, tai_s: int) -> int:
        if self._second[0] != tai_s:
            self._second = (tai_s, self._watch.second(tai_s)[1])
        return self._second[1]

    def _key(self, instant: Instant) -> int:
        """Of a frame: no two frames have one, whatever their clock does to SOC."""
        inserted = self._watch.inserted(instant.tai_ns // NS)
        turn = self._watch.turn << 1 | inserted
        return turn << 56 | instant.soc << 24 | self._fracsec[instant.number]

    def late(self, instants: int) -> None:
        """So many instants passed while the program was held up."""
        self.counts.skipped += instants

    def _count_down(self) -> None:
        if self._change is None:
            return
        profile, frames = self._change
        if frames > 0:
            self._change = (profile, frames - 1)
            return
        self._change = None
        self._stat &= ~STAT_CONFIGURATION_CHANGE
        self._adopt(profile)

    # --- the clients ---

    def attach(self, client: Client) -> bool:
        """A client is there. False: there are too many, hang up on it."""
        if len(self._clients) >= CLIENTS_MAX:
            self.counts.refused += 1
            return False
        client.on = self.profile.spontaneous
        self._clients.append(client)
        return True

    def detach(self, client: Client) -> None:
        """A client is gone."""
        if client in self._clients:
            self._clients.remove(client)

    def handed(self, key: int) -> None:
        """A client's transport has taken the data frame of this key, whole."""
        self.counts.written += 1
        if key in self._instants:
            return
        self.counts.sent += 1
        self._instants[key] = None
        if len(self._instants) > INSTANTS_MAX:
            self._instants.popitem(last=False)
        if self._tell is not None:
            base, (soc, fracsec) = self.profile.time_base, _stamp_of(key)
            turn, inserted = key >> 57, key >> 56 & 1
            tai = self._watch.table.tai_ns(soc) - inserted * NS
            off_ns = self._watch.off_in(turn)
            self._tell(self.profile.idcode, tai + (fracsec * NS + base // 2) // base, off_ns)

    def instants(self) -> list[tuple[int, int]]:
        """SOC and FRACSEC of the data frames sent, the last INSTANTS_MAX of them."""
        return [_stamp_of(key) for key in self._instants]

    def heard(self, client: Client, found: bytes | Bad) -> None:
        """What a client said: a frame, or bytes that are none."""
        if isinstance(found, Bad):
            self.counts.bad += 1
            return
        try:
            command = decode_command(found)
        except FrameError:
            self.counts.foreign += 1
            return
        if command.header.idcode != self.profile.idcode:
            self.counts.foreign += 1
            return
        self.counts.commands += 1
        if command.command == Command.DATA_ON:
            client.on = True
        elif command.command == Command.DATA_OFF:
            client.on = False
        else:
            for raw in self._answer(command.command):
                client.send(raw, None)

    def _answer(self, command: int) -> tuple[bytes, ...]:
        profile = self.profile
        if command == Command.SEND_HDR:
            text = encode_header_text(
                profile.header, profile.idcode, self._stamp(), profile.version
            )
            return (text,)
        if command == Command.SEND_CFG1:
            kind = FrameType.CFG2 if profile.cfg1_as_cfg2 else FrameType.CFG1
        elif command == Command.SEND_CFG2:
            kind = FrameType.CFG2
        elif command == Command.SEND_CFG3 and profile.version >= VERSION_2011:
            kind = FrameType.CFG3
        else:
            return ()  # a PMU says nothing to what it does not know
        return encode_fragments(
            profile.configuration(kind), self._stamp(), profile.fragment_bytes_max
        )

    def _stamp(self) -> Stamp:
        utc_ns = self._watch.table.utc_ns(self._now())
        fracsec = utc_ns % NS * self.profile.time_base // NS
        return Stamp(utc_ns // NS, fracsec, self.profile.time_quality)

    def report(self) -> dict[str, object]:
        """The counts, with who they are of."""
        return {
            "station": self.profile.station,
            "idcode": self.profile.idcode,
            **asdict(self.counts),
        }

    # --- faults ---

    def fall_silent(self, silent: bool = True) -> None:
        """Keeps its connections and says nothing more of the grid, until told otherwise."""
        self._silent = silent

    def hang_up(self) -> None:
        """Closes every connection at once; a serial line only forgets who asked."""
        for client in tuple(self._clients):
            client.abort()

    def skip(self, frames: int) -> None:
        """The next data frames are not sent: a hole in the stream."""
        self._skip = frames

    def spoil(self, frames: int) -> None:
        """The next data frames have a bad CHK; they do not count as sent."""
        self._spoil = frames

    def say(self, garbage: bytes) -> None:
        """These bytes come before the next data frame."""
        self._garbage += garbage

    def reconfigure(self, profile: Profile, announced_frames: int = 0) -> None:
        """Becomes `profile`, CFGCNT one higher, after so many frames with STAT bit 10.

        C37.118.2-2011 Table 7 asks for one minute of them; 0 changes unannounced at the next frame.
        """
        if profile.rate != self.profile.rate:
            raise ValueError("the rate belongs to the pace; make another PMU")
        self._change = (
            replace(profile, cfgcnt=(self.profile.cfgcnt + 1) & 0xFFFF),
            announced_frames,
        )
        if announced_frames:
            self._stat |= STAT_CONFIGURATION_CHANGE

    def state(self, stat: int) -> None:
        """ORs these bits into STAT from the next frame on: data error, sync lost, and the like."""
        self._stat = self._stat & STAT_CONFIGURATION_CHANGE | stat


def _stamp_of(key: int) -> tuple[int, int]:
    """SOC and FRACSEC of a frame by its key."""
    return key >> 24 & 0xFFFFFFFF, key & 0xFFFFFF
