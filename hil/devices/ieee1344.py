"""A simulated PMU that speaks IEEE 1344, with the driver's own encoder: the same grid, the same
ports, the same faults as hil.devices.unit.

1. TIME_BASE of its profile is the samples that it takes a second, and SMPCNT counts them.
2. It has what the protocol has: rectangular integers, no analogs, one name a digital word.

It opens no port and keeps no time.
"""

from collections.abc import Callable
from dataclasses import replace

from drivers.c37118.splitter import Bad
from drivers.c37118.wire import Format
from drivers.ieee1344.wire import (
    FNOM_50_HZ,
    Configuration,
    Digital,
    FrameType,
    Layout,
    Phasor,
    build,
    encode_configuration,
    encode_values,
)
from evidence.leap import NS
from hil.devices.profile import PHASORS_3, Profile, turned
from hil.devices.speech import IEEE1344
from hil.devices.unit import Client, Instant, Pmu
from hil.devices.watch import Watch
from hil.measurand import Measurand

SAMPLES_MAX = 8192  # SMPCNT has 13 bits
PROFILE = Profile(
    rate=30, time_base=1200, format=Format(0), phasors=PHASORS_3, header="Simulated PMU"
)
DATA_OFF, DATA_ON, SEND_HEADER, SEND_CFG1, SEND_CFG2 = 1, 2, 3, 4, 5


class Ieee1344Pmu(Pmu):
    """One simulated PMU."""

    speech = IEEE1344

    def __init__(
        self,
        profile: Profile,
        grid: Measurand,
        now: Callable[[], int],
        tell: Callable[[int, int, int], None] | None = None,
        watch: Watch | None = None,
    ) -> None:
        """Raises ValueError for a profile that no frame of this protocol could state."""
        if profile.time_base > SAMPLES_MAX or profile.time_base % profile.rate:
            raise ValueError(f"{profile.time_base} samples a second at {profile.rate} frames")
        if profile.nominal_hz * 100 % profile.rate:
            raise ValueError(f"{profile.rate} frames of a {profile.nominal_hz} Hz second")
        if profile.format or profile.analogs:
            raise ValueError("FORMAT 0 and no analogs expected")
        super().__init__(profile, grid, now, tell, watch)

    def configuration(self) -> Configuration:
        """What it states of itself."""
        profile = self.profile
        station = profile.configuration_station()
        return Configuration(
            profile.station,
            profile.idcode,
            tuple(Phasor(one.name, one.current, one.phunit) for one in station.phasors),
            tuple(Digital(f"WORD {word}") for word in range(profile.digitals)),
            FNOM_50_HZ if profile.nominal_hz == 50 else 0,
            profile.nominal_hz * 100 // profile.rate,
        )

    def frame(self, instant: Instant) -> bytes:
        """The data frame of an instant."""
        profile = self.profile
        off_ns = self._watch.off_ns
        reading = self.grid.measured(instant.tai_ns - off_ns, profile.bus, profile.device)
        if off_ns:
            reading = turned(reading, profile.nominal_hz, off_ns)
        pairs, _ = profile.values(reading, instant.soc)
        values = [float(self._stat)]
        for pair in pairs:
            values += pair
        values += [reading.frequency_hz, reading.rocof_hz_s, *self._digitals]
        sample = instant.number * profile.time_base // profile.rate
        return encode_values(Layout(self.configuration()), instant.soc, sample, values)

    def heard(self, client: Client, found: bytes | Bad) -> None:
        """What a client said: a command, or bytes that are none."""
        if isinstance(found, Bad):
            self.counts.bad += 1
            return
        if IEEE1344.idcode(found) != self.profile.idcode:
            self.counts.foreign += 1
            return
        self.counts.commands += 1
        command = int.from_bytes(found[12:14], "big")
        if command in (DATA_ON, DATA_OFF):
            client.on = command == DATA_ON
        elif command == SEND_HEADER:
            text = self.profile.header.encode()
            client.send(build(FrameType.HEADER, self._soc(), 0, 0, text), None)
        elif command in (SEND_CFG1, SEND_CFG2):
            most = min(self.profile.fragment_bytes_max, 2047)
            for raw in encode_configuration(self.configuration(), self._soc(), 0, most):
                client.send(raw, None)

    def _soc(self) -> int:
        return self._watch.table.utc_ns(self._now()) // NS

    def reconfigure(self, profile: Profile, announced_frames: int = 0) -> None:
        """Becomes `profile`, unannounced: this protocol has no bit for it."""
        super().reconfigure(replace(profile), 0)
