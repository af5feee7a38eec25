"""What a demo comes to: every count beside who counted it, and why it does not hold.

1. `sent` is the devices' count, `admitted` the record's by its file, the rest the agent's.
2. A stage that lost a frame is a reason; so is whatever was refused, faulty or never kept.

It runs nothing and asks nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from evidence.code import Kind
from hil.devices.unit import INSTANTS_MAX, Pmu
from hil.ledger import Ledger


@dataclass(slots=True)
class Station:
    """One PMU of the demo, as the screen and the account name it."""

    pmu: Pmu
    name: str
    line: str
    bus: str

    @property
    def idcode(self) -> int:
        return self.pmu.profile.idcode


@dataclass(slots=True)
class Outcome:
    """What was counted, by whoever counted it."""

    sent: int = 0
    skipped: int = 0  # instants for which a PMU was late: never sent
    data: int = 0  # data frames in the record
    others: int = 0  # configuration, header and command frames in the record
    own: int = 0  # the gateway's own words in the record: holes, verdicts, events
    agent: dict[str, Any] = field(default_factory=dict)
    tree_size: int = 0
    verify: int | None = None
    verify_says: str = ""
    reasons: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """One JSON object. The stages count data frames, as `sent` does; `total` counts all links.

        The agent counts links of every kind; how many are no data frame is read from the record.
        """
        agent = self.agent
        stated = self.others + self.own
        total = {name: agent.get(name, 0) for name in ("heard", "sealed", "durable", "receipted")}
        return {
            "sent": self.sent,
            "heard": max(total["heard"] - self.others, 0),
            "sealed": max(total["sealed"] - stated, 0),
            "durable": max(total["durable"] - stated, 0),
            "admitted": self.data,
            "receipted": max(total["receipted"] - stated, 0),
            "refused": agent.get("refused", 0),
            "holes": agent.get("holes", 0),
            "faults": agent.get("faults", 0),
            "latency_ms": agent.get("latency_ms", {"p50": None, "p99": None}),
            "verify": self.verify,
            "verify_says": self.verify_says,
            "total": {**total, "admitted": self.data + stated},
            "skipped": self.skipped,
            "tree_size": self.tree_size,
            "reasons": self.reasons,
        }

    def judge(self, stations: Sequence[Station], ledger: Ledger) -> None:
        """Counts the record, and adds a reason for whatever does not hold."""
        self.data = ledger.kinds[int(Kind.C37118)]
        self.others = ledger.kinds[int(Kind.C37118_INFO)]
        self.own = ledger.observations - self.data - self.others
        self.tree_size = ledger.size
        say = self.reasons.append
        if self.sent == 0:
            say("no frame was sent")
        for station in stations:
            self._judge_station(station, ledger)
        if ledger.repeated:
            say(f"{ledger.repeated} frames are in the record more than once")
        total = self.report()["total"]
        for stage in ("sealed", "durable", "receipted"):
            if total[stage] != total["admitted"]:
                say(f"{total[stage]} links {stage}, {total['admitted']} admitted")
        for what in ("refused", "faults", "unkept", "bugs", "waiting"):
            if self.agent.get(what):
                say(f"the agent counts {self.agent[what]} {what}")
        if self.verify != 0:
            say(f"verify ends with {self.verify}: {self.verify_says}")

    def _judge_station(self, station: Station, ledger: Ledger) -> None:
        counts, idcode = station.pmu.counts, station.idcode
        admitted = ledger.data[idcode]
        if admitted != counts.sent:
            self.reasons.append(
                f"{station.name}: {counts.sent} data frames sent, {admitted} in the record"
            )
        if counts.sent <= INSTANTS_MAX:
            missing = set(station.pmu.instants()) - ledger.instants.get(idcode, set())
            if missing:
                text = f"{station.name}: {len(missing)} of the instants sent are not in the record"
                self.reasons.append(text)


def summary(report: dict[str, Any]) -> str:
    """The report for people."""
    latency = report["latency_ms"]
    stages = ("sent", "heard", "sealed", "durable", "admitted", "receipted")
    lines = [
        "data frames: " + ", ".join(f"{name} {report[name]}" for name in stages),
        f"all links: {report['total']['admitted']} in a log of {report['tree_size']} entries; "
        f"refused {report['refused']}, holes {report['holes']}, faults {report['faults']}",
        f"arrival to durable: p50 {latency['p50']} ms, p99 {latency['p99']} ms",
        f"verify: {report['verify_says']} (exit {report['verify']})",
    ]
    lines += [f"gridseal-hil demo: {reason}" for reason in report["reasons"]]
    if not report["reasons"]:
        lines.append("nothing was lost")
    return "\n".join(lines)
