"""What is signed of a transformer in figures, in a line for people.

A calibration is told by how many points it has, and by the first digits of a hash of them: two that
differ read differently. It judges nothing.
"""

import hashlib

from evidence import cbor
from evidence.calibration import WHOLE, Figures


def words(told: Figures | None) -> str | None:
    """Of a transformer, in a line: of a calibration how many points, and by which bytes."""
    if told is None:
        return None
    parts = []
    if told.rated_mva is not None:
        parts.append(f"rated {told.rated_mva / WHOLE:g} VA")
    if told.connected is not None:
        mva, factor = told.connected
        parts.append(f"connected {mva / WHOLE:g} VA at {factor / WHOLE:g}")
    if told.upto is not None:
        parts.append(f"rating factor {told.upto / WHOLE:g}")
    if told.calibration is not None:
        name = hashlib.sha256(cbor.encode(told.calibration)).hexdigest()[:8]
        parts.append(f"correction of {len(told.calibration.points)} points ({name})")
    return ", ".join(parts)
