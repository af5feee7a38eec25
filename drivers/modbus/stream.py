"""One block as a stream: its Setup, in the words of its map.

1. One stream, one block: a frame is an exchange, and its configuration names all that the exchange
   brings and nothing else.
2. The rate is that of polling, so that a poll left out is a hole. Where the device itself sets the
   instants they come as it renews them, and no rate is known.

It asks nobody.
"""

from math import gcd

from drivers import line
from drivers.line import Setup
from drivers.modbus.point import Block
from evidence.code import Kind


def rate(block: Block) -> tuple[int, int]:
    """Exchanges, and seconds in which they come; (0, 0) where nobody can say."""
    if block.stamp is not None or not block.period_ms:
        return 0, 0
    shared = gcd(1000, block.period_ms)
    return 1000 // shared, block.period_ms // shared


def setup_of(block: Block) -> Setup:
    """As the runner takes it."""
    channels = tuple(line.Channel(point.name, point.quantity, point.unit) for point in block.points)
    device = line.Block(block.station, block.request.unit, "", None, None, channels)
    return Setup(block.key, int(Kind.MODBUS), block.encoded(), rate(block), (device,))
