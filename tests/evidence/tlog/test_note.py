"""Signed notes, checkpoints and cosignatures, against what others wrote.

The key and note of PeterNeumann are those of Go's golang.org/x/mod/sumdb/note tests; the tree of
sum.golang.org is as the Go checksum database signed it; the cosigned checkpoint is of a log of
Google's, cosigned by a witness of Geomys.
"""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.code import ALG_ED25519, ALG_ESP256, Reason
from evidence.key import Ed25519Key, PublicKey
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, cosignature, note
from evidence.tlog.checkpoint import Checkpoint
from evidence.tlog.note import COSIGNATURE, ED25519, Line, Note, Verifier

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETERS_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETERS_LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n"
)
SUM = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMS_NOTE = """go.sum database tree
65209736
5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=

\u2014 sum.golang.org Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/R3cVtYspg3dxXABkGZZKdsQ8=
"""  # noqa: E501
NAVIGLI = (
    "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G"
)
HORSES_NOTE = """coachandhorses2026h1.staging.certificate.transparency.goog
185550722
YXAM0VmnrfvLaBCOOYSJhCaE5F10oGBOo+hkbDa1kng=

\u2014 coachandhorses2026h1.staging.certificate.transparency.goog MpXgsHy8ZwxXnO+WjtVrPxAzL49Rs1gWTkNVNeEa//5peAzaocRCB3qt3EaibjzY5GILLtGgBP7dBhgcSHy+JQh0OAc=
\u2014 witness.navigli.sunlight.geomys.org o+AP4gAAAABqb7DzNrGFRJnQ9vrJ8xpnwZytnr/ZYczDIsvwvouiSjwOjn7a72ccxBk+lKnZ7dKqkYKER1s/KxLTaVwQD7lJZTC/CQ==
"""  # noqa: E501
WIDE = "Peter\u3000N"
LOG, WITNESS = Ed25519Key(b"l" * 32), Ed25519Key(b"w" * 32)
ORIGIN = "log.example/seam"
LOGS_KEY = Verifier(ORIGIN, ED25519, LOG.public)
WITNESS_KEY = Verifier("witness.example/1", COSIGNATURE, WITNESS.public)
TREE = Checkpoint(ORIGIN, 20852163, bytes(range(32)))


def refused(reason: Reason) -> pytest.RaisesExc[EvidenceError]:
    return pytest.raises(EvidenceError, match=f"^{reason.name.lower()}: ")


def test_a_signature_of_the_reference_is_made_byte_for_byte():
    key = note.read_vkey(PETER)
    line = note.sign(PETERS_TEXT, "PeterNeumann", Ed25519Key(PETERS_SEED))
    assert line.text() == PETERS_LINE
    assert key.vkey() == PETER
    signed = note.read(f"{PETERS_TEXT}\n{PETERS_LINE}".encode())
    assert note.signed_by(signed, [key]) == [key]
    assert signed.encode().decode() == f"{PETERS_TEXT}\n{PETERS_LINE}"


def test_the_go_checksum_databases_tree_verifies():
    signed = note.read(SUMS_NOTE.encode())
    assert note.signed_by(signed, [note.read_vkey(SUM)])
    assert checkpoint.read(signed.text).size == 65209736
    other = Note(signed.text.replace("65209736", "65209737"), signed.lines)
    with refused(Reason.SIGNATURE):
        note.signed_by(other, [note.read_vkey(SUM)])


def test_a_cosignature_of_a_public_witness_verifies():
    signed, key = note.read(HORSES_NOTE.encode()), note.read_vkey(NAVIGLI)
    assert cosignature.times(signed, key) == [0x6A6FB0F3]
    line = signed.lines[1]
    later = Line(line.name, line.id, (1 + 0x6A6FB0F3).to_bytes(8, "big") + line.signature[8:])
    with refused(Reason.SIGNATURE):
        cosignature.times(Note(signed.text, (later,)), key)


def test_any_other_spelling_of_a_key_is_refused():
    for start in range(len(PETER)):
        for end in range(start + 1, len(PETER) + (start > 0)):
            with pytest.raises(EvidenceError):
                note.read_vkey(PETER[start:end])
    for at, char in enumerate(PETER):
        with pytest.raises(EvidenceError):
            note.read_vkey(PETER[:at] + chr(ord(char) + 1) + PETER[at + 1 :])


MALFORMED = {
    "no signature": PETERS_TEXT,
    "no empty line": PETERS_TEXT + PETERS_LINE,
    "empty": "",
    "an empty line alone": "\n\n",
    "a line that is none": f"{PETERS_TEXT}\nHi\n",
    "a hyphen": f"{PETERS_TEXT}\n{PETERS_LINE.replace(chr(0x2014), '-')}",
    "no last newline": f"{PETERS_TEXT}\n{PETERS_LINE[:-1]}",
    "two spaces": f"{PETERS_TEXT}\n{PETERS_LINE.replace(' x0', '  x0')}",
    "more behind it": f"{PETERS_TEXT}\n{PETERS_LINE[:-1]} x\n",
    "no base64": f"{PETERS_TEXT}\n\u2014 PeterNeumann *\n",
    "an id alone": f"{PETERS_TEXT}\n\u2014 PeterNeumann x08gow==\n",
    "bits left over": f"{PETERS_TEXT}\n{PETERS_LINE.replace('nAM=', 'nAN=')}",
    "a plus in the name": f"{PETERS_TEXT}\n{PETERS_LINE.replace('PeterN', 'Peter+N')}",
    "a space beyond ASCII": f"{PETERS_TEXT}\n{PETERS_LINE.replace('PeterN', WIDE)}",
    "no name": f"{PETERS_TEXT}\n{PETERS_LINE.replace('PeterNeumann', '')}",
    "a carriage return": f"{PETERS_TEXT}\r\n\n{PETERS_LINE}",
    "a tab": f"a\tb\n\n{PETERS_LINE}",
    "too many": f"{PETERS_TEXT}\n{PETERS_LINE * 65}",
    "too long": f"{'x' * note.NOTE_BYTES_MAX}\n\n{PETERS_LINE}",
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_note_is_refused_by_name(what: str):
    with pytest.raises(EvidenceError) as fault:
        note.read(MALFORMED[what].encode())
    assert fault.value.reason in (Reason.ENCODING, Reason.SHAPE, Reason.TOO_LONG)


def test_bytes_that_are_no_text_are_refused():
    with refused(Reason.ENCODING):
        note.read(b"a\xff\n\n" + PETERS_LINE.encode())


def test_unknown_signatures_are_ignored_and_known_ones_must_hold():
    signed = checkpoint.sign(TREE, LOG)
    large = Line("pq.example", b"pqpq", bytes(3309))  # as long as one of ML-DSA
    mine = Line(ORIGIN, b"othr", bytes(64))  # of a key with this name and another id
    assert note.signed_by(signed.with_lines([large, mine]), [LOGS_KEY]) == [LOGS_KEY]
    sixteen = signed.with_lines(Line(f"pq{n}.example", b"pqpq", bytes(4900)) for n in range(15))
    assert note.read(sixteen.encode()) == sixteen
    forged = Note(signed.text, (Line(ORIGIN, LOGS_KEY.id, bytes(64)), *signed.lines))
    with refused(Reason.SIGNATURE):
        note.signed_by(forged, [LOGS_KEY])
    with refused(Reason.SIGNATURE):
        checkpoint.check(Note(signed.text, (large,)).encode(), [LOGS_KEY])


def test_a_checkpoint_is_believed_from_the_key_of_its_origin_alone():
    signed, says = checkpoint.check(checkpoint.sign(TREE, LOG).encode(), [LOGS_KEY])
    assert says == TREE and signed.text.startswith(f"{ORIGIN}\n20852163\n")
    other = Verifier("log.example/other", ED25519, WITNESS.public)
    borrowed = Note(TREE.text(), (note.sign(TREE.text(), other.name, WITNESS),))
    with refused(Reason.SIGNATURE):
        checkpoint.check(borrowed.encode(), [LOGS_KEY, other])


NO_CHECKPOINT = {
    "two lines": "a\n1\n",
    "an empty line": f"a\n1\n{'A' * 43}=\n\n",
    "an empty origin": f"\n1\n{'A' * 43}=\n",
    "a sign": f"a\n+1\n{'A' * 43}=\n",
    "a leading zero": f"a\n01\n{'A' * 43}=\n",
    "no digit of ASCII": f"a\n\u0661\n{'A' * 43}=\n",
    "a space": f"a\n 1\n{'A' * 43}=\n",
    "beyond 63 bits": f"a\n{1 << 63}\n{'A' * 43}=\n",
    "a thousand digits": f"a\n{'9' * 5000}\n{'A' * 43}=\n",
    "a short root": "a\n1\nAAAA\n",
    "a root with bits left over": f"a\n1\n{'A' * 42}B=\n",
    "no newline": f"a\n1\n{'A' * 43}=",
    "a long origin": f"{'a' * 256}\n1\n{'A' * 43}=\n",
    "many extensions": f"a\n1\n{'A' * 43}=\n" + "x\n" * 17,
}


@pytest.mark.parametrize("what", NO_CHECKPOINT)
def test_what_is_no_checkpoint_is_refused_by_name(what: str):
    with pytest.raises(EvidenceError):
        checkpoint.read(NO_CHECKPOINT[what])


def test_a_checkpoint_that_could_not_be_read_back_is_not_written():
    for broken in (
        Checkpoint("", 1, bytes(32)),
        Checkpoint("a\nb", 1, bytes(32)),
        Checkpoint("a", -1, bytes(32)),
        Checkpoint("a", 1, bytes(31)),
        Checkpoint("a", 1, bytes(32), ("",)),
        Checkpoint("a\ud800", 1, bytes(32)),
    ):
        with pytest.raises(EvidenceError):
            broken.text()


def test_neither_a_log_nor_a_cosigner_can_sign_for_the_other():
    text = TREE.text()
    plain = note.sign(text, WITNESS_KEY.name, WITNESS)
    with refused(Reason.SIGNATURE):
        cosignature.times(
            Note(text, (Line(plain.name, WITNESS_KEY.id, plain.signature),)), WITNESS_KEY
        )
    # A text that begins as a cosigned message does is no checkpoint.
    with pytest.raises(EvidenceError):
        checkpoint.read(cosignature.message(text, 1679315147).decode())
    with refused(Reason.ALG):
        note.signed_by(Note(text, (plain,)), [WITNESS_KEY])
    with refused(Reason.ALG):
        cosignature.times(Note(text, (plain,)), LOGS_KEY)
    with refused(Reason.ALG):
        Verifier("a", ED25519, PublicKey(ALG_ESP256, bytes(64)))
    assert Verifier("a", COSIGNATURE, LOG.public).id != Verifier("a", ED25519, LOG.public).id


def test_a_time_that_no_cosignature_has_is_refused():
    text = TREE.text()
    with refused(Reason.SHAPE):
        cosignature.sign(text, "w", WITNESS, 1 << 63)
    line = cosignature.sign(text, WITNESS_KEY.name, WITNESS, 7)
    for broken in (line.signature[:-1], line.signature + b"\0", b"\xff" + line.signature[1:]):
        with refused(Reason.SIGNATURE):
            cosignature.times(Note(text, (Line(line.name, line.id, broken),)), WITNESS_KEY)
    again = cosignature.sign(text, WITNESS_KEY.name, WITNESS, 5)
    assert cosignature.times(Note(text, (line, again)), WITNESS_KEY) == [5, 7]


names = st.text(string.ascii_letters + "./-\u00e4\u4e16", min_size=1, max_size=20)
texts = st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])), min_size=1)


@given(
    texts, st.lists(st.tuples(names, st.binary(min_size=5, max_size=80)), min_size=1, max_size=5)
)
def test_what_is_written_is_read_back(rows: list[str], lines: list[tuple[str, bytes]]):
    wrote = Note(
        "".join(f"{row}\n" for row in rows),
        tuple(Line(name, raw[:4], raw[4:]) for name, raw in lines),
    )
    assert note.read(wrote.encode()) == wrote


@given(st.integers(0, (1 << 63) - 1), st.binary(min_size=32, max_size=32), names)
def test_a_checkpoint_is_read_back(size: int, root: bytes, origin: str):
    tree = Checkpoint(origin, size, root, ("more",))
    assert checkpoint.read(tree.text()) == tree


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise_anything_else(data: bytes):
    for whole in (data, PETERS_TEXT.encode() + data, f"a\n1\n{'A' * 43}=\n\n".encode() + data):
        try:
            checkpoint.check(whole, [LOGS_KEY])
        except EvidenceError:
            continue
        raise AssertionError(whole)


@given(st.data())
def test_a_changed_byte_never_passes(data: st.DataObject):
    encoded = bytearray(checkpoint.sign(TREE, LOG).encode())
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EvidenceError):
        checkpoint.check(bytes(encoded), [LOGS_KEY])


def test_only_ed25519_keys_are_written():
    assert PublicKey(ALG_ED25519, LOG.public.raw) == note.read_vkey(LOGS_KEY.vkey()).key
    mldsa = base64.b64encode(b"\x06" + bytes(1312)).decode()
    with refused(Reason.ALG):
        note.read_vkey(f"pq.example+00000000+{mldsa}")
