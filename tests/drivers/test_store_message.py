"""What goes between a signer and its store's program: whatever the bytes, words come out of it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.keystore import message, query, sealed
from drivers.keystore.message import Code, MessageError
from drivers.keystore.process import Process
from drivers.keystore.uri import AwayError, KeyStoreError, open_signer
from evidence import cbor

PLACE = "pkcs11:token=a"


@pytest.mark.parametrize("value", [b"key", [1, b"raw"], None, "words"])
def test_a_reply_comes_as_it_went(value: Any):
    data = message.encode([Code.OK, value])
    assert message.whole(data)
    for end in range(len(data)):
        assert not message.whole(data[:end])
    found = tuple(value) if isinstance(value, list) else value
    assert message.read_reply(data) == (Code.OK, found)


@given(st.binary(max_size=200))
def test_whatever_the_bytes_only_a_message_error_comes_out(data: bytes):
    for read in (message.whole, message.read_reply, message.read_request):
        try:
            read(data)
        except MessageError:
            pass


@pytest.mark.parametrize(
    "value", [[], [0], [9, b""], [1, b"no words"], [-1, ""], [True, ""], "no array", [0, 1, 2]]
)
def test_what_is_no_reply_is_refused(value: Any):
    body = cbor.encode(value)
    with pytest.raises(MessageError):
        message.read_reply(len(body).to_bytes(4, "big") + body)


def test_a_length_beyond_the_limit_is_never_waited_for():
    with pytest.raises(MessageError):
        message.whole((message.BYTES_MAX + 1).to_bytes(4, "big"))


@given(st.binary(max_size=300))
def test_whatever_the_bytes_a_sealed_key_is_one_or_none(data: bytes):
    assert sealed.read(data) is None


@given(st.text(max_size=60))
def test_whatever_is_typed_a_uri_is_refused_in_words(text: str):
    for scheme in ("pkcs11", "tpm"):
        with pytest.raises(KeyStoreError):
            open_signer(f"{scheme}:{text}?x", Path("/nowhere"))
    try:
        found = query.parts(text, ";", ("token",), PLACE)
    except KeyStoreError as fault:
        assert fault.place == PLACE
    else:
        assert found.keys() <= {"token"}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("drivers.keystore.token", "_token"),
        ("drivers.keystore.stretch", "__name__"),
    ],
)
def test_only_what_is_offered_can_be_asked(module: str, name: str):
    with (
        Process(PLACE, module) as process,
        pytest.raises(KeyStoreError, match="offers no") as fault,
    ):
        process.call(name, [], None)
    assert not isinstance(fault.value, AwayError)


def test_the_program_ends_with_its_input():
    argv = [sys.executable, "-I", "-m", "drivers.keystore.child"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_a_library_prints_is_no_answer():
    """Standard output is the error output while a store is asked."""
    with Process(PLACE, "drivers.keystore.stretch", stays=True) as process:
        process.call("stretch", [bytes(16), 1, 8192], b"passphrase")
        child = process._child
        assert child is not None
        one, two = (Path(f"/proc/{child.pid}/fd/{number}").resolve() for number in (1, 2))
        assert one == two
