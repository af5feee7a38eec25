"""What a log sends to a witness: the example of C2SP tlog-witness, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.refusal import EvidenceError
from evidence.tlog import submission
from evidence.tlog.submission import Submission

HASHES = """PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=
"""
NOTE = "a note of whatever kind\n\n\u2014 x AAAAAAA=\n"


def test_the_example_of_the_text_is_read_and_written():
    body = f"old 20852014\n{HASHES}\n{NOTE}".encode()
    read = submission.read(body)
    assert (read.old, len(read.proof), read.note.decode()) == (20852014, 4, NOTE)
    assert read.encode() == body


NO_SUBMISSION = {
    "nothing": "",
    "no old": f"\n\n{NOTE}",
    "another word": f"new 1\n\n{NOTE}",
    "two spaces": f"old  1\n\n{NOTE}",
    "a leading zero": f"old 01\n\n{NOTE}",
    "a sign": f"old -1\n\n{NOTE}",
    "beyond 63 bits": f"old {1 << 63}\n\n{NOTE}",
    "no empty line": "old 1\n",
    "a hash that is none": f"old 1\nAAAA\n\n{NOTE}",
    "a hash in other words": f"old 1\n{'-' * 43}=\n\n{NOTE}",
    "64 hashes": f"old 1\n{HASHES * 16}\n{NOTE}",
    "too long": f"old 1\n\n{'x' * submission.BODY_BYTES_MAX}",
}


@pytest.mark.parametrize("what", NO_SUBMISSION)
def test_what_is_no_submission_is_refused_by_name(what: str):
    with pytest.raises(EvidenceError):
        submission.read(NO_SUBMISSION[what].encode())


def test_a_size_has_one_spelling():
    assert submission.read_size(b"0\n") == 0
    assert submission.read_size(submission.size_body(20852163)) == 20852163
    for broken in (b"", b"\n", b"50", b"050\n", b"5\n\n", b"-1\n", b"5 \n", b"\xff\n", b"9" * 99):
        with pytest.raises(EvidenceError):
            submission.read_size(broken)


@given(st.integers(0, (1 << 63) - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_what_is_written_is_read_back(old: int, proof: list[bytes]):
    wrote = Submission(old, tuple(proof), NOTE.encode())
    assert submission.read(wrote.encode()) == wrote


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise_anything_else(data: bytes):
    for whole in (data, b"old 1\n" + data):
        try:
            submission.read(whole)
        except EvidenceError:
            pass
