"""A real chronyd in the plant, with a reference clock that says what a GNSS receiver's pulse would:
it measures, and disciplines nothing (-x). What is wrong with the reference is its lie.
"""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from hil.child import ChildError, Program
from hil.faults.need import found
from hil.faults.reference import Lie, Reference
from hil.live.stand.stand import Act, Asked

READY_S, END_S = 30.0, 10.0


class ChronyStand:
    """One of them."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._reference = Reference(asked.folder / f"chrony-{asked.name}")
        self._program: Program | None = None
        self.acts: Mapping[str, Act] = {"lie": self._lie, "right": self._right}

    async def open(self) -> dict[str, Any]:
        reference = self._reference
        reference.start()
        argv = [found("chronyd"), "-x", "-d", "-u", "root", "-f", str(reference.file)]
        log = self._asked.folder / f"chronyd-{self._asked.name}.log"
        self._program = Program("chronyd", argv, log, self._asked.environment)
        try:
            await self._program.says("chronyd version", READY_S)
        except ChildError as fault:
            raise OSError(str(fault)) from fault
        where = f"host={reference.command}&chronyc={found('chronyc')}"
        return {"clock": f"chrony:?name={self._asked.name}&{where}"}

    def start(self) -> None:
        """It runs since it was opened."""

    def silence(self) -> None:
        """It says nothing of the grid, and goes on."""

    def cut(self, is_cut: bool) -> None:
        self._reference.lie.silent = is_cut

    async def close(self) -> None:
        self._reference.close()
        if self._program is not None:
            await self._program.end(END_S)

    def report(self) -> dict[str, Any]:
        return {"lie": dataclasses.asdict(self._reference.lie)}

    # --- acts

    def _lie(self, **told: Any) -> None:
        lie = self._reference.lie
        known = {one.name for one in dataclasses.fields(Lie)}
        if not known.issuperset(told):
            raise ValueError(f"a reference has no {', '.join(set(told) - known)}")
        for name, value in told.items():
            setattr(lie, name, value)
        if told.get("pull_ppb"):
            lie.since_ns = time.monotonic_ns()

    def _right(self) -> None:
        """But for what follows from the gateway's own clock."""
        lie = self._reference.lie
        lie.behind_ns, lie.pull_ppb, lie.silent = 0, 0, False


def make(asked: Asked) -> ChronyStand:
    return ChronyStand(asked)
