"""A board's NOR flash in a file, for MicroPython's file systems.

What was written before the process is killed is there at the next start.
"""

BLOCK_BYTES = 4096  # what a NOR flash erases at once


class Flash:
    """A block device (MicroPython's os.AbstractBlockDev, extended interface) in a file."""

    def __init__(self, path: str, blocks: int) -> None:
        self._blocks = blocks
        self._file = open(path, "r+b")  # noqa: SIM115  # for as long as the process runs

    def readblocks(self, block: int, into: bytearray, offset: int = 0) -> None:
        self._file.seek(block * BLOCK_BYTES + offset)
        self._file.readinto(into)

    def writeblocks(self, block: int, octets: bytes, offset: int = 0) -> None:
        self._file.seek(block * BLOCK_BYTES + offset)
        self._file.write(octets)

    def ioctl(self, what: int, block: int) -> int:
        return {4: self._blocks, 5: BLOCK_BYTES}.get(what, 0)
