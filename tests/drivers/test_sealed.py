"""A key file under a passphrase: opened by it alone, at the price of Argon2id, paid elsewhere."""

import base64
import json
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drivers.keystore import file as keyfile
from drivers.keystore import sealed
from drivers.keystore.secret import Secret
from drivers.keystore.uri import KeyStoreError, PinError, make, open_signer, show
from evidence import cbor
from evidence.key import Ed25519Key, PublicKey

PASSPHRASE, WRONG = "correct horse battery staple", "correct horse battery stable"
SEED, KEY = bytes(range(32)), bytes(range(32, 64))
URI = "file:device.key?passphrase-source=file:passphrase"
MIB = 1024  # of what proc(5) and getrusage(2) count, in KiB


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    say(tmp_path, PASSPHRASE)
    return tmp_path


def say(folder: Path, passphrase: str) -> None:
    path = folder / "passphrase"
    path.write_text(passphrase + "\n")
    path.chmod(0o600)


def body(seed: bytes = SEED, key: bytes = KEY) -> bytes:
    """The base64 of a sealed key, of fixed salt and nonce."""
    text = sealed.seal(seed, key, bytes(sealed.SALT_BYTES), bytes(sealed.NONCE_BYTES))
    return b"".join(text.splitlines()[1:-1])


def stretched(salt: bytes, passes: int, memory_kib: int) -> bytes:
    return KEY


def test_a_sealed_key_is_opened_by_its_passphrase(folder):
    made = make(URI, folder)
    assert stat.S_IMODE((folder / "device.key").stat().st_mode) == 0o600
    key = open_signer(URI, folder)
    assert key.public == made and made.verify(b"frame", key.sign(b"frame"))
    assert show("file:device.key", folder) == made
    with pytest.raises(KeyStoreError, match="never overwritten"):
        make(URI, folder)


def test_what_is_typed_opens_it_too(folder):
    asked: list[str] = []

    def typed(words: str) -> str:
        asked.append(words)
        return PASSPHRASE

    made = make("file:root.key?passphrase-source=ask", folder, typed)
    assert len(asked) == 2  # once more, as nobody sees what is typed
    assert open_signer("file:root.key", folder, typed).public == made
    assert len(asked) == 3 and "root.key" in asked[2]
    with pytest.raises(KeyStoreError, match="nobody can be asked here"):
        open_signer("file:root.key", folder)


def test_two_that_differ_make_nothing(folder):
    answers = iter([PASSPHRASE, WRONG])
    with pytest.raises(KeyStoreError, match="differ; nothing was made"):
        make("file:root.key?passphrase-source=ask", folder, lambda words: next(answers))
    assert not (folder / "root.key").exists()


def right_s(folder: Path, made: PublicKey) -> float:
    """What the right passphrase takes: the less of two, as one may be held up."""
    taken = []
    for _ in range(2):
        begun = time.monotonic()
        assert open_signer(URI, folder).public == made
        taken.append(time.monotonic() - begun)
    return min(taken)


def test_a_wrong_passphrase_gives_no_hint_and_takes_as_long(folder):
    made = make(URI, folder)
    least_s = right_s(folder, made) / 4
    told = []
    for wrong in (WRONG, "x", PASSPHRASE + " "):
        say(folder, wrong)
        begun = time.monotonic()
        with pytest.raises(PinError) as fault:
            open_signer(URI, folder)
        assert time.monotonic() - begun > least_s
        told.append(str(fault.value))
        assert wrong not in told[-1].split()
    assert len(set(told)) == 1
    say(folder, PASSPHRASE)
    path = folder / "device.key"
    lines = path.read_bytes().splitlines()
    data = bytearray(base64.b64decode(b"".join(lines[1:-1])))
    data[-1] ^= 1
    path.write_bytes(b"\n".join([lines[0], base64.b64encode(data), lines[-1]]))
    with pytest.raises(PinError) as fault:
        open_signer(URI, folder)
    assert str(fault.value) == told[0]


def test_the_memory_it_takes_is_never_in_this_program(folder):
    make(URI, folder)
    code = """
import json, pathlib, re, resource, sys
from drivers.keystore.uri import open_signer
open_signer(sys.argv[1], pathlib.Path(sys.argv[2]))
# Of getrusage(2) this program's own is that of the one which started it, if that was larger.
ours = int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
print(json.dumps([ours, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""
    argv = [sys.executable, "-c", code, URI, str(folder)]
    done = subprocess.run(argv, check=True, timeout=30, capture_output=True)
    ours, childs = json.loads(done.stdout)
    assert childs > 64 * MIB > ours


def test_two_seals_of_one_passphrase_have_nothing_in_common(folder):
    make(URI, folder)
    make(URI.replace("device", "other"), folder)
    one, other = (
        sealed.read(b"".join((folder / name).read_bytes().splitlines()[1:-1]))
        for name in ("device.key", "other.key")
    )
    assert one and other
    assert one.salt != other.salt and one.nonce != other.nonce and one.box != other.box


@pytest.mark.parametrize("wrong", ["plain", "sealed"])
def test_a_plain_key_is_not_taken_for_a_sealed_one(folder, wrong):
    """Its bytes lay on the disk in the clear, whatever the configuration says now."""
    if wrong == "plain":
        keyfile.create(folder / "device.key")
        with pytest.raises(KeyStoreError, match="is not sealed"):
            open_signer(URI, folder)
    else:
        make(URI, folder)
        with pytest.raises(KeyStoreError, match="is sealed by a passphrase"):
            keyfile.read(folder / "device.key")


def test_nothing_of_a_key_stands_in_its_file(folder):
    secret = Secret("here", "passphrase", "file:passphrase", folder, None)
    key = keyfile.create(folder / "device.key", lambda size: SEED[:size], secret)
    text = (folder / "device.key").read_bytes()
    data = base64.b64decode(b"".join(text.splitlines()[1:-1]))
    assert key.public.raw in data
    for private in (SEED, PASSPHRASE.encode(), base64.b64encode(SEED)[:40]):
        assert private not in data and private not in text


def test_every_flipped_bit_is_found():
    held = sealed.read(body())
    assert held is not None and sealed.opened(held, stretched) == SEED
    data = base64.b64decode(body())
    for at in range(len(data)):
        bad = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        other = sealed.read(base64.b64encode(bad))
        assert other is None or sealed.opened(other, stretched) is None, at


@pytest.mark.parametrize(
    ("at", "value"),
    [
        *((4, 0), (4, 17), (4, 1 << 40), (5, 1 << 26), (5, (1 << 18) + 1), (5, 1), (3, b"short")),
        *((6, b""), (1, -9), (7, b""), (7, bytes(15)), (7, bytes(47)), (7, bytes(49))),
    ],
)
def test_what_a_file_asks_of_this_machine_is_bounded(at, value):
    fields = list(cbor.decode(base64.b64decode(body())))
    fields[at] = value
    assert sealed.read(base64.b64encode(cbor.encode(fields))) is None


@pytest.mark.parametrize("data", [b"", b"AAAA", b"!", base64.b64encode(b"\x80")])
def test_other_contents_are_no_sealed_key(folder, data):
    assert sealed.read(data) is None
    path = folder / "device.key"
    path.write_bytes(b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (
        sealed.LABEL.encode(), data, sealed.LABEL.encode()
    ))  # fmt: skip
    path.chmod(0o600)
    with pytest.raises(KeyStoreError):
        open_signer(URI, folder)


def test_the_public_key_beside_it_is_the_one_inside():
    other = Ed25519Key(KEY).public
    fields = list(cbor.decode(base64.b64decode(body())))
    fields[2] = other.raw
    held = sealed.read(base64.b64encode(cbor.encode(fields)))
    assert held is not None and sealed.opened(held, stretched) is None
