"""What a simulated PMU says it sent, a line each frame as it goes (hil.devices.pmu).

A line that is not whole yet says nothing.
"""

from pathlib import Path


def read(sent: Path) -> list[tuple[int, int]]:
    """ns TAI of each data frame, as it claims, and ns by which its clock was wrong; in order."""
    whole = sent.read_bytes().rpartition(b"\n")[0]
    rows = (line.split() for line in whole.splitlines())
    return [(int(tai), int(off_ns)) for _, tai, off_ns in rows]
