"""Keys in a real TPM 2.0, swtpm: what they sign holds elsewhere, what is wrong is said in words,
and the TPM is never locked by us.
"""

import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

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
from evidence.code import ALG_ESP256, Typ
from evidence.key import Ed25519Key, PublicKey
from tests.drivers import keyring
from tests.drivers.keyring import PIN, WRONG, Chip

HANDLE = "0x81008001"
TRIES = 3  # that swtpm allows, as it is made (TPM2_PT_MAX_AUTH_FAIL)
MESSAGE = b"what a run says"
# A storage key where the registry has it, and an RSA key: by the library alone, none of it ours.
ODD = """
import sys
from tpm2_pytss import ESAPI, ESYS_TR, TCTILdr
kind, attributes, handle, port = sys.argv[1:]
with ESAPI(TCTILdr("swtpm", f"host=127.0.0.1,port={port}")) as tpm:
    from tpm2_pytss import TPM2B_PUBLIC, TPM2B_SENSITIVE_CREATE
    area = TPM2B_PUBLIC.parse(kind, objectAttributes=attributes)
    key, *_ = tpm.create_primary(TPM2B_SENSITIVE_CREATE(), area, ESYS_TR.OWNER)
    tpm.evict_control(ESYS_TR.OWNER, key, int(handle, 16))
    tpm.flush_context(key)
"""
BORN = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda"


@pytest.fixture
def chip(tmp_path: Path, program: Callable[[str], Path]) -> Iterator[Chip]:
    with keyring.chip(tmp_path / "tpm", program) as found:
        yield found


def odd(chip: Chip, kind: str, attributes: str, handle: str = HANDLE) -> None:
    argv = [sys.executable, "-c", ODD, kind, attributes, handle, str(chip.port)]
    subprocess.run(argv, check=True, timeout=30, capture_output=True)


def holds_elsewhere(public: PublicKey, signature: bytes) -> None:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + public.raw)
    numbers = [int.from_bytes(signature[at : at + 32], "big") for at in (0, 32)]
    key.verify(utils.encode_dss_signature(*numbers), MESSAGE, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("name", ["device.tpm", HANDLE])
@pytest.mark.parametrize("pin", [False, True])
def test_a_key_that_is_made_there_signs_what_others_verify(chip, tmp_path, name, pin):
    uri = chip.uri(name, pin)
    made = make(uri, tmp_path)
    assert made.alg == ALG_ESP256 and show(chip.uri(name), tmp_path) == made
    key = open_signer(uri, tmp_path)
    for _ in range(4):  # numbers with a leading zero come along
        signature = key.sign(MESSAGE)
        assert key.public == made and made.verify(MESSAGE, signature)
        holds_elsewhere(made, signature)
    cose.check(cose.read_statement(cose.sign(Typ.RUN, MESSAGE, key), Typ.RUN), made)
    with pytest.raises(KeyStoreError, match=r"exists already|is there already"):
        make(uri, tmp_path)


def test_a_blob_is_private_and_of_use_to_its_own_tpm_alone(chip, tmp_path, program):
    make(chip.uri(), tmp_path)
    assert stat.S_IMODE((tmp_path / "device.tpm").stat().st_mode) == 0o600
    with (
        keyring.chip(tmp_path / "another", program) as other,
        pytest.raises(KeyStoreError, match="is not of this TPM"),
    ):
        open_signer(other.uri(), tmp_path)
    (tmp_path / "device.tpm").chmod(0o644)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        open_signer(chip.uri(), tmp_path)


def test_a_storage_key_that_stays_is_the_parent(chip, tmp_path):
    """Where the owner has a password, only such a parent can be used."""
    odd(chip, "ecc256:aes128cfb", f"{BORN}|restricted|decrypt", "0x81000001")
    made = make(chip.uri(), tmp_path)
    key = open_signer(chip.uri(), tmp_path)
    assert made.verify(MESSAGE, key.sign(MESSAGE))


def test_many_signatures_leave_nothing_loaded(chip, tmp_path):
    """A TPM without a resource manager has three slots for objects, and as many for sessions."""
    make(chip.uri(pin=True), tmp_path)
    key = open_signer(chip.uri(pin=True), tmp_path)
    for _ in range(5):
        key.sign(MESSAGE)
    chip.set_pin(WRONG)
    for wrong in (f"{WRONG} {number}" for number in range(TRIES - 1)):
        chip.set_pin(wrong)
        with pytest.raises(PinError):
            key.sign(MESSAGE)
    assert show(chip.uri(), tmp_path) == key.public


def test_a_wrong_pin_is_tried_once_and_the_last_try_is_never_ours(chip, tmp_path):
    made = make(chip.uri(pin=True), tmp_path)
    key = open_signer(chip.uri(pin=True), tmp_path)
    chip.set_pin(WRONG)
    for _ in range(2 * TRIES):
        with pytest.raises(PinError, match="the PIN is wrong"):
            key.sign(MESSAGE)
    chip.set_pin(PIN)
    assert made.verify(MESSAGE, key.sign(MESSAGE))  # one wrong try of three
    chip.set_pin(WRONG)
    with pytest.raises(PinError):
        open_signer(chip.uri(pin=True), tmp_path)
    for pin in (WRONG, PIN):
        chip.set_pin(pin)
        for _ in range(2 * TRIES):
            with pytest.raises(AwayError, match="none is tried"):
                open_signer(chip.uri(pin=True), tmp_path)
    typed = chip.uri() + "&pin-source=ask"
    assert open_signer(typed, tmp_path, lambda words: PIN).public == made


def test_a_locked_tpm_is_away_and_leaves_keys_without_a_pin_alone(chip, tmp_path):
    make(chip.uri("pin.tpm", pin=True), tmp_path)
    make(chip.uri("bare.tpm"), tmp_path)
    typed = chip.uri("pin.tpm") + "&pin-source=ask"
    for _ in range(TRIES):
        with pytest.raises(PinError):
            open_signer(typed, tmp_path, lambda words: WRONG)
    with pytest.raises(AwayError, match="has locked itself"):
        open_signer(typed, tmp_path, lambda words: PIN)
    key = open_signer(chip.uri("bare.tpm"), tmp_path)
    assert key.public.verify(MESSAGE, key.sign(MESSAGE))


def test_a_pin_that_is_not_named_costs_no_try(chip, tmp_path):
    made = make(chip.uri(pin=True), tmp_path)
    for _ in range(2 * TRIES):
        with pytest.raises(KeyStoreError, match="has a PIN, and none is named"):
            open_signer(chip.uri(), tmp_path)
    assert open_signer(chip.uri(pin=True), tmp_path).public == made


def test_a_tpm_that_dies_amid_a_signature_is_away_and_comes_back(chip, tmp_path):
    made = make(chip.uri(), tmp_path)
    key = open_signer(chip.uri(), tmp_path)
    told: list[KeyStoreError] = []

    def sign() -> None:
        try:
            key.sign(MESSAGE)
        except KeyStoreError as fault:
            told.append(fault)

    chip.stop()
    amid = threading.Thread(target=sign)
    amid.start()
    time.sleep(0.7)  # it has been asked, and does not answer
    assert amid.is_alive()
    chip.take_away()
    amid.join(20)
    assert not amid.is_alive()
    assert isinstance(told[0], AwayError) and "no TPM answers" in str(told[0])
    with pytest.raises(AwayError, match="no TPM answers"):
        key.sign(MESSAGE)
    waiting = later(chip.uri(), tmp_path, made)
    chip.bring_back()
    for one in (key, waiting):
        assert made.verify(MESSAGE, one.sign(MESSAGE))


def test_another_key_than_the_one_expected_signs_nothing(chip, tmp_path):
    make(chip.uri(), tmp_path)
    other = Ed25519Key(bytes(32)).public
    with pytest.raises(KeyStoreError, match=other.kid.hex()):
        later(chip.uri(), tmp_path, other).sign(MESSAGE)


@pytest.mark.parametrize(
    ("kind", "attributes", "says"),
    [
        ("rsa2048:rsassa-sha256:null", f"{BORN}|sign", "another kind of key"),
        ("ecc384:ecdsa-sha256:null", f"{BORN}|sign", "another kind of key"),
        ("ecc256:aes128cfb", f"{BORN}|restricted|decrypt", "no key that signs"),
        ("ecc256:ecdsa-sha256:null", f"{BORN}|restricted|sign", "no key that signs"),
        ("ecc256:ecschnorr-sha256:null", f"{BORN}|sign", "another scheme"),
    ],
)
def test_keys_that_do_not_serve_are_named(chip, tmp_path, kind, attributes, says):
    odd(chip, kind, attributes)
    with pytest.raises(KeyStoreError, match=says):
        open_signer(chip.uri(HANDLE), tmp_path)


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN TSS2 PRIVATE KEY-----\nMIH\n"])
def test_a_file_that_is_no_blob_is_named(chip, tmp_path, content):
    path = tmp_path / "device.tpm"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyStoreError, match="is no key blob"):
        open_signer(chip.uri(), tmp_path)


def test_a_blob_with_a_flipped_bit_never_signs(chip, tmp_path):
    make(chip.uri(), tmp_path)
    path = tmp_path / "device.tpm"
    whole = path.read_bytes()
    for at in range(40, len(whole) - 40, 50):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(KeyStoreError):
            open_signer(chip.uri(), tmp_path)


def test_what_is_away_or_wrongly_named_is_told_apart(chip, tmp_path):
    make(chip.uri(), tmp_path)
    for uri, says in (
        (chip.uri(HANDLE), "no key is there"),
        (chip.uri("missing.tpm"), "is not there"),
        ("tpm:device.tpm?tcti=nonsense:a", "no TPM is reached"),
        ("tpm:device.tpm?tcti=swtpm:hst=a", "no TPM is reached"),
    ):
        with pytest.raises(KeyStoreError, match=says) as fault:
            open_signer(uri, tmp_path)
        assert not isinstance(fault.value, AwayError)
    chip.take_away()
    for uri in (chip.uri(), "tpm:device.tpm?tcti=device:/dev/no-tpm"):
        with pytest.raises(AwayError):
            open_signer(uri, tmp_path)


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("tpm:", "names no key"),
        ("tpm:0x01000001", "no persistent handle"),
        ("tpm:0x81800000", "no persistent handle"),
        ("tpm:a?tcit=device", "did you mean 'tcti'"),
        ("tpm:a?pin=hunter2", "change that PIN"),
        ("tpm:a?pin-source=hunter", "credential:NAME"),
    ],
)
def test_uris_are_refused_with_the_mend(tmp_path, uri, says):
    with pytest.raises(KeyStoreError) as fault:
        open_signer(uri, tmp_path)
    assert says in str(fault.value) and "hunter2" not in str(fault.value)


def test_a_pin_longer_than_a_tpm_takes_is_refused_before_a_key_is_made(chip, tmp_path):
    chip.set_pin("9" * 33)
    with pytest.raises(KeyStoreError, match="at most 32 bytes"):
        make(chip.uri(pin=True), tmp_path)
    assert not (tmp_path / "device.tpm").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [("tpm2_pytss", r"gridseal\[tpm\] brings it")],
)
def test_a_missing_library_is_named_with_what_brings_it(monkeypatch, name, says):
    monkeypatch.delitem(sys.modules, "drivers.keystore.chip", raising=False)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(KeyStoreError, match=says):
        import drivers.keystore.chip  # noqa: F401
