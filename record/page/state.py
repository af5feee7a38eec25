"""All that the page shows, as one object for JSON: the log, its seams, one of them live, that one's
settlements, records of authorities, handoffs.

1. States are by the log's clock, at the checkpoint that stands last.
2. The records of a log are walked once; of what is shown again and again only names are kept, so
   many of each. How many there are in all is counted.
3. Where there is nothing to show it says what to do next, in one line.

It checks nothing, but for cosignatures of the note: that is `verify`, and the browser. Not for two
threads at a time.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from evidence import cose, instant
from evidence.code import Matter, Step
from evidence.joint import custody, handoff, record, settlement
from evidence.joint.handoff import Request
from evidence.joint.settlement import Settlement
from evidence.joint.state import Docket, Standing, State
from evidence.refusal import EvidenceError
from record.joint import Shelf
from record.known import Known
from record.listing import Listing
from record.lookup import NotFoundError
from record.page import live, published
from record.publishing import Publishing
from record.schema import JointRow
from record.settle import agreed, told
from record.settle.agreed import InForce
from record.store import Store, StoreError

HISTORY_MAX = 60  # settlements of a seam: as many bars as 360 px show
RECORDS_MAX = 40  # of each kind: what a person reads
HANDOFFS_MAX = 12  # rows of a timeline
SEAMS_MAX = 256  # whose history is kept
Told = dict[str, Any]
_ALL = ("pending", "disputed", "expired", "joint")


class Look:
    """A store, looked at again and again. What it keeps between two looks are names."""

    def __init__(self, store: Store, publishing: Publishing) -> None:
        self._store, self._publishing = store, publishing
        self._known = Known(store)
        self._walked = 0  # entries
        self._history: dict[str, deque[bytes]] = {}
        self._recent: deque[bytes] = deque(maxlen=RECORDS_MAX)
        self._open: dict[bytes, None] = {}  # pending when it was looked at last
        self._requests: deque[bytes] = deque(maxlen=HANDOFFS_MAX)

    def names(self) -> list[str]:
        """Of the seams in force. Raises StoreError."""
        return sorted(agreed.seams(self._store, self._store.size()))

    def told(self, name: str | None) -> Told:
        """The page, with this seam live; None: the first one. Raises NotFoundError, StoreError."""
        store = self._store
        size = store.size()
        last = published.last_of(store, size)
        tai = 0 if last is None else last.tai
        self._walk(size)
        seams = agreed.seams(store, size)
        if name is None:
            name = min(seams, default=None)
        elif name not in seams:
            raise NotFoundError(f"no seam {name!r} is in force")
        row: Told = {
            "log": published.log_of(store, last, self._publishing),
            "seams": told.seams(store),
            "seam": name,
            "live": None if name is None else self._live(seams[name], tai, size),
            "history": [] if name is None else list(self._settlements(name, size, tai)),
            "records": self._records(),
            "counts": self._counts(tai),
            "handoffs": list(self._handoffs(size, tai)),
        }
        return row | {"next": _next(row)}

    # --- what there is ------------------------------------------------------------------------

    def _walk(self, size: int) -> None:
        """The names of records that came since."""
        for row in self._store.joints(self._walked):
            if row.idx >= size:
                break
            self._walked = row.idx + 1
            if row.matter == Matter.SETTLEMENT:
                self._add_settlement(row)
            else:
                self._recent.append(row.name)
            if row.state == State.PENDING:
                self._open[row.name] = None
            if row.matter == Matter.HANDOFF and isinstance(self._handoff(row), Request):
                self._requests.append(row.name)
        while len(self._open) > RECORDS_MAX:
            del self._open[next(iter(self._open))]

    def _add_settlement(self, row: JointRow) -> None:
        for element in self._record(row.idx).elements:
            if element in self._history or len(self._history) < SEAMS_MAX:
                self._history.setdefault(element, deque(maxlen=HISTORY_MAX)).append(row.name)

    def _record(self, idx: int) -> record.Record:
        entry = self._store.entry(idx)
        if entry is None:
            raise StoreError(f"entry {idx} is missing")
        return record.read(cose.read(entry.encoded).payload)

    def _handoff(self, row: JointRow) -> object:
        return handoff.read(self._record(row.idx).body)

    # --- the parts of the page ----------------------------------------------------------------

    def _live(self, of: InForce, tai: int, size: int) -> Told:
        try:
            return live.live(self._store, self._known, of, tai, size)
        except (EvidenceError, NotFoundError) as fault:
            # Data that nobody can read ends no page: it is told instead.
            return {"seam": of.seam.name, "fault": str(fault)}

    def _settlements(self, name: str, size: int, tai: int) -> Iterator[Told]:
        docket, shelf = self._docket()
        for each in self._history.get(name, ()):
            says, standing = shelf.record(each), docket.standing(each, size, tai)
            if says is not None and standing is not None:
                yield _settlement(standing, says, settlement.read(says.body))

    def _records(self) -> list[Told]:
        """Pending ones, disputed ones and the latest, the newest first."""
        listing = Listing(self._store)
        disputed = deque(self._store.joints_in(State.DISPUTED), RECORDS_MAX)
        names = dict.fromkeys([*self._open, *(row.name for row in disputed), *self._recent])
        found = [listing.one(name.hex()) for name in names]
        for row in found:
            if row["state"] != "pending":
                self._open.pop(bytes.fromhex(row["name"]), None)
            del row["body"], row["children"], row["parents"]
        return sorted(found, key=lambda row: -int(row["entry"]))

    def _counts(self, tai: int) -> Told:
        """Of each state how many, settlements with them."""
        found = dict.fromkeys(_ALL, 0)
        for _, state, count, over in self._store.joint_counts(tai):
            name = State(state).name.lower()
            found[name] += count
            if state == State.PENDING:
                found["pending"] -= over or 0
                found["expired"] += over or 0
        return found

    def _handoffs(self, size: int, tai: int) -> Iterator[Told]:
        docket, shelf = self._docket()
        for name in self._requests:
            found = custody.stands(
                name, shelf.record, shelf.steps,
                lambda each: docket.standing(each, size, tai), tai,
            )  # fmt: skip
            if found is None:
                continue
            expires = found.request.expires
            yield {
                "name": name.hex(),
                "scope": found.request.scope,
                "stands": found.step.name.lower(),
                "holder": found.holder,
                "flags": [flag.name.lower() for flag in found.flags],
                "expires": None if expires is None else instant.words(expires),
                "expires_tai": expires,
                "steps": [_step(*each) for each in found.steps],
            }

    def _docket(self) -> tuple[Docket, Shelf]:
        shelf = Shelf(self._store)
        return Docket((), shelf), shelf


def _settlement(standing: Standing, says: record.Record, body: Settlement) -> Told:
    case = standing.case
    shares = [
        (abs(one.residual) / one.tolerance if one.tolerance else float(abs(one.residual) > 0), one)
        for one in body.measures
    ]
    share, worst = max(shares, key=lambda pair: pair[0], default=(None, None))
    like = body.disagreement
    return {
        "name": case.name.hex(),
        "entry": case.idx,
        "author": case.author,
        "from": instant.words(says.begins),
        "to": instant.words(says.ends),
        "state": standing.state.name.lower(),
        "verdict": body.verdict.name.lower(),
        "disagreement": None if like is None else like.name.lower(),
        "why": body.why,
        "share": share,
        "measure": worst
        and {
            "name": worst.name,
            "unit": worst.unit,
            "size": abs(worst.residual),
            "tolerance": worst.tolerance,
        },
    }


def _step(step: Step, of: Standing) -> Told:
    return {
        "step": step.name.lower(),
        "name": of.case.name.hex(),
        "author": of.case.author,
        "state": of.state.name.lower(),
        "logged": instant.words(of.case.tai),
        "tai": of.case.tai,
        "flags": [flag.name.lower() for flag in of.case.flags],
    }


def _next(row: Told) -> str:
    """What to do next; empty where there is something to see."""
    if not row["log"]["size"]:
        return (
            "This record is empty: point a gateway at this address, or say the first policy with"
            " `gridseal-record say`."
        )
    if row["seam"] is None:
        return (
            "No seam is in force: say one with `gridseal-record say`, and let both sides"
            " countersign it."
        )
    sides = row["live"].get("sides", ())
    silent = [side for side in sides if not side["leaves"] and side["claim"] is None]
    if silent:
        who = " and ".join(f"{side['authority']} ({side['footprint']})" for side in silent)
        return (
            f"Nothing of {who} was measured at this seam in the interval that is shown: check its"
            " gateway with `gridseal-agent status`, and that its credential names the seam's node."
        )
    return ""
