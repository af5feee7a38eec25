"""A request meets an authority: answered once, renewed, handed over, or refused by name."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from evidence import anchor, cose, disclosure, rotation
from evidence.book import Issued, Revoked
from evidence.code import Revocation, Typ
from evidence.key import Ed25519Key
from provisioning.authority import folder, request
from provisioning.authority.invitation import Invitation
from provisioning.authority.refusal import RefusedError
from provisioning.authority.request import Terms
from provisioning.authority.standing import Register
from provisioning.cli import main
from provisioning.enrol import parcel
from provisioning.source import RequestError
from tests.provisioning.authority.desk import (
    NOW_S,
    OTHER_BUS,
    PLAN,
    Asker,
    Desk,
    answer_in,
    desk,
    tai,
)

DAY_S = 86_400


@pytest.fixture
def at(tmp_path: Path) -> Desk:
    return desk(tmp_path / "utility")


def refusal(at: Desk, data: bytes, now_s: int = NOW_S, terms: Terms | None = None) -> RefusedError:
    """Why it is not answered; and nothing of the folder has changed."""
    before = {path.name: path.read_bytes() for path in at.place.iterdir()}
    with pytest.raises(RefusedError) as fault:
        at.answer(data, now_s, terms=terms)
    assert {path.name: path.read_bytes() for path in at.place.iterdir()} == before
    return fault.value


def test_a_first_request_is_answered_and_stands_in_the_book(at: Desk) -> None:
    gateway = Asker()
    data = gateway.file()
    row = at.answer(data, days=30)
    found, says = answer_in(parcel.pack(row.answer or b""))
    asked = request.read(data)
    assert found.request == asked.name
    cose.check(cose.read(row.answer or b""), at.root.public)
    anchors = anchor.read(found.anchors.decode(), "anchors.toml")
    assert anchor.vouched(cose.read(found.credential), anchors.authorities) == says
    assert (says.issuer, says.subject, says.key) == ("Utility A", "gw-7", gateway.key.public)
    assert (says.expires_s, says.rotation, says.role) == (NOW_S + 30 * DAY_S, None, "gateway")
    assert disclosure.match(found.pairs, says.digests)[says.site] == b"Oklaunion"
    assert found.url == "https://record.example" and not found.certificates
    entry = at.read().book.lines[-1].entry
    assert entry.what == Issued(row.name, None, asked.name)


def test_the_same_request_again_gets_the_same_answer_and_no_second_credential(at: Desk) -> None:
    data = Asker().file()
    first = at.answer(data)
    book = (at.place / "book.cbor").read_bytes()
    again = at.answer(data, NOW_S + DAY_S // 2, days=7)
    assert again.answer == first.answer
    assert (at.place / "book.cbor").read_bytes() == book


def test_but_not_when_its_credential_is_no_longer_in_force(at: Desk) -> None:
    gateway = Asker()
    data = gateway.file()
    first = at.answer(data, days=30)
    assert refusal(at, data, NOW_S + 31 * DAY_S).reason == "request_answered"
    at.answer(gateway.file(NOW_S + 10), NOW_S + 10)
    fault = refusal(at, data, NOW_S + 20)
    assert fault.reason == "request_answered" and "renewed" in fault.text
    revoke(at, first.says.key.fingerprint)
    assert refusal(at, data, NOW_S + 30).reason == "credential_revoked"


def test_a_key_that_asks_again_renews_its_own(at: Desk) -> None:
    gateway = Asker()
    first = at.answer(gateway.file())
    plan = PLAN + f'[[bus]]\nname = "South"\nmrid = "{OTHER_BUS}"\n'
    gateway.plan = plan
    second = at.answer(gateway.file(NOW_S + 60, credential=first.name), NOW_S + 60)
    assert second.before == first.name and len(second.says.buses) == 2
    assert second.says.key == first.says.key
    states = [one.state for one in Register(at.read(), NOW_S + 60).all()]
    assert states == ["renewed", "live"]


def test_a_key_hands_over_to_the_next(at: Desk) -> None:
    gateway = Asker()
    first = at.answer(gateway.file())
    new, data = gateway.rotated(2, first.name)
    second = at.answer(data)
    name = cose.read(request.read(data).says.rotation or b"").name
    assert (second.says.rotation, second.before) == (name, first.name)
    assert second.says.key == new.key.public
    # What follows of the new key is still the same device's.
    third = at.answer(new.file(NOW_S + 60), NOW_S + 60)
    assert (third.says.rotation, third.before) == (name, second.name)
    states = [one.state for one in Register(at.read(), NOW_S + 60).all()]
    assert states == ["handed over", "renewed", "live"]
    # The old key asks in vain.
    assert refusal(at, gateway.file(NOW_S + 70), NOW_S + 70).reason == "handed_over"
    _, twice = gateway.rotated(3, first.name)
    assert refusal(at, twice).reason == "handed_over"


def test_an_old_key_that_did_not_sign_hands_nothing_over(at: Desk) -> None:
    gateway = Asker()
    first = at.answer(gateway.file())
    thief = Asker(seed=9)
    over = rotation.rotation(first.name, thief.key, tai())
    signed = cose.sign(Typ.ROTATION, over.payload(), thief.key)  # by itself
    data = thief.file(credential=first.name, rotation=signed)
    assert refusal(at, data).reason == "rotation_not_granted"
    stranger = Asker("gw-8", seed=4)
    other = at.answer(stranger.file())
    _, data = Asker("gw-7", 1).rotated(9, other.name)
    assert refusal(at, data).reason == "other_subject"
    _, data = gateway.rotated(9, bytes(32))
    assert refusal(at, data).reason == "unknown_name"


def test_a_revoked_key_gets_nothing_and_hands_nothing_over(at: Desk) -> None:
    gateway = Asker()
    first = at.answer(gateway.file())
    revoke(at, first.says.key.fingerprint)
    assert refusal(at, gateway.file(NOW_S + 5), NOW_S + 5).reason == "credential_revoked"
    _, data = gateway.rotated(2, first.name)
    assert refusal(at, data).reason == "credential_revoked"


def test_another_key_of_a_gateway_needs_a_word(at: Desk) -> None:
    first = at.answer(Asker().file())
    other = Asker(seed=2)
    fault = refusal(at, other.file())
    assert fault.reason == "other_live_key" and first.says.key.fingerprint in fault.text
    in_place = other.file(credential=first.name)
    assert refusal(at, in_place).reason == "rotation_not_granted"
    row = at.answer(in_place, terms=Terms(replace=True))
    assert (row.before, row.says.rotation) == (None, None)
    assert len(Register(at.read(), NOW_S).live("gw-7")) == 2  # until the other is revoked
    revoke(at, first.says.key.fingerprint)
    assert [one.says.key for one in Register(at.read(), NOW_S).live("gw-7")] == [other.key.public]


def test_the_root_key_gets_no_credential(at: Desk) -> None:
    class Root(Asker):
        @property
        def key(self) -> Ed25519Key:
            return at.root

    assert refusal(at, Root().file()).reason == "key"


def test_a_key_is_one_gateways(at: Desk) -> None:
    at.answer(Asker().file())
    assert refusal(at, Asker("gw-8").file()).reason == "other_subject"


def test_a_challenge_is_used_once_and_an_older_request_comes_too_late(at: Desk) -> None:
    gateway = Asker()
    held = gateway.file(NOW_S - 600)  # kept by somebody, to be brought later
    at.answer(gateway.file(challenge=b"c" * 16))
    data = gateway.file(NOW_S + 1, challenge=b"c" * 16)
    assert refusal(at, data).reason == "challenge_used"
    assert refusal(at, held).reason == "request_old"


@pytest.mark.parametrize("off_s", [-2 * DAY_S, 2 * DAY_S])
def test_a_clock_that_is_a_day_off_is_refused_unless_it_is_known(at: Desk, off_s: int) -> None:
    gateway = Asker()
    data = gateway.file(NOW_S + off_s)
    fault = refusal(at, data)
    assert fault.reason == "clock" and "--clock-ok" in fault.text
    assert at.answer(data, terms=Terms(clock_ok=True)).says.subject == "gw-7"


def test_a_clock_that_was_years_ahead_does_not_keep_its_key_out(at: Desk) -> None:
    known = Terms(clock_ok=True)
    at.answer(Asker().file(NOW_S + 3650 * DAY_S), terms=known)
    data = Asker().file(NOW_S + 60)
    told = refusal(at, data, NOW_S + 60)
    assert told.reason == "request_old" and "--clock-ok" in told.text
    at.answer(data, NOW_S + 60, terms=known)
    later = Asker().file(NOW_S + 30)  # where no clock was ahead, the word lets nothing old in
    assert refusal(at, later, NOW_S + 90, known).reason == "request_old"


def test_a_clock_that_is_minutes_off_is_said(at: Desk) -> None:
    asked = request.read(Asker().file(NOW_S - 600))
    weighed = request.weighed(at.read(), asked, Terms(), tai())
    assert weighed.remarks == ["by its clock it was made 10 min before this machine's time."]


def test_a_clock_that_was_never_set_is_refused_by_name(at: Desk) -> None:
    assert refusal(at, Asker().file(86_400)).reason == "clock_unset"
    with pytest.raises(RefusedError, match="clock_unset: the clock of this machine"):
        at.answer(Asker().file(), 86_400)


def test_a_rotation_keeps_the_role(tmp_path: Path) -> None:
    """Neither record nor gateway would take another: it would stand in the book for nothing."""
    at = desk(tmp_path / "both", roles=("gateway", "bench"))
    first = at.answer(Asker().file())
    new, _ = Asker().rotated(3, first.name, NOW_S + 1)
    over = cose.sign(
        Typ.ROTATION,
        rotation.rotation(first.name, new.key, tai(NOW_S + 1)).payload(),
        Asker().key,
    )
    asked = {"credential": first.name, "rotation": over}
    data = new.file(NOW_S + 1, role="bench", **asked)
    assert refusal(at, data, NOW_S + 1).reason == "rotation_not_granted"
    at.answer(new.file(NOW_S + 2, **asked), NOW_S + 2)
    data = new.file(NOW_S + 3, role="bench")
    assert refusal(at, data, NOW_S + 3).reason == "rotation_not_granted"


def test_another_role_of_a_key_is_said(tmp_path: Path) -> None:
    at = desk(tmp_path / "both", roles=("gateway", "bench"))
    at.answer(Asker().file(role="bench"))
    asked = request.read(Asker().file(NOW_S + 1))
    remarks = request.weighed(at.read(), asked, Terms(), tai(NOW_S + 1)).remarks
    assert remarks == ["Its role was 'bench' until now."]


def test_a_role_that_is_not_granted_is_refused(at: Desk) -> None:
    assert refusal(at, Asker().file(role="bench")).reason == "role_not_allowed"


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("[site]\nname = 7\n", "site.toml:2: site.name"),
        (PLAN.replace(OTHER_BUS[:8], "zzz").replace('mrid = "', 'mrid = "x'), "is no mRID"),
        ("\ud800", "no UTF-8"),
        ("[site", "not TOML"),
    ],
)
def test_a_plan_that_does_not_hold_is_refused_with_its_line(
    at: Desk, plan: str, words: str
) -> None:
    data = Asker().file(plan=plan.encode("utf-8", "surrogatepass"))
    fault = refusal(at, data)
    assert fault.reason == "plan" and words in fault.text


@pytest.mark.parametrize("name", ["", "two\nlines", " gw", "x" * 65])
def test_a_name_that_cannot_be_shown_is_refused(at: Desk, name: str) -> None:
    assert refusal(at, Asker(name).file()).reason == "subject"


def test_what_another_key_signed_is_refused(at: Desk) -> None:
    gateway = Asker()
    payload = gateway.request().payload()
    data = parcel.pack(cose.sign(Typ.REQUEST, payload, Ed25519Key(b"9" * 32)))
    assert refusal(at, data).reason in ("kid", "signature")
    wrong = parcel.pack(cose.sign(Typ.ANSWER, payload, gateway.key))
    assert refusal(at, wrong).reason == "typ"


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_gets_through(place: int, bit: int) -> None:
    whole = Asker().file()
    data = bytearray(whole)
    data[place % len(data)] ^= 1 << bit
    try:
        found = parcel.unpack(bytes(data))
    except RequestError:
        found = b""
    if found == parcel.unpack(whole):
        return  # RFC 1951 3.2.4: bits that fill up a byte between blocks mean nothing
    with pytest.raises(RefusedError):
        request.read(bytes(data))


@given(st.binary(max_size=200))
def test_rubbish_is_refused_by_name(data: bytes) -> None:
    for rubbish in (data, parcel.pack(data)):
        with pytest.raises(RefusedError):
            request.read(rubbish)


# --- as typed


def typed(at: Desk, data: bytes, tmp_path: Path, *more: str) -> list[str]:
    (tmp_path / "request.gse").write_bytes(data)
    asked = ["authority", "issue", str(tmp_path / "request.gse"), "--authority", str(at.place)]
    return [*asked, "--out", str(tmp_path / "answer.gse"), "--clock-ok", *more]


@pytest.fixture
def now_at(tmp_path: Path) -> Desk:
    """A desk that was opened a little ago, by this machine's clock."""
    return desk(tmp_path / "utility", int(time.time()) - 60)


def now_file(**changes: object) -> bytes:
    return Asker().file(int(time.time()), **changes)


def test_what_is_asked_is_shown_before_anybody_decides(
    now_at: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed(now_at, now_file(), tmp_path)) == 2  # nobody sits there
    out, err = capsys.readouterr()
    mark = Asker().key.public.fingerprint
    assert "gw-7, as gateway" in out and "Oklaunion" in out and "North 345" in out
    assert " ".join(mark[n : n + 4] for n in range(0, 32, 4)) in out
    assert "--yes" in err and not (tmp_path / "answer.gse").exists()
    assert len(now_at.read().book.lines) == 1


def test_a_request_cannot_speak_to_the_terminal(
    at: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "request.gse"
    path.write_bytes(Asker(plan=PLAN + '"\\u001b]0;owned\\u0007\\nline" = 1\n').file())
    asked = ["authority", "issue", str(path), "--out", str(tmp_path / "out")]
    assert main([*asked, "--authority", str(at.place)]) == 2
    said = capsys.readouterr().err
    assert "\\u001b" in said and said.count("\n") == 1 and said.strip().isprintable()


def test_a_dry_run_writes_nothing(
    now_at: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed(now_at, now_file(), tmp_path, "--dry-run", "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["gateway"], told["done"]) == ("gw-7", False)
    assert len(now_at.read().book.lines) == 1 and not (tmp_path / "answer.gse").exists()


def test_issue_writes_the_answer_and_again_the_same(
    now_at: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = typed(now_at, now_file(), tmp_path, "--yes", "--json")
    assert main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    first = (tmp_path / "answer.gse").read_bytes()
    found, says = answer_in(first)
    assert told["credential"] == cose.read(found.credential).name.hex()
    assert says.key == Asker().key.public
    assert main(asked) == 0  # the stick was lost
    assert (tmp_path / "answer.gse").read_bytes() == first
    assert len(now_at.read().book.lines) == 2


def test_no_file_is_overwritten_and_nothing_entered(
    now_at: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "answer.gse").write_bytes(b"kept")
    assert main(typed(now_at, now_file(), tmp_path, "--yes")) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert (tmp_path / "answer.gse").read_bytes() == b"kept"
    assert len(now_at.read().book.lines) == 1


def revoke(at: Desk, fingerprint: str) -> None:
    with folder.writing(at.place, at.root, tai()) as of:
        of.enter(Revoked(bytes.fromhex(fingerprint), Revocation.LOST, ""), tai(), at.root)


def test_anchors_that_do_not_name_the_authority_are_not_handed_out(at: Desk) -> None:
    path = at.place / "anchors.toml"
    text = path.read_text()
    path.write_text(text.replace('name = "Utility A"', 'name = "Utility B"'))
    assert refusal(at, Asker().file()).reason == "anchors"


def test_an_invitation_is_for_what_it_says(at: Desk) -> None:
    one = Invitation("", "gw-7", "gateway", NOW_S, NOW_S + 60, 30)
    mark = Asker().key.public.fingerprint
    bus = request.read(Asker().file()).plan.mrids()[0].hex()
    fits = replace(one, key=mark[:16], buses=(bus,))
    for wrong, reason in (
        (replace(one, gateway="gw-8"), "other_gateway"),
        (replace(one, role="bench"), "role_not_allowed"),
        (replace(one, key="0" * 16), "other_key"),
        (replace(one, buses=("0" * 32,)), "bus_not_granted"),
    ):
        assert refusal(at, Asker().file(), terms=Terms(invitation=wrong)).reason == reason
    assert at.answer(Asker().file(), terms=Terms(invitation=fits)).says.subject == "gw-7"
