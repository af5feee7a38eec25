"""What is left out of a bundle, and what stands in for it.

    GATEWAY/STREAM, GATEWAY/*     observations: the leaf hash of each (evidence.veil)
    GATEWAY/STREAM@FROM..TO       those with an instant from one on and before the other
    others                        those of streams in which nothing is of the seam's
    names, places, configurations, disclosures
                                  values that statements hide: their salted hashes, which statements
                                  sign in any case (evidence.disclosure)

1. A gap statement is never withheld: it tells of no value, and without it a hole would be one that
   nobody states.
2. What is withheld is whole: whole observations, values of a whole kind. Of two observations that
   say the same, one would tell the other: whoever names an interval answers for its ends.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from evidence import disclosure, instant, merkle, observation
from evidence.code import Kind
from evidence.credential import Credential
from evidence.descriptor import Descriptor
from evidence.export import Pairs, Sealed, Veiled
from evidence.head import Range
from record.known import KnownDescriptor
from record.lookup import NotFoundError, name_of, read_stream

OTHERS = "others"
NAMES, PLACES, CONFIGURATIONS, DISCLOSURES = "names", "places", "configurations", "disclosures"
_VALUES = (NAMES, PLACES, CONFIGURATIONS, DISCLOSURES)


_ALWAYS = (0, 1 << 64)
_INTERVAL = re.compile(r"(.+)@([^@]+)\.\.([^@]+)")


class Hidden(NamedTuple):
    """Observations that a word means. `time`: from instant until before instant, ns TAI."""

    word: str
    gateway: str
    stream: str  # * for all
    time: tuple[int, int]


_OTHERS = Hidden(OTHERS, "", "", _ALWAYS)


class Withholding:
    """What was asked to be left out. `words`: as scope.json has them."""

    def __init__(self, words: Sequence[str], nodes: frozenset[bytes] | None) -> None:
        """`nodes`: of the seam; None without one. Raises NotFoundError."""
        self.words = tuple(sorted(set(words)))
        self._values = frozenset(self.words).intersection(_VALUES)
        self._nodes = nodes if OTHERS in self.words else None
        if OTHERS in self.words and nodes is None:
            raise NotFoundError("--withhold others goes with --seam")
        rest = [word for word in self.words if word not in (*_VALUES, OTHERS)]
        self._streams = [_stream(word) for word in rest]
        self._met: set[Hidden] = set()

    def unmet(self) -> list[str]:
        """What was named, and is not there."""
        return [one.word for one in self._streams if one not in self._met]

    def hides(self, known: KnownDescriptor) -> tuple[Hidden, ...]:
        """What means observations under a descriptor."""
        says, of = known.run.credential, known.descriptor
        found = []
        for one in self._streams:
            meant = one.stream in ("*", str(of.stream), name_of(known))
            if one.gateway == says.subject and meant:
                found.append(one)
                if one.time == _ALWAYS:
                    self._met.add(one)
        if self._nodes is not None and not any(row.node in self._nodes for row in of.channels):
            found.append(_OTHERS)
        return tuple(found)

    def veiled(
        self, item: Sealed, ranges: Sequence[Range], hidden: Sequence[tuple[Hidden, ...]]
    ) -> Sealed | Veiled:
        """A batch without the observations that are meant; `hidden`: of each range."""
        if item.body is None or not any(hidden):
            return item
        links = observation.split(item.body)
        turns: list[list[int]] = [[0, 0]]
        leaves: list[bytes] = []
        body: list[bytes] = []
        for part, meant in zip(ranges, hidden, strict=True):
            for _ in range(part.count):
                link = next(links)
                if meant and self._is_hidden(link, meant):
                    turns[-1][1] += 1
                    leaves.append(merkle.leaf_hash(link))
                    continue
                if turns[-1][1]:
                    turns.append([0, 0])
                turns[-1][0] += 1
                body.append(link)
        if not leaves:
            return item
        pairs = tuple((kept, withheld) for kept, withheld in turns)
        return Veiled(item.head, item.answer, pairs, b"".join(leaves), b"".join(body))

    def _is_hidden(self, link: bytes, meant: Sequence[Hidden]) -> bool:
        sample = observation.read_at(link, 0)[0]
        found = [one for one in meant if one.time[0] <= sample.tai < one.time[1]]
        if sample.kind == Kind.GAP or not found:
            return False
        self._met.update(found)
        return True

    def told(self, value: object, pairs: Pairs) -> Pairs:
        """What is disclosed beside a statement."""
        if not self._values:
            return pairs
        hidden = set(self._hidden(value))
        return tuple(pair for pair in pairs if disclosure.digest(*pair) not in hidden)

    def _hidden(self, value: object) -> Iterable[bytes | None]:
        groups: dict[str, Sequence[bytes | None]] = {}
        if isinstance(value, Credential):
            offsets = [row.offset for row in value.named]
            groups = {
                NAMES: [row.names for row in value.named],
                PLACES: [value.site, value.position, value.survey, value.antenna, *offsets],
                DISCLOSURES: value.digests,
            }
        elif isinstance(value, Descriptor):
            names = [digest for row in value.channels for digest in (row.name, row.aliases)]
            offsets = [row.offset for row in value.channels]
            positions = [row.position for row in value.blocks]
            groups = {
                NAMES: [value.source, *(row.station for row in value.blocks), *names],
                PLACES: [value.position, value.survey, value.antenna, *positions, *offsets],
                CONFIGURATIONS: [value.configuration],
                DISCLOSURES: value.digests,
            }
        return [digest for word in self._values for digest in groups.get(word, ())]


def _stream(word: str) -> Hidden:
    """Raises NotFoundError."""
    found = _INTERVAL.fullmatch(word)
    try:
        time = _ALWAYS if found is None else (instant.read(found[2]), instant.read(found[3]))
    except ValueError as fault:
        raise NotFoundError(f"--withhold {word}: {fault}") from fault
    if time[0] >= time[1]:
        raise NotFoundError(f"--withhold {word}: its end is not later than its begin")
    gateway, stream, *_ = read_stream(word if found is None else found[1])
    return Hidden(word, gateway, stream, time)
