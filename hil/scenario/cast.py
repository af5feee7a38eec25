"""Who is in a scenario: authorities with keys that were made for it, and what they sign.

1. A key follows from the scenario's seed and its owner's name. Nobody whose name is used here has
   ever held one, and nothing signed with one is anybody's word outside of the scenario.
2. An authority signs credentials and records with one key; the log has its own.

It sends nothing.
"""

from collections.abc import Callable
from uuid import NAMESPACE_DNS, UUID, uuid5

from evidence import cose
from evidence.code import Typ, Word
from evidence.joint.countersignature import Countersignature
from evidence.joint.record import Record
from evidence.key import Ed25519Key
from evidence.tlog.note import ED25519, Verifier
from hil.scenario.gateway import Issuer, seeded
from hil.scenario.script import Script
from hil.scenario.sheet import Authority

MADE_HERE = uuid5(NAMESPACE_DNS, "scenario.gridseal.invalid")  # RFC 2606: nobody's


class Cast:
    """The authorities of a script, by name, the log, and who looks at it."""

    def __init__(self, script: Script) -> None:
        head = script.scenario
        self._seed = f"{head.name} {head.seed}"
        self.rows: dict[str, Authority] = {row.name: row for row in script.authority}
        self._keys = {name: self._key(f"authority {name}") for name in self.rows}
        self.log_name = f"{head.name}.scenario.gridseal.invalid"
        self.log_key = self._key("log")
        self.log = Verifier(self.log_name, ED25519, self.log_key.public)
        self.mirror_key = self._key("mirror")
        self.witness_keys = {
            f"witness-{at}.{head.name}.scenario.gridseal.invalid": self._key(f"witness {at}")
            for at in range(1, head.witnesses + 1)
        }

    def random(self, what: str) -> Callable[[int], bytes]:
        """Bytes for keys and salts of one thing, from the scenario's seed."""
        return seeded(f"{self._seed} {what}")

    def issuer(self, name: str) -> Issuer:
        return Issuer(name, self._keys[name])

    def key(self, name: str) -> Ed25519Key:
        return self._keys[name]

    def record(self, record: Record) -> tuple[bytes, bytes]:
        """A record signed by its author, and its name."""
        payload = record.payload()
        return cose.sign(Typ.RECORD, payload, self._keys[record.author]), cose.name(payload)

    def word(self, author: str, record: bytes, word: Word, text: str) -> bytes:
        """What an authority says of a record by its name, signed."""
        says = Countersignature(record, author, word, text)
        return cose.sign(Typ.COUNTERSIGNATURE, says.payload(), self._keys[author])

    def anchors(self, witness_policy: str) -> str:
        """anchors.toml: the log, its witnesses, and every authority; of founders their roles and
        footprints."""
        lines = [f'witness_policy = """\n{witness_policy}"""', ""] if witness_policy else []
        lines += ["[log]", f'name = "{self.log_name}"', f'key = "{self.log_key.public.raw.hex()}"']
        for name, row in self.rows.items():
            lines += ["", "[[authority]]", f'name = "{name}"']
            lines.append(f'key = "{self._keys[name].public.raw.hex()}"')
            if row.founder and row.roles:
                lines.append(f"roles = {_list(row.roles)}")
                lines.append(f"footprints = {_list(row.footprints)}")
        return "\n".join(lines) + "\n"

    def _key(self, what: str) -> Ed25519Key:
        return Ed25519Key(seeded(f"{self._seed} {what}")(32))


def mrid(scenario: str, what: str) -> UUID:
    """The mRID of a bus or a terminal of a scenario."""
    return uuid5(MADE_HERE, f"{scenario} {what}")


def _list(words: list[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"
