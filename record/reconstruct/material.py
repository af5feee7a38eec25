"""What documents are made of."""

from typing import NamedTuple

from record.reconstruct.gathering import Gathered
from record.reconstruct.holding import Holding


class Material(NamedTuple):
    """What the bundle holds, and its observations, read."""

    held: Holding
    gathered: Gathered
