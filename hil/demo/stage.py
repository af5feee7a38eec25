"""The demo's stage: that of a live scenario, with two authorities that share its record.

1. What a scenario has is hil.live.stage's. Beside it stand two witnesses, each the shipped program,
   and a door by which this machine reaches the record where that is in a namespace of its own.
2. Policy and seams are said once the gateways are heard; settlements are said by a process of their
   own (hil.demo.settling), every SETTLE_S, for as long as it lasts.
"""

import asyncio
import json
import socket
from pathlib import Path

from evidence.code import Matter
from evidence.joint import policy
from evidence.joint.record import Record
from evidence.joint.seam import Seam
from evidence.leap import NS
from hil.child import Child, ChildError
from hil.demo import door, founding
from hil.demo.authority import Authorities
from hil.live import site
from hil.live.fake import FakeRig
from hil.live.place import Cast
from hil.live.rig import Endpoint
from hil.live.script import Script
from hil.live.stage import READY_S, Stage
from provisioning.init import RECORD
from record import config as record_config
from record.publishing import Publishing

YEAR_NS = 366 * 86_400 * NS  # for which policy and seams are said
POLICY = Path(__file__).parent / "policy.toml"


class DemoStage(Stage):
    """One of them. `seams`: what both authorities agreed on, once it has started."""

    def __init__(
        self, of: Script, cast: Cast, rig: FakeRig, folder: Path, patience_s: float
    ) -> None:
        super().__init__(of, cast, rig, folder, patience_s)
        self.seams: list[Seam] = []
        self.url = ""  # of the record, as this machine reaches it
        self._fake = rig
        self._within: Endpoint = ("", 0)
        self._founded = founding.Founded({}, {}, [])

    @property
    def config(self) -> Path:
        """record.toml."""
        return self.folder / site.RECORD_DIR / RECORD

    def publishing(self) -> Publishing:
        """Who cosigns what the record publishes."""
        return record_config.read_record(self.config).publishing

    def make(self, record: Endpoint, now_s: int) -> None:
        super().make(record, now_s)
        self._within = record
        self._founded = founding.found(self.cast.devices, self.made, self.folder, now_s)
        self.made = self._founded.made

    async def serve(self) -> None:
        """The record, and when it starts first, its witnesses and the door."""
        if self.url:
            await super().serve()
            return
        started = []
        for number, one in enumerate(self._founded.witnesses, 1):
            told = ["witness", "--config", str(one.folder / founding.WITNESS_FILE), "--new"]
            started.append(self.rig.start_child(f"witness-{number}", "record.cli", told))
        waits = [one.says("listens on", READY_S) for one in started]
        await asyncio.gather(super().serve(), self._open_door(), *waits)

    async def establish(self, now: int) -> None:
        """Policy and seams, said by one authority and countersigned by the other. Raises
        ChildError where the record does not take them."""
        said = self._authorities()
        one, until = said.names[0], now + YEAR_NS
        text = POLICY.read_text(encoding="utf-8")
        records = [Record(Matter.POLICY, one, (), (), (), now, until, (), policy.body(text))]
        case = str(self.of.grid.with_["case"])
        self.seams = founding.seams(case, self._founded.ends)
        for seam in self.seams:
            both = tuple(sorted(seam.footprints))
            records.append(Record(Matter.SEAM, one, both, (), (), now, until, (), seam.body()))
        for record in records:
            for told in await said.agree(record):
                if told.index is None:
                    raise ChildError(f"the record does not take the first records: {told.text}")

    def settling(self, passed: socket.socket) -> Child:
        """The process that settles, and looks at the seams; it tells through this socket."""
        plan = self.folder / "settling.json"
        told = {
            "store": str(self.store),
            "config": str(self.config),
            "url": f"http://{self._within[0]}:{self._within[1]}",
            "folders": {row.authority: str(self.folder / row.name) for row in self.of.gateway},
        }
        plan.write_text(json.dumps(told), encoding="utf-8")
        number = passed.fileno()
        return self._fake.start_child(
            "settling", "hil.demo.settling", [str(plan), str(number)], passed=(number,)
        )

    def _authorities(self) -> Authorities:
        folders = {row.authority: self.folder / row.name for row in self.of.gateway}
        return Authorities(folders, self.url, self.made[self.of.gateway[0].name].log)

    async def _open_door(self) -> None:
        """Where the record is in another namespace: a socket of this one, served in that."""
        host, port = self._within
        if not self._fake.within:
            self.url = f"http://{host}:{port}"
            return
        with socket.create_server((host, 0)) as listening:
            self.url = f"http://{host}:{listening.getsockname()[1]}"
            number = listening.fileno()
            told = [str(number), host, str(port)]
            child = self._fake.start_child("door", "hil.demo.door", told, passed=(number,))
            await child.says(door.READY, READY_S)
