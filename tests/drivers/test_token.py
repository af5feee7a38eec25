"""Keys in a real PKCS#11 token, SoftHSM2: what they sign holds elsewhere, and what is wrong is said
in words, without costing a token its PIN.
"""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drivers.keystore import process
from drivers.keystore.held import HeldKey
from drivers.keystore.uri import (
    AwayError,
    KeyStoreError,
    PinError,
    later,
    make,
    open_signer,
    show,
)
from evidence import cose
from evidence.code import ALG_ED25519, ALG_ESP256, Typ
from evidence.key import Ed25519Key
from tests.drivers import keyring
from tests.drivers.keyring import PIN, PIN_FINAL_TRY, PIN_LOCKED, WRONG, Token

CURVE = """
more = {more}
oid, kind, made_by = {curve}
told = {{Attribute.EC_PARAMS: encode_named_curve_parameters(oid)}}
domain = session.create_domain_parameters(kind, told, local=True)
for number in {ids}:
    closed = {{Attribute.EXTRACTABLE: {extractable}, **more}}
    domain.generate_keypair(
        mechanism=made_by, store=True, label={label!r}, id=number, private_template=closed
    )
"""
EDWARDS = '"1.3.101.112", KeyType.EC_EDWARDS, Mechanism.EC_EDWARDS_KEY_PAIR_GEN'
WEIERSTRASS = '"1.2.840.10045.3.1.7", KeyType.EC, Mechanism.EC_KEY_PAIR_GEN'
P256 = CURVE.format(more="{}", curve=WEIERSTRASS, ids=[b"p"], extractable=False, label="p256")
OPEN = CURVE.format(more="{}", curve=EDWARDS, ids=[b"o"], extractable=True, label="open")
TWO = CURVE.format(more="{}", curve=EDWARDS, ids=[b"1", b"2"], extractable=False, label="two")
MUTE, ASKING = (
    CURVE.format(more=more, curve=EDWARDS, ids=[b"m"], extractable=False, label=label)
    for label, more in (
        ("mute", "{Attribute.SIGN: False}"),
        ("asking", "{Attribute.ALWAYS_AUTHENTICATE: True}"),
    )
)
RSA = 'session.generate_keypair(KeyType.RSA, 2048, store=True, label="rsa", id=b"r")'
MESSAGE = b"what a run says"


@pytest.fixture
def token(tmp_path: Path, program: Callable[[str], Path]) -> Iterator[Token]:
    with keyring.token(tmp_path / "token", program) as found:
        yield found


@pytest.fixture
def child() -> Iterator[Callable[[HeldKey], int]]:
    """The program of a key that signs often."""
    yield lambda key: key._process._child.pid if key._process._child else 0


def opened(token: Token, **more: Any) -> HeldKey:
    found = open_signer(token.uri(), token.folder, **more)
    assert isinstance(found, HeldKey)
    return found


def test_a_key_that_is_made_there_signs_what_others_verify(token):
    made = make(token.uri(), token.folder)
    key = opened(token)
    assert key.public == made and made.alg == ALG_ED25519
    signature = key.sign(MESSAGE)
    assert made.verify(MESSAGE, signature)
    Ed25519PublicKey.from_public_bytes(made.raw).verify(signature, MESSAGE)
    cose.check(cose.read_statement(cose.sign(Typ.RUN, MESSAGE, key), Typ.RUN), made)
    assert not made.verify(MESSAGE + b" ", signature)


def test_the_public_key_is_shown_without_a_pin(token):
    made = make(token.uri(), token.folder)
    assert show(token.uri(source=None), token.folder) == made
    token.set_pin(WRONG)
    assert show(token.uri(), token.folder) == made


def test_a_key_of_p256_serves_as_well(token):
    token.make(P256)
    key = open_signer(token.uri("p256"), token.folder)
    assert key.public.alg == ALG_ESP256
    signature = key.sign(MESSAGE)
    assert key.public.verify(MESSAGE, signature)
    numbers = [int.from_bytes(signature[at : at + 32], "big") for at in (0, 32)]
    elsewhere = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + key.public.raw)
    elsewhere.verify(utils.encode_dss_signature(*numbers), MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_the_private_key_never_leaves(token):
    """The token itself refuses to tell it, to who has the PIN."""
    make(token.uri(), token.folder)
    code = """
(key,) = session.get_objects({Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})
assert key[Attribute.SENSITIVE] and key[Attribute.NEVER_EXTRACTABLE] and key[Attribute.LOCAL]
try:
    key[Attribute.VALUE]
except pkcs11.exceptions.AttributeSensitive:
    pass
else:
    raise SystemExit("it was told")
"""
    token.make(code)


def test_a_name_that_is_taken_is_refused(token):
    first = make(token.uri(), token.folder)
    with pytest.raises(KeyStoreError, match="is there already"):
        make(token.uri(), token.folder)
    assert show(token.uri(), token.folder) == first


def test_a_wrong_pin_is_tried_once_and_again_when_it_is_another(token):
    make(token.uri(), token.folder)
    key = opened(token)
    token.set_pin(WRONG)
    with pytest.raises(PinError, match="the PIN is wrong"):
        key.sign(MESSAGE)
    token.take_away()  # who asked it now would say that it is away
    for _ in range(5):
        with pytest.raises(PinError, match="not tried again"):
            key.sign(MESSAGE)
    token.bring_back()
    token.set_pin(PIN)
    assert key.public.verify(MESSAGE, key.sign(MESSAGE))


def test_the_last_try_is_never_ours(token):
    made = make(token.uri(), token.folder)
    token.set_flags(PIN_FINAL_TRY)
    for pin in (PIN, WRONG):  # the right one is not tried either: nobody knows which it is
        token.set_pin(pin)
        with pytest.raises(AwayError, match="one more wrong PIN locks the token"):
            opened(token)
    asked: list[str] = []

    def typed(words: str) -> str:
        asked.append(words)
        return PIN

    key = open_signer(token.uri(source="ask"), token.folder, typed)
    assert key.public == made and len(asked) == 1


def test_a_locked_token_says_who_unlocks_it(token):
    make(token.uri(), token.folder)
    key = opened(token)
    token.set_flags(PIN_LOCKED)
    for work in (lambda: opened(token), lambda: key.sign(MESSAGE)):
        with pytest.raises(AwayError, match="security officer"):
            work()


def test_a_token_that_is_away_comes_back(token):
    made = make(token.uri(), token.folder)
    key = opened(token)
    token.take_away()
    for _ in range(2):
        with pytest.raises(AwayError, match="no such token is plugged in; there: none"):
            key.sign(MESSAGE)
    with pytest.raises(AwayError):
        opened(token)
    waiting = later(token.uri(), token.folder, made)
    token.bring_back()
    for one in (key, waiting):
        assert made.verify(MESSAGE, one.sign(MESSAGE))


def test_a_token_that_comes_back_with_another_key_signs_nothing(token):
    make(token.uri(), token.folder)
    other = Ed25519Key(bytes(32)).public
    with pytest.raises(KeyStoreError, match=other.kid.hex()):
        later(token.uri(), token.folder, other).sign(MESSAGE)


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("device", "", "no private key 'device'; there: none"),
        ("devise", OPEN, "there: 'open'"),
        ("open", OPEN, "can be read out of its token"),
        ("rsa", RSA, "another kind of key (RSA)"),
        ("mute", MUTE, "may not sign"),
        ("asking", ASKING, "wants its PIN at each signature"),
        ("two", TWO, "add id=, one of %31, %32"),
    ],
)
def test_objects_that_do_not_serve_are_named(token, name, code, says):
    if code:
        token.make(code)
    with pytest.raises(KeyStoreError) as fault:
        open_signer(token.uri(name), token.folder)
    assert says in str(fault.value) and not isinstance(fault.value, AwayError)


def test_of_several_public_keys_none_is_shown(token):
    token.make(TWO)
    for source in (None, ""):
        with pytest.raises(KeyStoreError, match="add id=, one of %31, %32"):
            show(token.uri("two", source), token.folder)
        shown = show(token.uri("two;id=%31", source), token.folder)
        assert shown == open_signer(token.uri("two;id=%31"), token.folder).public


def test_one_of_two_is_told_by_its_id(token):
    token.make(TWO)
    keys = [open_signer(token.uri(f"two;id=%3{number}"), token.folder).public for number in (1, 2)]
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("pkcs11:token=a;object=b", "names no PKCS#11 module"),
        ("pkcs11:object=b?module-path=/m.so", "names no token"),
        ("pkcs11:token=a?module-path=/m.so", "names no object"),
        ("pkcs11:token=a;object=b?module-path=m.so", "a path from the root"),
        ("pkcs11:token=a;object=b?module-path=/nowhere/m.so", "/nowhere/m.so is not there"),
        ("pkcs11:token=a;object=b?module-path=/etc/hosts", "cannot be loaded"),
        ("pkcs11:tokn=a;object=b?module-path=/m.so", "did you mean 'token'"),
        ("pkcs11:slot-id=1;object=b?module-path=/m.so", "'slot-id' is unknown"),
        ("pkcs11:token=a;token=b;object=b?module-path=/m.so", "token stands there twice"),
        ("pkcs11:token=a%;object=b?module-path=/m.so", "a % itself is %25"),
        ("pkcs11:token=%ff;object=b?module-path=/m.so", "not UTF-8"),
        ("pkcs11:token=;object=b?module-path=/m.so", "token has no value"),
        ("pkcs11:token=a;object=b;type=cert?module-path=/m.so", "leave it out"),
        ("pkcs11:token=a;object=b?module-path=/m.so&pin-source=4711", "credential:NAME"),
        ("pkcs11:token=a;object=b?module-path=/m.so&pin-source=ask", "nobody sits there"),
        ("pkcs11:token=a;object=b?module-path=/m.so&pin-source=credential:a/b", "no name of a"),
    ],
)
def test_uris_are_refused_with_the_mend(tmp_path, uri, says):
    with pytest.raises(KeyStoreError) as fault:
        open_signer(uri, tmp_path)
    assert says in str(fault.value)
    assert str(fault.value).startswith("pkcs11:")


@pytest.mark.parametrize("name", ["pin-value", "pin", "passphrase"])
@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:token=a;object=b?module-path=/m.so&{}=hunter2",
        "pkcs11:token=a;{}=hunter2;object=b?module-path=/m.so",
        "pkcs11:{}=hunter2",
    ],
)
def test_a_pin_in_a_uri_is_refused_and_not_quoted(tmp_path, uri, name):
    with pytest.raises(KeyStoreError, match="change that PIN") as fault:
        open_signer(uri.format(name), tmp_path)
    assert "hunter2" not in str(fault.value) + fault.value.place


def test_words_too_long_for_a_reply_are_cut(tmp_path):
    module = "/" + "m" * 5000
    with pytest.raises(KeyStoreError, match="mmm") as fault:
        open_signer(f"pkcs11:token=a;object=b?module-path={module}", tmp_path)
    assert not isinstance(fault.value, AwayError)


def test_a_credential_of_systemd_is_a_source(token, monkeypatch):
    """It shows as 0440 there, by an access list (systemd's issue 29435)."""
    make(token.uri(), token.folder)
    uri = token.uri(source="credential:device-pin")
    with pytest.raises(KeyStoreError, match="LoadCredential=device-pin:PATH"):
        open_signer(uri, token.folder)
    folder = token.folder / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    with pytest.raises(KeyStoreError, match="is not there"):
        open_signer(uri, token.folder)
    (folder / "device-pin").write_text(PIN)
    (folder / "device-pin").chmod(0o440)
    assert open_signer(uri, token.folder).public == show(token.uri(), token.folder)


@pytest.mark.parametrize("content", ["", "\n", "a\nb\n", "x" * 300])
def test_a_file_without_a_pin_is_no_source(token, content):
    make(token.uri(), token.folder)
    token.pin_file.write_text(content)
    with pytest.raises(KeyStoreError, match="holds no PIN"):
        opened(token)


def test_a_pin_that_others_may_read_is_refused(token):
    make(token.uri(), token.folder)
    token.pin_file.chmod(0o644)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        opened(token)


def test_the_pin_is_in_no_argument_and_no_environment(token, child):
    make(token.uri(), token.folder)
    key = opened(token, often=True)
    key.sign(MESSAGE)
    place = Path("/proc") / str(child(key))
    for name in ("cmdline", "environ"):
        assert PIN.encode() not in (place / name).read_bytes()
    key.close()


def test_no_core_of_the_program_is_written(token, child):
    make(token.uri(), token.folder)
    key = opened(token, often=True)
    limits = (Path("/proc") / str(child(key)) / "limits").read_text()
    key.close()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


def test_the_program_is_ours_whatever_the_working_folder_holds(token, monkeypatch):
    planted = token.folder / "drivers" / "keystore"
    planted.mkdir(parents=True)
    for folder in (planted, planted.parent):
        (folder / "__init__.py").touch()
    (planted / "child.py").write_text("raise SystemExit(1)\n")
    monkeypatch.chdir(token.folder)
    assert make(token.uri(), token.folder) == show(token.uri(), token.folder)


def test_no_program_stays_where_the_key_signs_seldom(token, child):
    make(token.uri(), token.folder)
    key = opened(token)
    key.sign(MESSAGE)
    assert child(key) == 0 and "pkcs11" not in sys.modules


def test_a_program_that_dies_is_started_again(token, child):
    make(token.uri(), token.folder)
    key = opened(token, often=True)
    os.kill(child(key), signal.SIGKILL)
    with pytest.raises(AwayError, match="ended"):
        key.sign(MESSAGE)
    assert key.public.verify(MESSAGE, key.sign(MESSAGE))
    key.close()


def test_a_store_that_hangs_is_let_go(token, child, monkeypatch):
    make(token.uri(), token.folder)
    key = opened(token, often=True)
    stopped = child(key)
    os.kill(stopped, signal.SIGSTOP)
    monkeypatch.setattr(process, "CALL_S", 0.3)
    monkeypatch.setattr(process, "END_S", 0.1)
    begun = time.monotonic()
    with pytest.raises(AwayError, match="did not answer"):
        key.sign(MESSAGE)
    assert time.monotonic() - begun < 10
    assert not Path(f"/proc/{stopped}").exists()
    monkeypatch.setattr(process, "CALL_S", 30.0)
    assert key.public.verify(MESSAGE, key.sign(MESSAGE))
    key.close()


def test_a_missing_library_is_named_with_what_brings_it(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("drivers.keystore.token")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(KeyStoreError, match=r"gridseal\[pkcs11\] brings it"):
        import drivers.keystore.token  # noqa: F401
