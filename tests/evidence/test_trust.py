"""Anchors with founders: one reading, with the standard library alone and with lines alike."""

import subprocess
import sys

import pytest

from evidence import anchor, trust
from evidence.code import Role
from evidence.config import ConfigError
from evidence.toml import TomlError
from tests.evidence.joint.sharing import FOUNDERS, founders_text, key

MANY = [f"x{n}" for n in range(65)]
LOG = f'[log]\nname = "log"\nkey = "{key("log").public.raw.hex()}"\n'
BOARD = f"[[board]]\nname = 'bay 7'\nkey = '{key('board').public.raw.hex()}'\n"


def test_founders_are_read_alike_with_lines_and_without():
    text = f'witness_policy = "log ..."\n{LOG}{founders_text()}{BOARD}'
    found = trust.read(text)
    assert found == anchor.read(text, "anchors.toml")
    assert set(found.authorities.values()) == set(FOUNDERS)
    assert (found.log, found.witness_policy) == ("log", "log ...")
    assert found.boards == {key("board").public.raw: "bay 7"}
    assert found.authorities[FOUNDERS[0].key.kid].roles == {Role.BA, Role.DP}


@pytest.mark.parametrize(
    ("wrong", "by", "said"),
    [
        ("'BA'", "'BB'", "authority[0].roles: 'BB' is unknown"),
        ("roles = ['BA', 'DP']", "roles = 'BA'", "authority[0].roles: found 'BA'"),
        ("roles = ['BA', 'DP']", "rolls = ['BA']", "authority[0].rolls: unknown"),
        ("roles = ['BA', 'DP']", "roles = ['BA', 'BA']", "authority[0].roles"),
        ("roles = ['BA', 'DP']", f"footprints = {MANY}", "footprints"),
        (FOUNDERS[1].key.raw.hex(), FOUNDERS[0].key.raw.hex(), "authority[1].key: the same key"),
        (FOUNDERS[1].key.raw.hex(), "00", "authority[1].key: is no Ed25519 key"),
        ("[[board]]\n", f"{BOARD}[[board]]\n", "board[1].key: the same key"),
        ("'bay 7'", "'bay 7'\nsite = 'A'", "board[0].site: unknown"),
    ],
)
def test_what_no_anchors_say_is_named_by_both(wrong, by, said):
    text = (LOG + founders_text() + BOARD).replace(wrong, by)
    if by.startswith("footprints"):
        text = text.replace("footprints = ['WEST']", "", 1)
    with pytest.raises(TomlError) as bare:
        trust.read(text)
    with pytest.raises(ConfigError) as lined:
        anchor.read(text, "anchors.toml")
    assert said in str(bare.value)
    assert said.partition(":")[0] in str(lined.value)


def test_a_verifier_needs_neither_msgspec_nor_anything_of_a_record():
    """What a lone verifier is made from: the standard library, PyNaCl and cbor2."""
    code = (
        "import sys, evidence.trust, evidence.joint.shelf\n"
        "print([one for one in ('msgspec', 'record', 'sqlalchemy', 'apsw') if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"
