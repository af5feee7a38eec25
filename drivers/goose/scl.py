"""What an SCL file (ICD, CID, SCD: IEC 61850-6) says of the GOOSE control blocks of its IEDs:
addresses, identifiers, and the members of their data sets with their types.

1. The file is data, and read within bounds (drivers.markup): a document type, and with it every
   entity, is refused before anything in it is built. What no reader of ours asks for is PASSED.
2. A member is typed through DataTypeTemplates: LN, its LNodeType, DO, DOType, DA, DAType. A whole
   object (an FCDA without daName) is a structure of all its attributes of that functional
   constraint, in the order of the type (IEC 61850-8-1 6.2). TYPES_DEEP_MAX levels, so that types
   which contain themselves end.
3. What cannot be resolved is refused by name: a guess would give a value a wrong name.
4. gocbRef is IED and logical device, or the device's ldName where one is given (IEC 61850-6
   9.3.4), then LN0 and the block: "F650LD0/LLN0$GO$gcb01".

Pure: whoever reads the file brings its bytes and its name. Everything wrong is a ConfigError.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

from drivers import markup
from drivers.goose.data import ENTRIES_MAX
from drivers.goose.dataset import DataSet, Member
from evidence.config import ConfigError

NAMESPACE = "http://www.iec.ch/61850/2003/SCL"
SCL_BYTES_MAX = 64 << 20  # an SCD of a large substation has a tenth of it
# What is kept of it: a node takes some 400 octets of memory, 200 MB in all.
ELEMENTS_MAX = 400_000
CHARACTERS_MAX = 32_000_000
# Values and settings of data, texts, makers' own, and services that are not ours: most of a file.
PASSED = frozenset(
    {
        *("DOI", "Private", "Text", "History", "Inputs", "EnumType", "Services", "Val"),
        *("ReportControl", "LogControl", "Log", "SettingControl", "GOOSESecurity", "SMVSecurity"),
    }
)
TYPES_DEEP_MAX = 7  # with an array at each: no deeper than ber.DEPTH_MAX
MEMBERS_MAX = ENTRIES_MAX  # of one data set, and of what is in them: as many as it may encode
BLOCKS_MAX = 4096  # control blocks of one file
_VLAN_MAX, _PRIORITY_MAX, _APPID_MAX, _REVISION_MAX = 0xFFF, 7, 0xFFFF, (1 << 32) - 1

# bType (IEC 61850-6 Table 45) and what IEC 61850-8-1 8.1.3 sends for it.
TYPES = {
    "BOOLEAN": "boolean",
    **dict.fromkeys(("INT8", "INT16", "INT24", "INT32", "INT64", "INT128", "Enum"), "integer"),
    **dict.fromkeys(("INT8U", "INT16U", "INT24U", "INT32U"), "unsigned"),
    **dict.fromkeys(("FLOAT32", "FLOAT64"), "floating-point"),
    **dict.fromkeys(("Dbpos", "Tcmd", "Quality", "Check", "TrgOps", "OptFlds"), "bit-string"),
    **dict.fromkeys(("SvOptFlds", "LogOptFlds"), "bit-string"),
    "Timestamp": "utc-time",
    "EntryTime": "binary-time",
    **dict.fromkeys(("VisString32", "VisString64", "VisString65"), "visible-string"),
    **dict.fromkeys(("VisString129", "VisString255", "ObjRef", "Currency"), "visible-string"),
    "Unicode255": "mMSString",
    **dict.fromkeys(("Octet6", "Octet16", "Octet64", "EntryID"), "octet-string"),
}
# IEC 61850-8-1 8.1.3.9: a physical address is a structure.
_PHY_COM_ADDR = (
    Member("Addr", "octet-string"),
    Member("PRIORITY", "unsigned"),
    Member("VID", "unsigned"),
    Member("APPID", "unsigned"),
)


class Block(NamedTuple):
    """One GOOSE control block. None: the file does not say."""

    ied: str
    dataset: DataSet
    destination: bytes | None
    appid: int | None
    vlan: int | None
    priority: int | None


def blocks(content: bytes, file: str, ied: str = "", reference: str = "") -> list[Block]:
    """The control blocks of a file, of one IED or one gocbRef if named. Raises ConfigError."""
    return blocks_of(tree((content,), file), file, ied, reference)


def tree(pieces: Iterable[bytes], file: str) -> markup.Node:
    """The elements of a file, but for PASSED. Raises ConfigError."""
    bounds = markup.Bounds(SCL_BYTES_MAX, ELEMENTS_MAX, CHARACTERS_MAX)
    root = markup.tree(pieces, file, bounds, NAMESPACE, PASSED)
    if root.tag != "SCL":
        raise ConfigError(file, root.tag, "not an SCL file", root.line)
    return root


def blocks_of(root: Element, file: str, ied: str = "", reference: str = "") -> list[Block]:
    """The same, of a file that was read. Raises ConfigError."""
    scl = _Scl(root, file)
    found: list[Block] = []
    for each in root.findall("IED"):
        if ied in ("", each.get("name")):
            found += scl.of_ied(each, reference)
        if len(found) > BLOCKS_MAX:
            raise ConfigError(file, "GSEControl", f"more than {BLOCKS_MAX} of them")
    return found


class _Scl:
    """One file, its addresses and types at hand."""

    def __init__(self, root: Element, file: str) -> None:
        self._file = file
        self._made = 0  # members of the data set that is being read
        self._addresses: dict[tuple[str, str, str], Element] = {}
        for access in root.iterfind("Communication/SubNetwork/ConnectedAP"):
            for gse in access.iterfind("GSE"):
                place = access.get("iedName", ""), gse.get("ldInst", ""), gse.get("cbName", "")
                self._addresses[place] = gse
        self._types = {
            (kind, each.get("id", "")): each
            for kind in ("LNodeType", "DOType", "DAType")
            for each in root.iterfind(f"DataTypeTemplates/{kind}")
        }

    def of_ied(self, ied: Element, reference: str) -> list[Block]:
        """Its control blocks, or the one that is asked for."""
        found: list[Block] = []
        for device in ied.iterfind("AccessPoint/Server/LDevice"):
            for node in (*device.findall("LN0"), *device.findall("LN")):
                for control in node.findall("GSEControl"):
                    if control.get("type", "GOOSE") != "GOOSE":
                        continue  # GSSE (IEC 61850-7-2 Annex): another protocol
                    own = f"{self._device(ied, device)}/{_node(node)}$GO${control.get('name', '')}"
                    if reference in ("", own):
                        found.append(self._block(ied, device, node, control, own))
        return found

    def _block(
        self, ied: Element, device: Element, node: Element, control: Element, own: str
    ) -> Block:
        ld_inst, name = device.get("inst", ""), control.get("name", "")
        ied_name, set_name = ied.get("name", ""), control.get("datSet", "")
        members: tuple[Member, ...] = ()
        if set_name:
            found = [each for each in node.findall("DataSet") if each.get("name") == set_name]
            if not found:
                raise self._fault(own, f"its data set {set_name!r} is not there")
            members = self._members(ied, found[0], own)
        dat_set = f"{self._device(ied, device)}/{_node(node)}${set_name}" if set_name else None
        revision = self._number(control.get("confRev"), 10, _REVISION_MAX, f"{own} confRev")
        dataset = DataSet(own, dat_set, control.get("appID") or None, revision, members)
        address = self._addresses.get((ied_name, ld_inst, name))
        told = {
            each.get("type", ""): (each.text or "").strip()
            for each in (address.iterfind("Address/P") if address is not None else ())
        }
        return Block(
            ied_name,
            dataset,
            self._mac(told.get("MAC-Address"), own),
            self._number(told.get("APPID"), 16, _APPID_MAX, f"{own} APPID"),
            self._number(told.get("VLAN-ID"), 16, _VLAN_MAX, f"{own} VLAN-ID"),
            self._number(told.get("VLAN-PRIORITY"), 10, _PRIORITY_MAX, f"{own} VLAN-PRIORITY"),
        )

    # --- the members of a data set

    def _members(self, ied: Element, dataset: Element, own: str) -> tuple[Member, ...]:
        found: list[Member] = []
        self._made, left = 0, MEMBERS_MAX
        for fcda in dataset.findall("FCDA"):
            found.append(self._member(ied, fcda, own))
            left -= _count(found[-1], left)
            if left < 0:
                raise self._fault(own, f"more than {MEMBERS_MAX} members in its data set")
        return tuple(found)

    def _member(self, ied: Element, fcda: Element, own: str) -> Member:
        device = _named(ied.iterfind("AccessPoint/Server/LDevice"), "inst", fcda.get("ldInst"))
        wanted = "".join(fcda.get(key, "") for key in ("prefix", "lnClass", "lnInst"))
        nodes = (*device.findall("LN0"), *device.findall("LN")) if device is not None else ()
        node = next((each for each in nodes if _node(each) == wanted), None)
        data, attribute = fcda.get("doName", ""), fcda.get("daName", "")
        constraint, index = fcda.get("fc", ""), fcda.get("ix")
        path = f"{fcda.get('ldInst')}/{wanted}.{data}{'.' * bool(attribute)}{attribute}"
        if device is None or node is None:
            raise self._fault(own, f"its member {path} is of a node that is not there")
        where = f"{self._device(ied, device)}/{_node(node)}"
        objects, attributes = data.split("."), attribute.split(".") if attribute else []
        found = self._type("LNodeType", node.get("lnType"), path)
        child: Element | None = None
        for at, part in enumerate(objects):
            child = _named(found.iterfind("SDO" if at else "DO"), "name", part)
            if child is None:
                raise self._fault(own, f"{path}: {part!r} is not in type {found.get('id')!r}")
            found = self._type("DOType", child.get("type"), path)
        element = "" if index is None else f"[{index}]"
        if not attributes:
            inside = self._constrained(found, constraint, path, 0)
            if child is None or not inside:
                raise self._fault(own, f"{path}: nothing in it has the constraint {constraint!r}")
            whole = Member("", "structure", "", inside)
            if index is None:  # a sub-object may be an array
                whole = self._several(child, whole)
            return whole._replace(name=f"{where}.{data}{element}")
        leaf: Element | None = None
        for at, part in enumerate(attributes):
            leaf = _named(found.iterfind("BDA" if at else "DA"), "name", part)
            if leaf is None:
                raise self._fault(own, f"{path}: {part!r} is not in type {found.get('id')!r}")
            if at + 1 < len(attributes):
                found = self._type("DAType", leaf.get("type"), path)
        name = f"{where}.{data}.{attribute}{element}"
        made = self._attribute(leaf, path, 0, whole=index is None) if leaf is not None else None
        if made is None:
            raise self._fault(own, f"{path}: names no attribute")
        return made._replace(name=name)

    def _constrained(
        self, kind: Element, constraint: str, path: str, depth: int
    ) -> tuple[Member, ...]:
        """All of a DOType that has this functional constraint, sub-objects included."""
        self._step(depth, path)
        found: list[Member] = []
        for child in kind:
            if child.tag == "SDO":
                below = self._type("DOType", child.get("type"), path)
                inside = self._constrained(below, constraint, path, depth + 1)
                if inside:
                    found.append(self._several(child, Member("", "structure", "", inside)))
            elif child.tag == "DA" and child.get("fc") == constraint:
                found.append(self._attribute(child, path, depth + 1))
        return tuple(found)

    def _attribute(self, kind: Element, path: str, depth: int, whole: bool = True) -> Member:
        """A DA or BDA, with all that is below it."""
        self._step(depth, path)
        btype = kind.get("bType", "")
        if btype == "Struct":
            below = self._type("DAType", kind.get("type"), path)
            inside = tuple(self._attribute(each, path, depth + 1) for each in below.findall("BDA"))
            made = Member("", "structure", "", inside)
        elif btype == "PhyComAddr":
            made = Member("", "structure", "", _PHY_COM_ADDR)
        elif btype in TYPES:
            made = Member("", TYPES[btype], btype)
        else:
            raise self._fault(path, f"bType {btype!r} is unknown")
        return self._several(kind, made) if whole else made._replace(name=kind.get("name", ""))

    def _several(self, kind: Element, one: Member) -> Member:
        """The member itself, or the array of as many as `count` says."""
        name = kind.get("name", "")
        count = self._number(kind.get("count"), 10, MEMBERS_MAX, f"{name} count")
        if not count:
            return one._replace(name=name)
        each = tuple(one._replace(name=str(at)) for at in range(count))
        return Member(name, "array", "", each)

    def _type(self, kind: str, name: str | None, path: str) -> Element:
        found = self._types.get((kind, name or ""))
        if found is None:
            raise self._fault(path, f"{kind} {name!r} is not among the DataTypeTemplates")
        return found

    def _step(self, depth: int, path: str) -> None:
        """Before each type that is gone into: types may contain each other many times over."""
        self._made += 1
        if depth > TYPES_DEEP_MAX:
            raise self._fault(path, f"types nested deeper than {TYPES_DEEP_MAX}")
        if self._made > MEMBERS_MAX:
            raise self._fault(path, f"more than {MEMBERS_MAX} members in its data set")

    # --- words and numbers

    def _device(self, ied: Element, device: Element) -> str:
        return device.get("ldName") or f"{ied.get('name', '')}{device.get('inst', '')}"

    def _mac(self, text: str | None, own: str) -> bytes | None:
        if text is None:
            return None
        try:
            found = bytes.fromhex(text.replace("-", "").replace(":", ""))
        except ValueError:
            found = b""
        if len(found) != 6:
            raise self._fault(own, f"MAC-Address {text!r} is none")
        return found

    def _number(self, text: str | None, base: int, most: int, place: str) -> int | None:
        if not text:
            return None
        try:
            found = int(text, base) if len(text) <= 12 else -1
        except ValueError:
            found = -1
        if not 0 <= found <= most:
            raise self._fault(place, f"{text[:20]!r} is no number up to {most}")
        return found

    def _fault(self, place: str, text: str) -> ConfigError:
        return ConfigError(self._file, place, text)


def _node(node: Element) -> str:
    """Prefix, class and instance of a logical node."""
    return "".join(node.get(key, "") for key in ("prefix", "lnClass", "inst"))


def _named(elements: Iterator[Element], key: str, name: str | None) -> Element | None:
    return next((each for each in elements if each.get(key) == name), None)


def _count(whole: Member, most: int) -> int:
    """How many members there are, all that is in them counted; it counts little further than
    `most`.
    """
    levels, count = [iter((whole,))], 0
    while levels and count <= most:
        member = next(levels[-1], None)
        if member is None:
            levels.pop()
            continue
        count += 1
        levels.append(iter(member.members))
    return count
