"""What a record of a scenario holds of a device: which leaves, and which observation was the last
before an instant.

Everything is read from the record, as anyone with it would; nothing of what the stage knows goes
in.
"""

from evidence.joint.record import Observed
from evidence.leap import NS
from hil.scenario import sheet
from hil.scenario.cast import mrid
from hil.scenario.script import Script
from record.known import Known
from record.leaf import Leaves
from record.series import Reading, Wanted, series
from record.store import Store

BACK_PERIODS = 3  # how far back the last observation before an instant is looked for


def wanted(of: Script, device: str) -> Wanted:
    """The channel by which a device is meant: of a PMU its frequency, of a meter its power."""
    row = next(row for row in of.device if row.name == device)
    gateway = next(one for one in of.gateway if one.name == row.gateway)
    node = mrid(of.scenario.name, f"bus {row.bus}").bytes
    quantity = "frequency" if row.kind == "pmu" else "power"
    return Wanted(node=node, quantity=quantity, issuer=gateway.authority, gateway=row.gateway)


def bus_of(of: Script, name: str) -> sheet.Device:
    """A device at a bus. Raises StopIteration where there is none."""
    return next(row for row in of.device if row.bus == name)


class Reader:
    """Looks into one record as it stands at each question."""

    def __init__(self, store: Store, of: Script) -> None:
        self.store, self._script = store, of
        self.known = Known(store)

    @property
    def size(self) -> int:
        return self.store.size()

    def leaves(self, devices: list[str], begins: int, ends: int) -> list[int]:
        """The batches that hold what devices measured in a time. Raises StoreError."""
        channels = [wanted(self._script, device) for device in devices]
        return Leaves(self.store, self.known, self.size).of(channels, begins, ends)

    def last(self, device: str, before: int) -> Observed | None:
        """The last observation of a device before an instant; None: none of the last few periods.

        Raises StoreError.
        """
        since = before - BACK_PERIODS * self._script.scenario.period_s * NS
        leaves, size = self.leaves([device], since, before), self.size
        found = list(series(self.store, self.known, leaves, size, wanted(self._script, device)))
        latest = max((one for one in found if one.tai < before), key=_instant, default=None)
        entry = None if latest is None else self.store.entry(latest.idx)
        return None if latest is None or entry is None else Observed(entry.subject, latest.place)


def _instant(reading: Reading) -> int:
    return reading.tai
