"""What an SCL file (SSD, SCD, CID: IEC 61850-6) says of a substation: its buses, equipment and
lines, its IEDs, and what they send that a gateway can hear.

1. Primary equipment is what the Substation section says: ConnectivityNodes by their path, terminals
   by the node that they name. A terminal at a node that is not there is a fault; one that is
   grounded, or says nothing, is at none.
2. A line is a ConductingEquipment of LINES with two terminals, wherever it stands: in a bay, in a
   Substation of its own, in a Line. An infeeding line (IFL) has one end; no more is known of it.
3. mRIDs are the attribute `uuid` where the file has it (SCL 2007C), else made of the path, which
   begins with the Header's id (provisioning.plan.grid).
4. An IED is of the substation whose section names it; one that no section names is of any.
5. A source is proposed for what an IED sends by GOOSE or as Sampled Values, with what the file says
   of addresses and data sets, resolved by the code that will read the frames.

Pure: the tree is brought to it. Everything wrong is a ConfigError with its line.
"""

import math
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from evidence.config import ConfigError
from evidence.plant import Device, Kind
from provisioning.plan import grid
from provisioning.plan.grid import Found, Joint, Node, Piece, Span
from provisioning.plan.sender import Sender

# Types of ConductingEquipment (IEC 61850-6), as far as a plan tells them apart.
KINDS: dict[str, Kind] = {
    "CBR": "breaker",
    "DIS": "disconnector",
    "CTR": "current-transformer",
    "VTR": "voltage-transformer",
    "GEN": "machine",
    "MOT": "machine",
    "CON": "converter",
    "CAP": "shunt",
    "REA": "shunt",
    "TCR": "shunt",
}
LINES = frozenset({"LIN", "CAB", "GIL"})
_INFEED = "IFL"
_GROUNDED = "grounded"
_MULTIPLIERS = {"": 1e-3, "k": 1.0, "M": 1e3, "m": 1e-6}  # of a V, in kV
_NAME_MAX = 256


def found(
    root: Element,
    file: str,
    substation: str = "",
    ied: str = "",
    interface: str = "eth1",
    beside: str = "",
) -> Found:
    """One substation of a file. `interface`: of this gateway, for what is proposed; `beside`: by
    which path the gateway finds the file, where not by this one. Raises ConfigError.
    """
    return _Scl(root, file).found(substation, ied, interface, beside or file)


class _Scl:
    """One file."""

    def __init__(self, root: Element, file: str) -> None:
        self._root, self._file = root, file
        header = root.find("Header")
        self._id = header.get("id", "") if header is not None else ""
        self._nodes: dict[str, Node] = {}  # of substations, by path
        self._here: dict[str, set[str]] = {}  # paths, by Substation
        self._between = {  # of lines: known, and in no substation
            node.get("pathName") or f"{_name(line)}/{_name(node)}"
            for line in root.iter("Line")
            for node in line.iter("ConnectivityNode")
        }
        self._made = 0  # mRIDs that the file does not state
        for section in root.findall("Substation"):
            for level, bay in _bays(section):
                self._take_nodes(section, level, bay)

    def found(self, substation: str, ied: str, interface: str, beside: str) -> Found:
        section = self._section(substation)
        own = _name(section) if section is not None else ""
        made = Found(own or ied or self._id or "Site 1")
        if section is not None:
            made.nodes = [self._nodes[path] for path in self._nodes if path in self._paths(own)]
            made.pieces = list(self._pieces(section))
            made.spans = list(self._spans(own))
            frequencies = {node.hz for node in made.nodes}
            made.hz = frequencies.pop() if len(frequencies) == 1 else None
        for each in self._ieds(own, ied):
            sender = Sender(self._root, each, self._file, beside, made.hz, interface)
            made.proposals += sender.proposals()
            made.notes += sender.notes
            made.devices.append(self._device(each, sender))
        if self._made:
            made.notes.append(
                f"{self._made} mRIDs are made of names, as the file states none; where CIM models"
                " of this grid exist, take theirs"
            )
        return made

    def _paths(self, substation: str) -> set[str]:
        return self._here.get(substation, set())

    # --- which

    def _section(self, wanted: str) -> Element | None:
        sections = self._root.findall("Substation")
        if not sections and not wanted:
            return None
        several: dict[str, Element] = {}
        for section in sections:
            if _name(section) in several:
                raise self._fault(section, _name(section), "a Substation of this name stands twice")
            if wanted or not _is_line(section):
                several[_name(section)] = section
        try:
            return several[grid.single(several, wanted, "--substation")]
        except LookupError as fault:
            raise ConfigError(self._file, "Substation", str(fault.args[0])) from fault

    def _ieds(self, substation: str, wanted: str) -> list[Element]:
        known = self._root.findall("IED")
        names = [_name(each) for each in known]
        if wanted:
            try:
                grid.single(names, wanted, "--ied")
            except LookupError as fault:
                raise ConfigError(self._file, "IED", str(fault.args[0])) from fault
        named = {
            _name(section): {node.get("iedName", "") for node in section.iter("LNode")}
            for section in self._root.findall("Substation")
        }
        elsewhere = set().union(*named.values()) - named.get(substation, set())
        return [
            each
            for each in known
            if wanted in ("", _name(each)) and (wanted or _name(each) not in elsewhere)
        ]

    # --- primary equipment

    def _take_nodes(self, section: Element, level: Element, bay: Element) -> None:
        busbar = all(_hangs(one) for one in bay.iter("ConductingEquipment"))
        for node in bay.findall("ConnectivityNode"):
            path = "/".join(map(_name, (section, level, bay, node)))
            if path in self._nodes:
                raise self._fault(node, path, "a ConnectivityNode of this path stands twice")
            self._here.setdefault(_name(section), set()).add(path)
            self._nodes[path] = Node(
                path,
                self._mrid(node, "node", path),
                *(_name(node), _name(level), _name(bay)),
                self._voltage(level),
                self._frequency(level),
                busbar,
            )
            if node.get("pathName", path) != path:
                text = f"pathName {node.get('pathName')!r}, and it stands at {path!r}"
                raise self._fault(node, path, text)

    def _pieces(self, section: Element) -> Iterator[Piece]:
        top = _name(section)
        for transformer in section.findall("PowerTransformer"):
            yield self._transformer(transformer, top)
        for level in section.findall("VoltageLevel"):
            for transformer in level.findall("PowerTransformer"):
                yield self._transformer(transformer, f"{top}/{_name(level)}")
        for level, bay in _bays(section):
            path = f"{top}/{_name(level)}/{_name(bay)}"
            for transformer in bay.findall("PowerTransformer"):
                yield self._transformer(transformer, path)
            for one in bay.findall("ConductingEquipment"):
                where = f"{path}/{_name(one)}"
                joints = self._joints(one, where)
                kind = one.get("type", "")
                if kind in LINES and len(joints) == 2:
                    continue
                yield Piece(
                    f"{_name(level)} {_name(bay)} {_name(one)}",
                    self._mrid(one, "equipment", where),
                    KINDS.get(kind, "other"),
                    joints,
                    place=kind == _INFEED or kind in LINES,
                )

    def _transformer(self, one: Element, above: str) -> Piece:
        path = f"{above}/{_name(one)}"
        joints = [
            joint
            for winding in one.findall("TransformerWinding")
            for joint in self._joints(winding, f"{path}/{_name(winding)}")
        ]
        name = " ".join([*above.split("/")[1:], _name(one)])
        return Piece(name, self._mrid(one, "equipment", path), "transformer", tuple(joints))

    def _spans(self, own: str) -> Iterator[Span]:
        """Lines of which an end is here."""
        for section in self._root.findall("Substation"):
            for level, bay in _bays(section):
                path = "/".join(map(_name, (section, level, bay)))
                for one in bay.findall("ConductingEquipment"):
                    yield from self._span(one, f"{path}/{_name(one)}", _name(one), own)
        for line in self._root.iter("Line"):
            conductors = line.findall("ConductingEquipment")
            alone = sum(one.get("type") in LINES for one in conductors) == 1
            for one in conductors:
                name = _name(line) if alone else f"{_name(line)} {_name(one)}"
                yield from self._span(one, f"{_name(line)}/{_name(one)}", name, own)

    def _span(self, one: Element, path: str, name: str, own: str) -> Iterator[Span]:
        if one.get("type") not in LINES:
            return
        joints = self._joints(one, path)
        here = [joint.node in self._paths(own) for joint in joints]
        if len(joints) == 2 and any(here):
            first, last = (
                joint if mine else joint._replace(node="")
                for joint, mine in zip(joints, here, strict=True)
            )
            yield Span(name, self._mrid(one, "equipment", path), (first, last))

    def _joints(self, one: Element, path: str) -> tuple[Joint, ...]:
        made = []
        for number, terminal in enumerate(one.findall("Terminal"), 1):
            where = f"{path}/{terminal.get('name') or f'T{number}'}"
            node = self._node_of(terminal, where)
            made.append(Joint(self._mrid(terminal, "terminal", where), node))
        return tuple(made)

    def _node_of(self, terminal: Element, path: str) -> str:
        """Rule 1: by the path that it names, else by the names."""
        keys = ("substationName", "voltageLevelName", "bayName", "cNodeName")
        names = [terminal.get(key, "") for key in keys]
        told = terminal.get("connectivityNode", "") or "/".join(names).strip("/")
        if not told or _GROUNDED in (told.rpartition("/")[2], names[-1]):
            return ""
        if told not in self._nodes and told not in self._between:
            text = f"names ConnectivityNode {told[:_NAME_MAX]!r}, which is not in the file"
            raise self._fault(terminal, f"Terminal {path}", text)
        return told

    # --- secondary equipment

    def _device(self, ied: Element, sender: Sender) -> Device:
        proposals = sender.proposals()
        return Device(
            name=_name(ied),
            source=proposals[0].name if proposals else "",
            make=ied.get("manufacturer", "")[:_NAME_MAX],
            model=ied.get("type", "")[:_NAME_MAX],
            address=sender.address[:_NAME_MAX],
            protocol=proposals[0].scheme if proposals else "",
        )

    # --- words and numbers

    def _mrid(self, one: Element, kind: str, path: str) -> str:
        stated = one.get("uuid", "")
        if stated:
            return stated
        self._made += 1
        return grid.made_mrid(kind, f"{self._id}/{path}")

    def _voltage(self, level: Element) -> float | None:
        """Its nominal voltage, kV."""
        told = level.find("Voltage")
        if told is None or not (told.text or "").strip():
            return None
        multiplier = _MULTIPLIERS.get(told.get("multiplier", ""))
        value = self._number(told, told.text or "", f"Voltage of {_name(level)}")
        if multiplier is None:
            text = f"multiplier {told.get('multiplier')!r}; known: {', '.join(_MULTIPLIERS)}"
            raise self._fault(told, f"Voltage of {_name(level)}", text)
        return value * multiplier

    def _frequency(self, level: Element) -> float | None:
        told = level.get("nomFreq", "")
        return self._number(level, told, f"nomFreq of {_name(level)}") if told else None

    def _number(self, one: Element, text: str, key: str) -> float:
        try:
            value = float(text) if len(text) < 40 else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self._fault(one, key, f"{text[:40]!r} is no number")
        return value

    def _fault(self, one: Element, key: str, text: str) -> ConfigError:
        return ConfigError(self._file, key[:_NAME_MAX], text, getattr(one, "line", 0))


def _bays(section: Element) -> Iterator[tuple[Element, Element]]:
    for level in section.findall("VoltageLevel"):
        for bay in level.findall("Bay"):
            yield level, bay


def _hangs(one: Element) -> bool:
    """Whether an equipment is at one node alone: a bay that has no other is a busbar, with its
    earthing switch or voltage transformer.
    """
    told = [
        terminal.get("cNodeName") or terminal.get("connectivityNode", "").rpartition("/")[2]
        for terminal in one.findall("Terminal")
    ]
    return sum(name not in ("", _GROUNDED) for name in told) == 1


def _is_line(section: Element) -> bool:
    """A Substation that only holds a line between others."""
    kinds = {one.get("type") for one in section.iter("ConductingEquipment")}
    return bool(kinds) and kinds <= LINES and section.find("PowerTransformer") is None


def _name(one: Element) -> str:
    return one.get("name", "")
