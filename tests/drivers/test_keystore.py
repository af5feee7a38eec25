"""Private keys in files: read as openssl writes them, made so that only their owner reads them."""

import os
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.keystore import file as keyfile
from drivers.keystore.uri import KeyStoreError, make, open_signer
from evidence.key import Ed25519Key

# RFC 8410 10.3, the first private key, and 10.1, its public key.
RFC_PEM = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
RFC_PUBLIC = bytes.fromhex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1")
# RFC 8410 10.3, the second: the same key with attributes and the public key inside.
RFC_LONG_PEM = b"""-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
"""
SECRET = "MC4CAQAw"


def private(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_reads_the_key_of_the_standard(tmp_path):
    assert keyfile.read(private(tmp_path / "a.key", RFC_PEM)).public.raw == RFC_PUBLIC


def test_writes_the_bytes_of_the_standard():
    seed = bytes.fromhex("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842")
    assert keyfile.encode(seed) == RFC_PEM


def test_a_note_above_the_key_and_dos_line_ends_are_no_fault(tmp_path):
    content = b"device key of gateway 7\r\n" + RFC_PEM.replace(b"\n", b"\r\n")
    assert keyfile.read(private(tmp_path / "a.key", content)).public.raw == RFC_PUBLIC


def test_openssl_reads_ours_and_we_read_its(tmp_path: Path, program: Callable[[str], Path]):
    openssl = str(program("openssl"))
    ours, theirs = tmp_path / "ours.key", tmp_path / "theirs.key"
    key = keyfile.create(ours)
    said = [openssl, "pkey", "-in", str(ours), "-pubout", "-outform", "DER"]
    out = subprocess.run(said, capture_output=True, check=True, timeout=20).stdout
    assert out[-32:] == key.public.raw
    made = [openssl, "genpkey", "-algorithm", "ed25519", "-out", str(theirs)]
    subprocess.run(made, capture_output=True, check=True, timeout=20)
    theirs.chmod(0o600)
    said[3] = str(theirs)
    out = subprocess.run(said, capture_output=True, check=True, timeout=20).stdout
    assert keyfile.read(theirs).public.raw == out[-32:]


def test_create_makes_a_key_that_only_its_owner_reads(tmp_path):
    before = os.umask(0o277)  # whatever the umask takes away
    try:
        key = keyfile.create(tmp_path / "device.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "device.key").stat().st_mode) == 0o600
    again = keyfile.read(tmp_path / "device.key")
    assert again.public == key.public
    assert again.public.verify(b"frame", key.sign(b"frame"))


def test_two_keys_differ(tmp_path):
    assert keyfile.create(tmp_path / "a").public != keyfile.create(tmp_path / "b").public


@pytest.mark.parametrize("there", ["key", "empty", "dangling link"])
def test_create_overwrites_nothing(tmp_path, there):
    path = tmp_path / "device.key"
    if there == "dangling link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        private(path, RFC_PEM if there == "key" else b"")
    with pytest.raises(KeyStoreError, match="never overwritten") as fault:
        keyfile.create(path)
    assert str(path) in str(fault.value)
    assert not (tmp_path / "elsewhere").exists()
    assert there != "key" or path.read_bytes() == RFC_PEM


def test_what_fails_while_it_is_made_is_removed(tmp_path, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyStoreError, match="No space left"):
        keyfile.create(tmp_path / "device.key")
    assert not list(tmp_path.iterdir())


def test_a_key_is_synced_and_its_folder_after_it(tmp_path, monkeypatch):
    synced: list[bool] = []
    fsync = os.fsync

    def spy(handle: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", spy)
    keyfile.create(tmp_path / "device.key")
    assert synced == [False, True]


def test_a_link_to_a_key_is_followed(tmp_path):
    private(tmp_path / "real.key", RFC_PEM)
    (tmp_path / "device.key").symlink_to("real.key")
    assert keyfile.read(tmp_path / "device.key").public.raw == RFC_PUBLIC


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o602, 0o777])
def test_a_key_that_others_may_use_is_refused(tmp_path, mode):
    path = private(tmp_path / "a key", RFC_PEM, mode)
    with pytest.raises(KeyStoreError) as fault:
        keyfile.read(path)
    assert f"chmod 600 '{path}'" in str(fault.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"not a key", "no PEM block"),
        (b"\xff\xfe\x00" * 50, "no PEM block"),
        (RFC_PEM[:80], "no PEM block"),
        (RFC_PEM + RFC_PEM, "2 PEM blocks"),
        (RFC_PEM * 100, "longer than 4096 bytes"),
        (RFC_PEM.replace(b"PRIVATE", b"ENCRYPTED PRIVATE"), "'ENCRYPTED PRIVATE KEY'"),
        (RFC_PEM.replace(b"PRIVATE", b"EC PRIVATE"), "'EC PRIVATE KEY'"),
        (RFC_PEM.replace(b"PRIVATE", b"PUBLIC"), "'PUBLIC KEY'"),
        (RFC_PEM.replace(b"dVhC\n", b"dVh\n"), "damaged"),
        (RFC_PEM.replace(b"MC4C", b"MC5C"), "another key than a plain Ed25519"),
        (RFC_PEM.replace(b"K2Vw", b"K2Vu"), "another key than a plain Ed25519"),
        (RFC_LONG_PEM, "another key than a plain Ed25519"),
    ],
)
def test_other_contents_are_refused_by_kind_and_never_quoted(tmp_path, content, says):
    path = private(tmp_path / "device.key", content)
    with pytest.raises(KeyStoreError) as fault:
        keyfile.read(path)
    assert says in str(fault.value)
    assert str(path) in str(fault.value)
    told = "".join(traceback.format_exception(fault.value))
    assert SECRET not in told and "4EdVh" not in told


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "is not there"),
        (lambda path: path.mkdir(), "is a folder"),
        (os.mkfifo, "no regular file"),
        (lambda path: path.symlink_to(path), "cannot be read"),
    ],
)
def test_what_is_no_file_is_named(tmp_path, make, says):
    path = tmp_path / "device.key"
    make(path)
    with pytest.raises(KeyStoreError, match=says) as fault:
        keyfile.read(path)
    assert fault.value.place == str(path)


def test_a_key_prints_as_its_kid_only(tmp_path):
    key = keyfile.read(private(tmp_path / "a.key", RFC_PEM))
    assert repr(key) == f"Ed25519Key({key.public.kid.hex()})"


def test_a_uri_names_a_file_beside_the_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    path = private(tmp_path / "100%25.key", RFC_PEM)
    for uri in ("file:100%25.key", f"file:{path}", f"file://{path}"):
        assert open_signer(uri, tmp_path).public.raw == RFC_PUBLIC


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("device.key", "'file:device.key'"),
        ("", "'file:device.key'"),
        ("fiel:device.key", "did you mean 'file'"),
        ("FILE:device.key", "known: file"),
        ("pkcs11:token=a;object=b", "PKCS#11"),
        ("tpm:0x81000001", "TPM"),
        ("file:", "names no file"),
        ("file:a\0b", "cannot be shown"),
        ("file:a\udcffb", "cannot be shown"),  # as Python has bytes that are no UTF-8
        ("tpm:a\x1b[2Jb", "cannot be shown"),
        ("file:a?passphrase-source=", "something else than passphrase-source=credential:NAME"),
        ("file:a?passphrase-sorce=ask", "something else than passphrase-source=credential:NAME"),
        ("file:a?b?passphrase-source=ask", "something else than passphrase-source="),
        ("file://host/device.key", "another machine"),
        ("file:missing.key", "missing.key: is not there"),
    ],
)
def test_other_uris_are_refused_with_the_mend(tmp_path, uri, says):
    with pytest.raises(KeyStoreError) as fault:
        open_signer(uri, tmp_path)
    assert says in str(fault.value)
    assert str(fault.value).isprintable()
    with pytest.raises(KeyStoreError):
        make(uri, tmp_path / "nowhere")


def test_a_store_is_loaded_when_it_is_asked_for():
    code = "import drivers.keystore.uri, sys; sys.exit('drivers.keystore.file' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=20, check=False).returncode == 0


def test_the_signer_is_one_of_evidence(tmp_path):
    made = keyfile.create(tmp_path / "device.key", lambda size: bytes(range(size)))
    assert made.public == Ed25519Key(bytes(range(32))).public
