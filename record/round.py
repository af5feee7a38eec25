"""One look over a stretch of the log after admission: everything that is found by value, a bit at a
time.

1. What is found depends on the entries from `start` until before `upto`, and on nothing else:
   record.audit makes the same round again, and must come to the same.
2. A step is one batch at most: whoever has other work does it in between.

It writes nothing: the sequencer does (Appraised).
"""

from record.appraisal import Readings, Values
from record.sequencer import Appraised
from record.store import Store, StoreError

ENTRIES_MAX = 65_536  # of one round; a record that is far behind makes several


class Round:
    """A look at the entries from `start` until before `upto`."""

    def __init__(self, store: Store, readings: Readings, start: int, upto: int) -> None:
        self._store = store
        self._at, self._upto = start, upto
        self._values = Values(store, readings)

    def step(self) -> Appraised | None:
        """Looks at the next batch; what was found, when that was the last. Raises StoreError."""
        if self._at < self._upto:
            entry = self._store.entry(self._at)
            if entry is None:
                raise StoreError(f"entry {self._at} is missing")
            self._values.take(entry)
            self._at += 1
        if self._at < self._upto:
            return None
        return Appraised(self._upto, self._values.doubts())

    def run(self) -> Appraised:
        """All of it at once. Raises StoreError."""
        while True:
            found = self.step()
            if found is not None:
                return found
