"""How each credential stands, by the book: in force or not, and why not.

1. A key is revoked, not a credential: all of a revoked key's are.
2. A credential is renewed where another names it, and handed over where its key gave way to the
   next. A key has given way once: two successors are what a stolen key would ask for.
3. Instants are s, UTC since 1970, and come in by argument.

Pure: an authority's folder as it was read, and an instant.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evidence.book import Revoked
from evidence.key import PublicKey
from provisioning.authority.folder import Authority
from provisioning.authority.issued import Row

LIVE, RENEWED, HANDED_OVER, REVOKED = "live", "renewed", "handed over", "revoked"
EXPIRED, NOT_YET, NOT_ENTERED = "expired", "not yet", "not entered"


@dataclass(frozen=True, slots=True)
class Standing:
    """One credential, and its state. `by`: what made it so, in words."""

    row: Row
    state: str
    by: str


class Register:
    """Everything of an authority by subject, key and credential."""

    def __init__(self, of: Authority, now_s: int) -> None:
        self._now_s = now_s
        self.rows: Sequence[Row] = of.rows
        self._entered = of.entered
        self.by_name = {row.name: row for row in of.rows}
        self._after = {row.before: row for row in of.rows if row.before is not None}
        self._newest = {row.says.key: row for row in of.rows}
        self._successor: dict[PublicKey, Row] = {}
        for row in of.rows:
            before = self.by_name.get(row.before) if row.before is not None else None
            if before is not None and before.says.key != row.says.key:
                self._successor.setdefault(before.says.key, row)
        self.revoked = {
            line.entry.what.key: line.entry
            for line in of.book.lines
            if isinstance(line.entry.what, Revoked)
        }

    def all(self) -> list[Standing]:
        """Oldest first."""
        return [self.standing(row) for row in self.rows]

    def standing(self, row: Row) -> Standing:
        """How a credential stands now."""
        revoked = self.revoked.get(bytes.fromhex(row.says.key.fingerprint))
        if revoked is not None and isinstance(revoked.what, Revoked):
            why = revoked.what.why.name.lower()
            return Standing(row, REVOKED, f"{why}, entry {revoked.number}")
        after = self.successor(row.says.key)
        if after is not None:
            return Standing(row, HANDED_OVER, f"to key {after.says.key.fingerprint[:16]}")
        newer = self._after.get(row.name)
        if newer is not None:
            return Standing(row, RENEWED, f"by {newer.name.hex()[:16]}")
        if row.name not in self._entered:
            return Standing(row, NOT_ENTERED, "a power cut: the next who writes enters it")
        if self._now_s >= row.says.expires_s:
            return Standing(row, EXPIRED, "")
        if self._now_s < row.says.not_before_s:
            return Standing(row, NOT_YET, "")
        return Standing(row, LIVE, "")

    def is_revoked(self, key: PublicKey) -> bool:
        return bytes.fromhex(key.fingerprint) in self.revoked

    def newest(self, key: PublicKey) -> Row | None:
        """The latest credential of a key."""
        return self._newest.get(key)

    def successor(self, key: PublicKey) -> Row | None:
        """The credential by which a key gave way to the next."""
        return self._successor.get(key)

    def led_to(self, key: PublicKey) -> list[PublicKey]:
        """The keys from which this one took over, one from the other, the latest first."""
        before = {row.says.key: old for old, row in self._successor.items()}
        found: list[PublicKey] = []
        while key in before and before[key] not in found:
            key = before[key]
            found.append(key)
        return found

    def live(self, subject: str) -> list[Row]:
        """What is in force for a gateway: of each of its keys the latest."""
        return [
            row
            for row in self.rows
            if row.says.subject == subject and self.standing(row).state in (LIVE, NOT_YET)
        ]

    def asked(self, request: bytes) -> Row | None:
        """What a request was answered with."""
        return next((row for row in self.rows if row.asked and row.asked.request == request), None)

    def challenged(self, challenge: bytes) -> Row | None:
        """What was answered to a request with this challenge."""
        asked = (row for row in self.rows if row.asked and row.asked.challenge == challenge)
        return next(asked, None)

    def subject_of(self, name: bytes) -> str:
        """Whose a credential (by its name) or a key (by its fingerprint) is; empty: nobody's."""
        for row in self.rows:
            if name in (row.name, bytes.fromhex(row.says.key.fingerprint)):
                return row.says.subject
        return ""
