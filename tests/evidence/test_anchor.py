"""Whom to believe: the file read strictly, and an authority that signs in its own name."""

import pytest

from evidence import anchor, cose
from evidence.anchor import Authority, by_kid
from evidence.code import Reason, Typ
from evidence.config import ConfigError
from evidence.credential import Credential
from evidence.key import Ed25519Key
from evidence.refusal import EvidenceError

LOG, ONE, TWO, DEVICE = (Ed25519Key(bytes(31) + bytes((n,))) for n in range(4))


def text(*authorities: tuple[str, Ed25519Key]) -> str:
    rows = [f'[[authority]]\nname = "{name}"\nkey = "{key.public.raw.hex()}"\n'
            for name, key in authorities]  # fmt: skip
    return f'[log]\nname = "log"\nkey = "{LOG.public.raw.hex()}"\n' + "".join(rows)


def credential(issuer: str, key: Ed25519Key) -> cose.Sign1:
    says = Credential(issuer, "gw", b"1", 0, 1, DEVICE.public, "gateway", bytes(32), None, ())
    return cose.read(cose.sign(Typ.CREDENTIAL, says.payload(), key))


def test_an_authority_may_have_several_keys():
    """As when one follows the other: what either signed in its name holds."""
    found = anchor.read(text(("A", ONE), ("A", TWO)), "anchors.toml")
    assert found.log_key == LOG.public
    for key in (ONE, TWO):
        assert anchor.vouched(credential("A", key), found.authorities).subject == "gw"


def test_an_authority_signs_in_its_own_name_only():
    trusted = by_kid([Authority("A", ONE.public), Authority("B", TWO.public)])
    with pytest.raises(EvidenceError) as caught:
        anchor.vouched(credential("A", TWO), trusted)
    assert caught.value.reason == Reason.UNKNOWN_AUTHORITY


def test_a_key_that_nobody_knows_and_a_signature_that_is_none():
    with pytest.raises(EvidenceError) as caught:
        anchor.vouched(credential("A", TWO), by_kid([Authority("A", ONE.public)]))
    assert caught.value.reason == Reason.UNKNOWN_AUTHORITY
    forged = credential("A", ONE)._replace(signature=bytes(64))
    with pytest.raises(EvidenceError) as caught:
        anchor.vouched(forged, by_kid([Authority("A", ONE.public)]))
    assert caught.value.reason == Reason.SIGNATURE


def test_one_key_is_one_authoritys():
    with pytest.raises(ConfigError, match=r"anchors.toml:9: authority.1..key: the same key"):
        anchor.read(text(("A", ONE), ("B", ONE)), "anchors.toml")
    with pytest.raises(ConfigError, match="one key"):
        by_kid([Authority("A", ONE.public), Authority("B", ONE.public)])


def test_a_key_that_is_none_is_named_with_its_line():
    wrong = text(("A", ONE)).replace(ONE.public.raw.hex(), "zz")
    with pytest.raises(ConfigError, match=r"anchors.toml:6: authority.0..key: .*64 hex digits"):
        anchor.read(wrong, "anchors.toml")
