"""What a group found, in as few classifications as hold it: by number, and by length.

Each is an entry of the log, so it stays far below the longest.
"""

from collections.abc import Iterator, Sequence

from evidence.classification import FINDINGS_MAX
from record.continuity import Doubt

# Of one classification: its findings and the entries that they name.
FINDINGS_BYTES_MAX = 56 * 1024
_FINDING_BYTES, _BECAUSE_BYTES, _CHANNEL_BYTES = 80, 34, 3


def statements(doubts: Sequence[Doubt]) -> Iterator[list[Doubt]]:
    """Findings as statements hold them: by number and by length."""
    found: list[Doubt] = []
    size = 0
    for doubt in doubts:
        takes = _FINDING_BYTES + _BECAUSE_BYTES * len(doubt.because)
        takes += _CHANNEL_BYTES * len(doubt.finding.channels or ())
        if found and (len(found) == FINDINGS_MAX or size + takes > FINDINGS_BYTES_MAX):
            yield found
            found, size = [], 0
        found.append(doubt)
        size += takes
    if found:
        yield found
