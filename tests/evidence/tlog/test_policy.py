"""Witness policies: the text of C2SP tlog-policy, what satisfies one, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.code import Reason
from evidence.key import Ed25519Key
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, cosignature, policy
from evidence.tlog.checkpoint import Checkpoint
from evidence.tlog.note import COSIGNATURE, ED25519, Note, Verifier

LOG = Ed25519Key(b"l" * 32)
KEYS = {name: Ed25519Key(name.encode() * 16) for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")}
NAMES = {name: f"witness.example/{name}" for name in KEYS}
VKEYS = {name: Verifier(NAMES[name], COSIGNATURE, key.public).vkey() for name, key in KEYS.items()}
ORIGIN = "log.example/seam"
LOGS_KEY = Verifier(ORIGIN, ED25519, LOG.public)
SIGNED = checkpoint.sign(Checkpoint(ORIGIN, 7, bytes(32)), LOG)
# The example of tlog-policy, with keys.
EXAMPLE = f"""log {LOGS_KEY.vkey()}

witness X1 {VKEYS["X1"]}
witness X2 {VKEYS["X2"]} https://x2.example/prefix
witness X3 {VKEYS["X3"]}
group X-witnesses 2 X1 X2 X3

\twitness  Y1 \t{VKEYS["Y1"]}
witness Y2 {VKEYS["Y2"]}
witness Y3 {VKEYS["Y3"]}
  # any of the others
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def cosigned(names: set[str], at: int = 1679315147) -> Note:
    return SIGNED.with_lines(
        cosignature.sign(SIGNED.text, NAMES[name], KEYS[name], at) for name in sorted(names)
    )


def test_the_example_of_the_text_is_read_whole():
    read = policy.read(EXAMPLE.encode())
    assert [holder.key for holder in read.logs] == [LOGS_KEY]
    assert list(read.witnesses) == list(KEYS)
    assert read.witnesses["X2"].url == "https://x2.example/prefix"
    assert read.groups["X-witnesses"] == policy.Group(2, ("X1", "X2", "X3"))
    assert read.groups["X-and-Y"].least == 2
    assert read.quorum == "X-and-Y"


@given(st.sets(st.sampled_from(sorted(KEYS))))
def test_the_quorum_is_what_the_example_says(names: set[str]):
    enough = len(names & {"X1", "X2", "X3"}) >= 2 and bool(names & {"Y1", "Y2", "Y3"})
    read = policy.read(EXAMPLE.encode())
    data = cosigned(names).encode()
    if enough:
        assert set(policy.check(read, data).witnessed) == names
    else:
        with pytest.raises(EvidenceError) as fault:
            policy.check(read, data)
        assert fault.value.reason == Reason.WITNESS


def test_the_last_time_of_a_witness_is_told():
    twice = cosigned({"X1"}, 5).with_lines(cosigned({"X1"}, 9).lines)
    read = policy.read(f"log {LOGS_KEY.vkey()}\nwitness w {VKEYS['X1']}\nquorum w\n".encode())
    assert policy.check(read, twice.encode()).witnessed == {"w": 9}


def test_a_log_may_be_known_from_elsewhere():
    read = policy.read(b"quorum none\n")
    assert policy.check(read, SIGNED.encode(), [LOGS_KEY]).checkpoint.size == 7
    with pytest.raises(EvidenceError):
        policy.check(read, SIGNED.encode())


def test_no_log_is_its_own_witness():
    own = Verifier("witness.example/own", COSIGNATURE, LOG.public).vkey()
    with pytest.raises(EvidenceError, match=r"witness: line 2 .*distinct"):
        policy.read(f"log {LOGS_KEY.vkey()}\nwitness w {own}\nquorum w\n".encode())
    read = policy.read(f"witness w {own}\nquorum w\n".encode())
    with pytest.raises(EvidenceError, match="one key of a log and a witness"):
        policy.check(read, SIGNED.encode(), [LOGS_KEY])


def test_a_cosignature_that_does_not_hold_refuses_the_note():
    broken = Note(SIGNED.text, (*SIGNED.lines, cosigned({"X1"}).lines[1]))
    moved = Note(SIGNED.text.replace("7", "8", 1), broken.lines)
    with pytest.raises(EvidenceError):
        policy.check(policy.read(EXAMPLE.encode()), moved.encode())


X1, X2 = VKEYS["X1"], VKEYS["X2"]
NO_POLICY = {
    "no quorum": f"witness a {X1}\n",
    "two quorums": "quorum none\nquorum none\n",
    "a quorum of nobody": "quorum a\n",
    "a quorum before it is defined": f"quorum a\nwitness a {X1}\n",
    "an unknown line": "log-url x\nquorum none\n",
    "a witness without a key": "witness a\nquorum none\n",
    "more than a URL": f"witness a {X1} http://a x\nquorum none\n",
    "a log's key for a witness": f"witness a {LOGS_KEY.vkey()}\nquorum none\n",
    "a witness's key for a log": f"log {X1}\nquorum none\n",
    "a broken key": f"log {X1[:-1]}\nquorum none\n",
    "two logs of one key": f"log {LOGS_KEY.vkey()}\nlog {LOGS_KEY.vkey()}\nquorum none\n",
    "two witnesses of one key": f"witness a {X1}\nwitness b {X1}\nquorum none\n",
    "two witnesses of one name": f"witness a {X1}\nwitness a {X2}\nquorum none\n",
    "a group of a witness's name": f"witness a {X1}\ngroup a any a\nquorum none\n",
    "a witness of the name none": f"witness none {X1}\nquorum none\n",
    "a group of none": "group g any none\nquorum none\n",
    "a group of nobody": "group g any\nquorum none\n",
    "a member twice": f"witness a {X1}\ngroup g 1 a a\nquorum none\n",
    "a member of two groups": f"witness a {X1}\ngroup g any a\ngroup h any a\nquorum none\n",
    "a group in itself": "group g any g\nquorum none\n",
    "none of its members": f"witness a {X1}\ngroup g 0 a\nquorum none\n",
    "more than its members": f"witness a {X1}\ngroup g 2 a\nquorum none\n",
    "a threshold that is no decimal": f"witness a {X1}\ngroup g 01 a\nquorum none\n",
    "a control character": "quorum none\r\n",
    "a delete": "# \x7f\nquorum none\n",
    "too long": "#" * (policy.POLICY_BYTES_MAX + 1),
}


@pytest.mark.parametrize("what", NO_POLICY)
def test_what_is_no_policy_is_refused_by_name(what: str):
    with pytest.raises(EvidenceError):
        policy.read(NO_POLICY[what].encode())


def test_names_are_octets():
    kelvin = f"witness K {X1}\nwitness \u212a {X2}\ngroup g\xff all K \u212a\nquorum g\xff\n"
    read = policy.read(kelvin.encode("utf-8"))
    assert len(read.witnesses) == 2
    raw = b"witness \xfe " + X1.encode() + b"\nquorum \xfe"
    with pytest.raises(EvidenceError, match="xfe is not reached"):
        policy.check(policy.read(raw), SIGNED.encode(), [LOGS_KEY])


def test_as_many_as_must_be_supported():
    rows = []
    for at in range(32):
        raw = Ed25519Key(bytes([at]) * 32).public
        rows.append(f"log {Verifier(f'l{at}', ED25519, raw).vkey()}")
        other = Ed25519Key(bytes([at + 100]) * 32).public
        rows.append(f"witness w{at} {Verifier(f'w{at}', COSIGNATURE, other).vkey()}")
        rows.append(f"group g{at} all w{at}" + (f" g{at - 1}" if at else ""))
    read = policy.read("\n".join([*rows, "quorum g31"]).encode())
    assert read.satisfied({f"w{at}" for at in range(32)})
    assert not read.satisfied({f"w{at}" for at in range(1, 32)})


@given(st.binary(max_size=100))
def test_no_bytes_at_all_raise_anything_else(data: bytes):
    for whole in (data, EXAMPLE.encode() + data, b"group g any " + data):
        try:
            policy.read(whole)
        except EvidenceError as fault:
            assert fault.text.encode()  # it can be printed
