"""Samples of one PMU that several gateways hear: equal ones count once, different ones dispute.

1. It is one PMU where IDCODE, configuration and node are the same: a PMU of its own has another
   IDCODE, or another name, on a network that knows it.
2. Equal are two samples of one instant when every value of theirs is. A value that one has and the
   other has not is no contradiction: what the record doubts of one gateway it may not of another.
3. Where values differ nobody knows which gateway tells what it heard: neither counts, and both are
   named.

It knows no seam.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from drivers.values import Value
from record.series import Origin

Told = Value | complex


class Pmu(NamedTuple):
    """What tells one from another."""

    idcode: int
    configuration: bytes
    node: bytes
    block: int


class Instant(NamedTuple):
    """What is known of one, from whichever gateway: values by channel."""

    tai: int
    bound: int | None
    values: Mapping[Hashable, Told]
    gateways: tuple[str, ...]


@dataclass(slots=True)
class Disputed:
    """Gateways that tell different things of one PMU. `first`: the first such instant, ns TAI."""

    gateways: tuple[str, ...]
    idcode: int
    first: int
    count: int = 1

    @property
    def text(self) -> str:
        names = " and ".join(self.gateways)
        return f"{names} tell different values of the PMU {self.idcode}, of {self.count} instants"


@dataclass(slots=True)
class Heard:
    """One PMU, as gateways heard it. `add` in order of time."""

    pmu: Pmu
    disputed: dict[tuple[str, ...], Disputed] = field(default_factory=dict)
    _by_tai: dict[int, dict[str, tuple[int | None, dict[Hashable, Told]]]] = field(
        default_factory=dict
    )

    def add(
        self, tai: int, bound: int | None, gateway: str, channel: Hashable, value: Told
    ) -> None:
        """A value that a gateway heard. None is none."""
        of = self._by_tai.setdefault(tai, {}).setdefault(gateway, (bound, {}))
        if value is not None:
            of[1][channel] = value

    def instants(self) -> Iterator[Instant]:
        """In order of time, each once."""
        for tai in sorted(self._by_tai):
            told = sorted(self._by_tai[tai].items())
            names = tuple(name for name, _ in told)
            if len(told) == 1:
                (bound, values), *_ = (of for _, of in told)
                yield Instant(tai, bound, values, names)
                continue
            values, alike = _joined(of for _, (_, of) in told)
            if not alike:
                self._differ(names, tai)
                continue
            # The clock is the PMU's, and so one bound: a gateway that read less of it says more.
            bounds = [bound for _, (bound, _) in told if bound is not None]
            yield Instant(tai, min(bounds, default=None), values, names)

    def _differ(self, names: tuple[str, ...], tai: int) -> None:
        found = self.disputed.get(names)
        if found is None:
            self.disputed[names] = Disputed(names, self.pmu.idcode, tai)
        else:
            found.count += 1


def pmu_of(origin: Origin, node: bytes) -> Pmu:
    """Whose values they are, at this node."""
    of = origin.known.descriptor.blocks
    idcode = of[origin.block].idcode if origin.block < len(of) else 0
    return Pmu(idcode, origin.known.configuration or b"", node, origin.block)


def _joined(
    several: Iterable[Mapping[Hashable, Told]],
) -> tuple[dict[Hashable, Told], bool]:
    """All values, and whether those of one channel are equal."""
    found: dict[Hashable, Told] = {}
    for values in several:
        for channel, value in values.items():
            if found.setdefault(channel, value) != value:
                return found, False
    return found, True
