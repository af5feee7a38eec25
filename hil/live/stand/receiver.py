"""A GNSS receiver in the plant, on a pseudo-terminal that a link leads to. What is wrong with its
sky is its plight (hil.devices.gnss.Plight), set field by field.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hil.devices.gnss import Plight
from hil.devices.pace import Pace
from hil.devices.receiver import LATENCY_US, Pty, Receiver
from hil.live.stand.stand import Act, Asked


class ReceiverStand:
    """One of them."""

    def __init__(self, asked: Asked) -> None:
        self._receiver = Receiver(table=asked.date.table)
        self._pty = Pty(self._receiver)
        self._pace = Pace(watch=asked.watch())
        self._pace.add(self._receiver, asked.settings.rate, LATENCY_US)
        self._link: Path = asked.folder / f"tty-{asked.name}"
        self._before = Plight()
        self.acts: Mapping[str, Act] = {"plight": self._suffer, "well": self._recover}

    async def open(self) -> dict[str, Any]:
        self._link.symlink_to(self._pty.open())
        return {"path": str(self._link)}

    def start(self) -> None:
        self._pace.start()

    def silence(self) -> None:
        """It says nothing of the grid, and goes on."""

    def cut(self, is_cut: bool) -> None:
        self._receiver.plight.silent = is_cut

    async def close(self) -> None:
        self._pace.stop()
        self._pty.close()
        self._link.unlink(missing_ok=True)

    def report(self) -> dict[str, Any]:
        return {"sent": 0, **self._receiver.counts}

    # --- acts

    def _suffer(self, **plight: Any) -> None:
        for name, value in plight.items():
            if name not in Plight.__dataclass_fields__:
                raise ValueError(f"a receiver has no {name}")
            setattr(self._receiver.plight, name, tuple(value) if isinstance(value, list) else value)

    def _recover(self) -> None:
        for name in Plight.__dataclass_fields__:
            setattr(self._receiver.plight, name, getattr(self._before, name))


def make(asked: Asked) -> ReceiverStand:
    return ReceiverStand(asked)
