"""A CIM model as its files say it: RDF/XML in the form of IEC 61970-552, read in pieces.

1. Of each object that is asked for (a class, and some of its properties) class, id, values and
   references are kept, with file and line; of every other its id alone, so that a reference to it
   is no dangling one.
2. An id is what rdf:ID, rdf:about and rdf:resource mean alike: "_x", "#_x" and "urn:uuid:x" are x.
   An object that stands twice is a fault, and so is a reference to one that stands nowhere: it is
   named by object and property. No model is given out with either.
3. Of CGMES 2.4.15 (CIM16) and 3.0 (CIM100), and of each only what describes equipment: a file that
   says that it is of another profile is passed over, and one of differences is refused.
4. Limits: octets of all files together, objects kept, objects in all, characters of a value.

Pure: octets and names are brought to it. Everything wrong is a ConfigError.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from drivers import markup
from evidence.config import ConfigError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
HEADER = "http://iec.ch/TC57/61970-552/ModelDescription/1#"
DIFFERENCE = "http://iec.ch/TC57/61970-552/DifferenceModel/1#"
SPACES = frozenset(
    {
        "http://iec.ch/TC57/2013/CIM-schema-cim16#",
        "http://entsoe.eu/CIM/SchemaExtension/3/1#",
        "http://iec.ch/TC57/CIM100#",
        "http://iec.ch/TC57/CIM100-European#",
    }
)
CIM_BYTES_MAX = 256 << 20  # the equipment of a large transmission grid has half of it
# Objects that are kept, and ids of all: a Terminal takes 1,500 octets of memory, an id 220; so a
# model at both limits takes half a gigabyte, and a usual one of a transmission grid a fifth of it.
KEPT_MAX = 200_000
OBJECTS_MAX = 1_000_000
VALUE_CHARACTERS_MAX = 1024  # of a value that is kept
_ANY_CIM = re.compile(r"http://iec\.ch/TC57/.*CIM", re.IGNORECASE)
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_EQUIPMENT = ("Equipment", "Operation-EU", "ShortCircuit-EU")  # in the names of EQ profiles
_ROOT, _OBJECT, _PROPERTY = 1, 2, 3  # depths
Asked = Mapping[str, Collection[str]]  # properties by class


@dataclass(slots=True)
class Thing:
    """One object. `links`: id and line, by property."""

    kind: str
    id: str
    file: str
    line: int
    values: dict[str, str] = field(default_factory=dict)
    links: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.values.get("IdentifiedObject.name", "")

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.kind} {self.name!r}" if self.name else f"{self.kind} {self.id}"

    def link(self, name: str) -> str:
        """The id that a property refers to; empty where it does not stand."""
        return self.links.get(name, ("", 0))[0]


class Model:
    """Objects of several files, found by id and by class."""

    def __init__(self, asked: Asked) -> None:
        self._asked = {kind: frozenset(names) for kind, names in asked.items()}
        self.things: dict[str, Thing] = {}
        self._others: set[str] = set()
        self._octets = 0
        self.passed: list[str] = []  # files of other profiles, for people

    def add(self, pieces: Iterable[bytes], file: str) -> None:
        """Reads one file. Raises ConfigError; then the model is not to be used."""
        reading = _Reading(self._asked, file, KEPT_MAX - len(self.things), self._room())
        markup.feed(self._counted(pieces, file), file, CIM_BYTES_MAX, reading)
        if reading.profiles and not any(map(_is_equipment, reading.profiles)):
            self.passed.append(f"{file}: not of equipment ({reading.profiles[0][:120]})")
            return
        for thing in reading.things:
            first = self.things.get(thing.id)
            if first is not None or thing.id in self._others:
                where = f"{first.file}:{first.line}" if first else "an object of another class"
                raise _fault(thing, "rdf:ID", f"{thing.id} stands twice; first: {where}")
            self.things[thing.id] = thing
        for other in reading.others:
            if other in self.things or other in self._others:
                text = f"{other[:80]} stands twice; expected once in all files"
                raise ConfigError(file, "rdf:ID", text)
            self._others.add(other)

    def check(self) -> None:
        """Rule 2: whether all that is referred to is there. Raises ConfigError."""
        for thing in self.things.values():
            for name, (wanted, line) in thing.links.items():
                if wanted not in self.things and wanted not in self._others:
                    text = f"refers to {wanted[:80]}, which is in none of the files"
                    raise _fault(thing, name, f"{text}; is one missing, such as EQBD?", line)

    def of(self, *kinds: str) -> list[Thing]:
        """In the order of the files."""
        return [thing for thing in self.things.values() if thing.kind in kinds]

    def linked(self, thing: Thing, name: str, *kinds: str) -> Thing | None:
        """What a property refers to; None where it does not stand. Raises ConfigError where that is
        of none of these classes.
        """
        wanted, line = thing.links.get(name, ("", 0))
        if not wanted:
            return None
        found = self.things.get(wanted)
        if found is None or found.kind not in kinds:
            told = found.words if found else wanted
            text = f"refers to {told[:120]}; expected {' or '.join(kinds)}"
            raise _fault(thing, name, text, line)
        return found

    def _room(self) -> int:
        return OBJECTS_MAX - len(self.things) - len(self._others)

    def _counted(self, pieces: Iterable[bytes], file: str) -> Iterable[bytes]:
        for piece in pieces:
            self._octets += len(piece)
            if self._octets > CIM_BYTES_MAX:
                text = f"more octets than files may have; at most {CIM_BYTES_MAX} in all"
                raise ConfigError(file, "", text)
            yield piece


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def canonical(text: str) -> str:
    """Rule 2."""
    if text.startswith("urn:uuid:"):
        found = text.removeprefix("urn:uuid:")
    else:
        found = text.rpartition("#")[2]
    found = found.removeprefix("_")
    return found.lower() if is_uuid(found) else found


class _Reading:
    """One file: a sink of drivers.markup."""

    def __init__(
        self, asked: Mapping[str, frozenset[str]], file: str, kept: int, room: int
    ) -> None:
        self.things: list[Thing] = []
        self.others: set[str] = set()
        self.profiles: list[str] = []
        self._asked, self._file, self._kept, self._room = asked, file, kept, room
        self._depth = 0
        self._thing: Thing | None = None
        self._header = False
        self._property = ""  # that is being read
        self._value: list[str] = []
        self._line = 0

    def start(self, name: str, attributes: dict[str, str], line: int) -> None:
        self._depth += 1
        self._line = line
        if self._depth == _ROOT:
            if name != f"{RDF} RDF":
                raise self._fault(markup.local(name), "is not RDF; expected rdf:RDF")
        elif self._depth == _OBJECT:
            self._begin(name, attributes)
        elif self._depth == _PROPERTY:
            self._state(name, attributes)

    def end(self) -> None:
        if self._depth == _PROPERTY and self._property:
            self._keep()
        elif self._depth == _OBJECT:
            self._thing, self._header = None, False
        self._depth -= 1

    def text(self, text: str) -> None:
        if self._property and self._depth == _PROPERTY:
            self._value.append(text)
            if sum(map(len, self._value)) > VALUE_CHARACTERS_MAX:
                text = f"more than {VALUE_CHARACTERS_MAX} characters"
                raise self._fault(self._property, text)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        space, _, kind = name.rpartition(" ")
        if space == HEADER:
            self._header = kind == "FullModel"
            return
        if space == DIFFERENCE:
            raise self._fault(kind, "a model of differences; expected a whole one")
        if space == RDF:
            raise self._fault(f"rdf:{kind}", "an object without a class; expected cim:CLASS")
        if space not in SPACES:
            if _ANY_CIM.match(space):
                text = f"is of {space[:120]!r}; expected CGMES 2.4.15 (CIM16) or 3.0 (CIM100)"
                raise self._fault(kind, text)
            return  # of a maker's own
        told = attributes.get(f"{RDF} ID") or attributes.get(f"{RDF} about") or ""
        found = canonical(told)
        if not found or len(found) > VALUE_CHARACTERS_MAX:
            raise self._fault(kind, "no rdf:ID and no rdf:about; expected one")
        if kind in self._asked:
            self._thing = Thing(kind, found, self._file, self._line)
            self.things.append(self._thing)
        elif found in self.others:
            raise self._fault(kind, f"{found[:80]} stands twice; expected once")
        else:
            self.others.add(found)
        if len(self.things) > self._kept:
            raise self._fault(kind, f"more than {KEPT_MAX} objects that a plan may need")
        if len(self.things) + len(self.others) > self._room:
            raise self._fault(kind, f"more than {OBJECTS_MAX} objects")

    def _state(self, name: str, attributes: dict[str, str]) -> None:
        """A property begins."""
        space, _, known = name.rpartition(" ")
        self._property, self._value = "", []
        if self._header and known == "Model.profile":
            self._property = known
            return
        thing = self._thing
        if thing is None or space not in SPACES or known not in self._asked[thing.kind]:
            return
        if known in thing.values or known in thing.links:
            raise _fault(thing, known, "stands twice in one object; expected once", self._line)
        resource = attributes.get(f"{RDF} resource")
        if resource is None:
            self._property = known
            return
        if len(resource) > VALUE_CHARACTERS_MAX:
            raise _fault(thing, known, f"more than {VALUE_CHARACTERS_MAX} characters", self._line)
        thing.links[known] = canonical(resource), self._line

    def _keep(self) -> None:
        text = "".join(self._value).strip()
        if self._header:
            self.profiles.append(text)
        elif self._thing is not None and canonical(text) != self._thing.id:
            self._thing.values[self._property] = text  # an mRID mostly repeats the id
        self._property = ""

    def _fault(self, key: str, text: str) -> ConfigError:
        return ConfigError(self._file, key[:VALUE_CHARACTERS_MAX], text, self._line)


def _is_equipment(profile: str) -> bool:
    return any(word in profile for word in _EQUIPMENT)


def _fault(thing: Thing, name: str, text: str, line: int = 0) -> ConfigError:
    return ConfigError(thing.file, f"{thing.words[:300]}: {name}", text, line or thing.line)
