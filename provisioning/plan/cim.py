"""What the equipment profile of a CIM model (CGMES 2.4.15, 3.0) says of one substation: its buses,
equipment, lines and ties.

1. Ends are what CIM says: a Terminal is at its ConnectivityNode, and no switch is followed, open or
   closed. A model without ConnectivityNodes (bus and branch) names no place that a credential could
   grant, and is refused.
2. Terminals of one equipment stand in the order of their sequenceNumber; of a line, 1 is `from`.
3. A line is a tie where the model says so: a TieFlow of a ControlArea is at one of its terminals,
   or an EquivalentInjection or a boundary point is at its far end. The area whose TieFlow is at an
   end owns that end; at a boundary point the other of its two operators owns the far one.
4. r, x and bch are in ohm and S, the length in km, nominal voltages in kV (CGMES: units are fixed).
5. mRIDs are IdentifiedObject.mRID, else the rdf:ID, where these are UUIDs; else made of the id
   (provisioning.plan.grid).

Pure: it is given a model whose references hold. Everything wrong is a ConfigError with its line.
"""

import math
from collections import defaultdict
from collections.abc import Iterator

from evidence.config import ConfigError
from evidence.plant import Kind
from provisioning.plan import grid, rdf
from provisioning.plan.grid import Found, Joint, Node, Piece, Span
from provisioning.plan.rdf import Model, Thing

KINDS: dict[str, Kind] = {
    "BusbarSection": "busbar",
    "Breaker": "breaker",
    "LoadBreakSwitch": "breaker",
    **dict.fromkeys(("Disconnector", "GroundDisconnector", "Switch", "Fuse"), "disconnector"),
    **dict.fromkeys(("Jumper", "Cut", "DisconnectingCircuitBreaker"), "disconnector"),
    "PowerTransformer": "transformer",
    **dict.fromkeys(("SynchronousMachine", "AsynchronousMachine"), "machine"),
    **dict.fromkeys(("EnergyConsumer", "ConformLoad", "NonConformLoad"), "load"),
    **dict.fromkeys(("StationSupply", "EnergySource", "ExternalNetworkInjection"), "load"),
    **dict.fromkeys(("LinearShuntCompensator", "NonlinearShuntCompensator"), "shunt"),
    "StaticVarCompensator": "shunt",
    **dict.fromkeys(("CsConverter", "VsConverter", "PowerElectronicsConnection"), "converter"),
    "CurrentTransformer": "current-transformer",
    "PotentialTransformer": "voltage-transformer",
    **dict.fromkeys(("SeriesCompensator", "EquivalentBranch", "EquivalentShunt"), "other"),
}
_NAMED = ("IdentifiedObject.name", "IdentifiedObject.mRID")
_CONTAINED = (*_NAMED, "Equipment.EquipmentContainer")
_OPERATORS = ("fromEndNameTso", "toEndNameTso")
ASKED: rdf.Asked = {
    "Substation": _NAMED,
    "VoltageLevel": (*_NAMED, "VoltageLevel.Substation", "VoltageLevel.BaseVoltage"),
    "Bay": (*_NAMED, "Bay.VoltageLevel"),
    "BaseVoltage": (*_NAMED, "BaseVoltage.nominalVoltage"),
    "ConnectivityNode": (
        *(*_NAMED, "ConnectivityNode.ConnectivityNodeContainer"),
        *(f"ConnectivityNode.{name}" for name in _OPERATORS),
    ),
    "BoundaryPoint": (
        *(*_NAMED, "BoundaryPoint.ConnectivityNode"),
        *(f"BoundaryPoint.{name}" for name in _OPERATORS),
    ),
    "Terminal": (
        *(*_NAMED, "Terminal.ConductingEquipment", "Terminal.ConnectivityNode"),
        *("ACDCTerminal.sequenceNumber", "Terminal.sequenceNumber"),
    ),
    "ACLineSegment": (
        *(*_CONTAINED, "ACLineSegment.r", "ACLineSegment.x", "ACLineSegment.bch"),
        "Conductor.length",
    ),
    "EquivalentInjection": _CONTAINED,
    "ControlArea": _NAMED,
    "TieFlow": (*_NAMED, "TieFlow.ControlArea", "TieFlow.Terminal"),
    **dict.fromkeys(KINDS, _CONTAINED),
}
_SEQUENCE_MAX = 1 << 16


def found(model: Model, substation: str = "") -> Found:
    """One substation of a model, by name or mRID. Raises ConfigError."""
    model.check()
    return _Substation(model, substation).found()


class _Substation:
    """One substation, and what hangs on it."""

    def __init__(self, model: Model, wanted: str) -> None:
        self._model = model
        self._own = _chosen(model, wanted)
        self._levels = self._of("VoltageLevel", "VoltageLevel.Substation", {self._own.id})
        self._bays = self._of("Bay", "Bay.VoltageLevel", self._levels)
        self._here = {self._own.id, *self._levels, *self._bays}
        self._nodes = self._of(
            "ConnectivityNode", "ConnectivityNode.ConnectivityNodeContainer", self._here
        )
        self._ends: dict[str, list[Thing]] = defaultdict(list)  # terminals, by equipment
        self._at: dict[str, list[Thing]] = defaultdict(list)  # and by node
        for terminal in model.of("Terminal"):
            self._ends[terminal.link("Terminal.ConductingEquipment")].append(terminal)
            self._at[terminal.link("Terminal.ConnectivityNode")].append(terminal)
        for several in self._ends.values():
            several.sort(key=_sequence)
        self._areas = {  # by terminal
            flow.link("TieFlow.Terminal"): model.linked(flow, "TieFlow.ControlArea", "ControlArea")
            for flow in model.of("TieFlow")
        }
        self._operators = dict(self._boundaries())
        self._made = 0  # mRIDs that the files do not state

    def found(self) -> Found:
        made = Found(self._own.name or self._own.id)
        made.nodes = [self._node(node) for node in self._nodes.values()]
        made.pieces = [
            Piece(self._called(one), self._mrid(one, "equipment"), KINDS[one.kind], joints)
            for one in self._model.of(*KINDS)
            if one.link("Equipment.EquipmentContainer") in self._here
            for joints in [tuple(self._joint(end) for end in self._ends[one.id])]
        ]
        made.spans = list(self._spans())
        if not made.nodes:
            text = (
                "has no ConnectivityNode: a model of buses and branches; export it with the"
                " operation profile (node and breaker)"
            )
            raise _fault(self._own, "ConnectivityNode", text)
        if self._made:
            made.notes.append(
                f"{self._made} ids are no UUIDs: their mRIDs are made of them, for this model only"
            )
        made.notes += [f"passed over: {name}" for name in self._model.passed]
        return made

    def _of(self, kind: str, name: str, among: "dict[str, Thing] | set[str]") -> dict[str, Thing]:
        """Those that refer to one among these, by id."""
        return {thing.id: thing for thing in self._model.of(kind) if thing.link(name) in among}

    # --- places

    def _called(self, one: Thing) -> str:
        """A breaker is QA1 in every bay."""
        level, bay = self._container(one.link("Equipment.EquipmentContainer"))
        names = (level.name if level else "", bay.name if bay else "", one.name or one.id)
        return " ".join(filter(None, names))

    def _container(self, found: str) -> tuple[Thing | None, Thing | None]:
        """Voltage level and bay."""
        bay = self._bays.get(found)
        return self._levels.get(bay.link("Bay.VoltageLevel") if bay else found), bay

    def _node(self, node: Thing) -> Node:
        level, bay = self._container(node.link("ConnectivityNode.ConnectivityNodeContainer"))
        name = node.name
        for terminal in self._at[node.id]:
            one = self._model.things.get(terminal.link("Terminal.ConductingEquipment"))
            if one is not None and one.kind == "BusbarSection" and one.name:
                name = one.name  # what people call it; nodes are numbered by tools
                break
        return Node(
            node.id,
            self._mrid(node, "node"),
            *(name, level.name if level else "", bay.name if bay else ""),
            self._voltage(level),
        )

    def _voltage(self, level: Thing | None) -> float | None:
        if level is None:
            return None
        base = self._model.linked(level, "VoltageLevel.BaseVoltage", "BaseVoltage")
        return None if base is None else _number(base, "BaseVoltage.nominalVoltage")

    def _joint(self, terminal: Thing, owner: str = "") -> Joint:
        node = self._model.linked(terminal, "Terminal.ConnectivityNode", "ConnectivityNode")
        here = node is not None and node.id in self._nodes
        return Joint(self._mrid(terminal, "terminal"), node.id if node and here else "", owner)

    # --- lines

    def _spans(self) -> Iterator[Span]:
        for line in self._model.of("ACLineSegment"):
            ends = self._ends[line.id]
            nodes = [end.link("Terminal.ConnectivityNode") for end in ends]
            if not any(node in self._nodes for node in nodes):
                continue
            if len(ends) != 2:
                text = f"has {len(ends)} terminals; expected 2"
                raise _fault(line, "Terminal.ConductingEquipment", text)
            owners = self._owners(ends)
            first, last = (
                self._joint(end, owner) for end, owner in zip(ends, owners or ("", ""), strict=True)
            )
            yield Span(
                line.name or line.id,
                self._mrid(line, "equipment"),
                (first, last),
                owners is not None,
                _number(line, "ACLineSegment.r"),
                _number(line, "ACLineSegment.x"),
                _number(line, "ACLineSegment.bch"),
                _number(line, "Conductor.length") or None,  # 0: tools' "not known"
            )

    def _owners(self, ends: list[Thing]) -> tuple[str, str] | None:
        """Who owns each end of a tie; None: it is none."""
        areas = [self._areas.get(end.id) for end in ends]
        nodes = [end.link("Terminal.ConnectivityNode") for end in ends]
        tie = any(end.id in self._areas for end in ends)
        owners = [area.name if area else "" for area in areas]
        for at, node in enumerate(nodes):
            if node in self._nodes:
                continue
            injected = [
                terminal
                for terminal in self._at[node]
                if node and self._is_injection(terminal.link("Terminal.ConductingEquipment"))
            ]
            tie = tie or bool(injected) or node in self._operators
            near = next((area.name for end in injected if (area := self._areas.get(end.id))), "")
            owners[1 - at] = owners[1 - at] or near
            operators = self._operators.get(node, ())
            if owners[1 - at] in operators and not owners[at]:
                owners[at] = next((name for name in operators if name != owners[1 - at]), "")
        if owners[0] == owners[1]:
            owners[1] = ""  # of one area, and the other is not named
        return (owners[0], owners[1]) if tie else None

    def _is_injection(self, equipment: str) -> bool:
        found = self._model.things.get(equipment)
        return found is not None and found.kind == "EquivalentInjection"

    def _boundaries(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Boundary points, by node: who operates on its two sides, as far as it says."""
        for kind in ("ConnectivityNode", "BoundaryPoint"):
            for thing in self._model.of(kind):
                names = tuple(thing.values.get(f"{kind}.{name}", "") for name in _OPERATORS)
                if kind == "BoundaryPoint" or any(names):
                    node = thing.link("BoundaryPoint.ConnectivityNode") or thing.id
                    yield node, tuple(filter(None, names))

    def _mrid(self, thing: Thing, kind: str) -> str:
        """Rule 5."""
        stated = rdf.canonical(thing.values.get("IdentifiedObject.mRID", ""))
        for known in (stated, thing.id):
            if rdf.is_uuid(known):
                return known
        self._made += 1
        return grid.made_mrid(kind, f"cim/{thing.id}")


def _chosen(model: Model, wanted: str) -> Thing:
    several = model.of("Substation")
    if not several:
        raise ConfigError("CIM", "Substation", "none in these files; is the EQ profile among them?")
    by_id = model.things.get(rdf.canonical(wanted)) if wanted else None
    if by_id is not None and by_id.kind == "Substation":
        return by_id
    try:
        name = grid.single((one.name for one in several), wanted, "--substation")
    except LookupError as fault:
        raise ConfigError(several[0].file, "Substation", str(fault.args[0])) from fault
    return next(one for one in several if one.name == name)


def _sequence(terminal: Thing) -> tuple[int, str]:
    for name in ("ACDCTerminal.sequenceNumber", "Terminal.sequenceNumber"):
        told = terminal.values.get(name, "")
        if told:
            if told.isascii() and told.isdigit() and len(told) <= 6:
                return int(told), terminal.id
            raise _fault(terminal, name, f"{told[:40]!r} is no number of an end")
    return _SEQUENCE_MAX, terminal.id


def _number(thing: Thing, name: str) -> float | None:
    told = thing.values.get(name, "")
    if not told:
        return None
    try:
        value = float(told) if len(told) < 60 else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _fault(thing, name, f"{told[:60]!r} is no number")
    return value


def _fault(thing: Thing, name: str, text: str) -> ConfigError:
    return ConfigError(thing.file, f"{thing.words[:300]}: {name}", text, thing.line)
