"""The format's two definitions agree: the vectors, and the code."""

import json
import runpy
import subprocess

import pytest

from evidence import batch, cbor, cose, head, merkle, observation, run
from evidence.code import ALG_ED25519, ALG_ESP256, Typ
from evidence.key import Ed25519Key, PublicKey
from evidence.refusal import EvidenceError
from tests.evidence import vector


def made(python):
    """The vectors as the script makes them now."""
    module = runpy.run_path(str(vector.FOLDER / "make.py"))
    return {name: module["text"](found) for name, found in module["vectors"](python).items()}


def test_the_script_gives_these_files():
    for name, text in made(None).items():
        assert (vector.FOLDER / f"{name}.json").read_text() == text, name


def test_the_script_gives_these_files_and_no_other(oracle):
    texts = made(str(oracle))
    assert texts.keys() == set(vector.NAMES)
    for name, text in texts.items():
        assert (vector.FOLDER / f"{name}.json").read_text() == text, name


@pytest.mark.parametrize("name", vector.SIGNED)
def test_each_vector_says_its_fields(name):
    value = vector.accept(name, vector.raw(name, "encoded"))
    assert vector.plain(value) == vector.load(name)["fields"]


@pytest.mark.parametrize("name", vector.SIGNED)
def test_each_vector_has_its_parts(name):
    message = cose.read(vector.raw(name, "encoded"))
    assert message.protected == vector.raw(name, "protected")
    assert message.payload == vector.raw(name, "payload")
    assert message.signature == vector.raw(name, "signature")
    assert message.typ == vector.load(name)["typ"]
    assert (message.alg, message.kid) == (vector.key_of(name).alg, vector.key_of(name).kid)


def test_what_is_told_of_arrival_by_lengths_alone_is_what_each_observation_says():
    whole = b"".join(vector.raw(name, "encoded") for name in vector.OBSERVATIONS)
    read = [observation.read_sample(vector.raw(name, "payload")) for name in vector.OBSERVATIONS]
    told = [(sample.tai, sample.heard, sample.heard_bound) for sample in read]
    assert list(observation.arrivals(whole)) == told
    assert list(observation.instants(whole)) == [sample.tai for sample in read]


@pytest.mark.parametrize("name", vector.STATEMENTS)
def test_each_statement_is_written_as_it_was_read(name):
    value = vector.accept(name, vector.raw(name, "encoded"))
    assert value.payload() == vector.raw(name, "payload")


@pytest.mark.parametrize("name", vector.OBSERVATIONS)
def test_each_observation_is_sealed_to_the_same_bytes(name):
    sample = observation.read_sample(vector.raw(name, "payload"))
    binding = observation.Binding(vector.key_of(name).kid, vector.raw(name, "descriptor"))
    signed = []

    def sign(message):
        signed.append(message)
        return vector.raw(name, "signature")

    encoded = vector.raw(name, "encoded")
    assert observation.seal(binding, sample, sign) == encoded
    assert vector.key_of(name).verify(signed[0], vector.raw(name, "signature"))
    assert observation.read_at(b"-" + encoded, 1)[0::2] == (sample, 1 + len(encoded))


def test_a_statement_is_signed_to_the_same_bytes():
    """With a key of known seed: what the vectors' script signs, evidence signs."""
    key = Ed25519Key(bytes(range(32)))
    encoded = cose.sign(Typ.REFUSAL, vector.raw("refusal", "payload"), key)
    message = cose.read_statement(encoded, Typ.REFUSAL)
    cose.check(message, key.public)
    protected = cbor.encode({1: ALG_ED25519, 4: key.public.kid, 16: 65306})
    signed = cbor.encode(["Signature1", protected, b"", message.payload])
    assert message.signature == key.sign(signed)
    assert encoded[1:] == cbor.encode([protected, {}, message.payload, message.signature])


@pytest.mark.parametrize("name", ["run_ed25519", "run_continues", "run_esp256"])
def test_a_run_key_serves_its_device_only(name):
    found = run.read(vector.raw(name, "payload"))
    device = vector.key_of(name)
    found.check_possession(device)
    other = "run_ed25519" if device.alg == ALG_ESP256 else "run_esp256"
    with pytest.raises(EvidenceError, match="possession"):
        found.check_possession(vector.key_of(other))


@pytest.mark.parametrize("name", ["receipt", "receipt_classed"])
def test_a_receipt_is_for_its_entry(name):
    receipt = vector.accept(name, vector.raw(name, "encoded"))
    entry = vector.raw(name, "entry")
    receipt.check(entry, head.batch_id(entry))
    with pytest.raises(EvidenceError, match="inclusion"):
        receipt.check(entry + b"\x00", head.batch_id(entry))
    with pytest.raises(EvidenceError, match="other_subject"):
        receipt.check(entry, head.batch_id(entry + b"\x00"))


@pytest.mark.parametrize("name", vector.BATCHES)
def test_a_batch_is_its_head_and_its_observations(name):
    found = vector.load(name)
    encoded = vector.raw(name, "encoded")
    spans = vector.accept(name, encoded)
    assert batch.read(encoded).id.hex() == found["id"]
    leaves = [leaf for span in spans for leaf in span.leaves]
    links = [bytes.fromhex(item) for item in found["observations"]]
    assert leaves == [merkle.leaf_hash(link) for link in links]
    assert spans[-1].end == sum(map(len, links))


def test_disclosures_belong_to_their_hashes():
    found = vector.load("disclosure")
    wanted = {
        bytes.fromhex(item["digest"]): bytes.fromhex(item["value"]) for item in found["fields"]
    }
    assert vector.accept_disclosure(vector.raw("disclosure", "encoded"), [*wanted]) == wanted
    with pytest.raises(EvidenceError, match="no hash of its statement"):
        vector.accept_disclosure(vector.raw("disclosure", "encoded"), [*wanted][1:])


def test_an_observation_stays_within_the_bytes_that_it_may_cost():
    """At most 165 beyond the frame, with seq, bound and heard below 2^32."""
    for name in ("observation_typical", "observation_seq_4294967295", "observation_long"):
        frame = bytes.fromhex(vector.load(name)["fields"]["raw"])
        assert len(vector.raw(name, "encoded")) - len(frame) <= 165, name


def asked(oracle, questions):
    """The answers of the independent libraries."""
    here = vector.FOLDER.parent.parent / "evidence" / "oracle.py"
    text = json.dumps(questions)
    done = subprocess.run(
        [oracle, here], input=text, capture_output=True, text=True, timeout=50, check=True
    )
    return json.loads(done.stdout)


def question(name, **changed):
    found = vector.load(name)
    parts = {field: found[field] for field in ("key", "aad", "encoded")}
    return {"do": "verify", **parts, **changed}


def test_an_independent_library_accepts_each_vector(oracle):
    answers = asked(oracle, [question(name) for name in vector.SIGNED])
    for name, answer in zip(vector.SIGNED, answers, strict=True):
        assert answer == [vector.load(name)["payload"], vector.load(name)["typ"]], name


def test_an_independent_library_refuses_other_keys_and_other_aad(oracle):
    other = {alg: vector.load(name)["key"] for alg, name in ((-19, "refusal"), (-9, "run_esp256"))}
    questions = []
    for name in vector.SIGNED:
        key = vector.load(name)["key"]
        raw = bytes.fromhex(key["raw"])
        wrong = other[-19] if key != other[-19] else vector.load("run_ed25519")["key"]
        if key["alg"] == -9:
            wrong = {"alg": -9, "raw": (raw[:32] + (vector.p256_negative(raw[32:]))).hex()}
        questions.append(question(name, key=wrong))
        questions.append(question(name, aad=vector.load(name)["aad"] + "00"))
        if name in vector.OBSERVATIONS:
            questions.append(question(name, aad=""))
    accepted = [
        item for item, answer in zip(questions, asked(oracle, questions), strict=True) if answer[0]
    ]
    assert not accepted


@pytest.mark.parametrize("name", ["observation_typical", "run_esp256", "refusal"])
def test_an_independent_library_refuses_each_flipped_bit(oracle, name):
    encoded = vector.raw(name, "encoded")
    flips = [
        bytes(flipped)
        for at in range(len(encoded) * 8)
        for flipped in [bytearray(encoded)]
        if not flipped.__setitem__(at // 8, flipped[at // 8] ^ (1 << at % 8))
    ]
    questions = [question(name, encoded=flipped.hex()) for flipped in flips]
    answers = asked(oracle, questions)
    accepted = [at for at, answer in enumerate(answers) if answer[0] is not None]
    assert not accepted


def test_keys_of_no_known_algorithm_are_refused():
    for alg, size in ((-8, 32), (-7, 64), (ALG_ED25519, 64), (ALG_ESP256, 32)):
        with pytest.raises(EvidenceError, match="alg"):
            PublicKey(alg, bytes(size))
