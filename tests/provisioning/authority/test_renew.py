"""The next credential of a gateway: for its plan as it is now, by the same authority, as typed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent import config as agent_config
from drivers.keystore import file as keyfile
from evidence import anchor, cbor, cose, disclosure
from evidence.book import Issued
from evidence.code import Typ
from provisioning.authority import folder
from provisioning.cli import main

BUS = "123e4567-e89b-12d3-a456-426614174001"
TERMINAL = "123e4567-e89b-12d3-a456-426614174000"
MORE = f"""
[[bus]]
name = "Bus 2"
mrid = "{BUS}"
psse = 12345
eic = "10T-AT-DE-00008Y"
aliases = ["SOUTH"]
offset_mm = [100, 200, -300]

[[stream]]
source = "pmu-a"
bus = "Bus 2"
  [[stream.channel]]
  name = "IA"
  terminal = "{TERMINAL}"
  direction = "in"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A gateway whose plan has grown since its credential was made."""
    folder = tmp_path / "site"
    source = "c37118+tcp://127.0.0.1:4712?idcode=7&name=pmu-a"
    assert main(["init", str(folder), "--gateway", "gw-7", "--source", source]) == 0
    plan = folder / "site.toml"
    text = plan.read_text()
    at = text.index('\n[[stream]]\nsource = "pmu-a"')
    plan.write_text(text[:at] + MORE)
    return folder


def asked(site: Path, out: Path, **changes: str) -> list[str]:
    given = {
        "authority": str(site),
        "plan": str(site / "site.toml"),
        "out": str(out),
    } | changes
    credential = given.pop("credential", str(site / "credential.cbor"))
    words = [word for key, value in given.items() for word in (f"--{key}", value)]
    return ["authority", "renew", credential, *words]


def test_what_the_plan_claims_now_is_granted(site: Path, tmp_path: Path) -> None:
    before = agent_config.read_credential(site / "credential.cbor")
    out = tmp_path / "new.cbor"
    assert main(asked(site, out, days="30")) == 0
    found = agent_config.read_credential(out)
    says = found.says
    bus, terminal = (bytes.fromhex(mrid.replace("-", "")) for mrid in (BUS, TERMINAL))
    assert says.terminals == ((terminal, bus, 1),)
    assert says.buses == (*before.says.buses, bus)
    told = disclosure.match(found.pairs, says.digests)
    named = says.named[1]
    assert cbor.decode(told[named.names or b""]) == (
        *("Bus 2", 12345, "10T-AT-DE-00008Y"),
        ("SOUTH",),
    )
    assert cbor.decode(told[named.offset or b""]) == (100, 200, -300)
    kept = (says.issuer, says.subject, says.key, says.role)
    assert kept == ("authority-1", "gw-7", before.says.key, "gateway")
    assert says.expires_s - says.not_before_s == 30 * 86_400 + 300
    assert says.serial != before.says.serial
    anchors = anchor.read((site / "anchors.toml").read_text(), "anchors.toml")
    assert anchor.vouched(cose.read(found.encoded), anchors.authorities) == says


def test_the_gateway_takes_it(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.cbor"
    assert main(asked(site, out)) == 0
    out.replace(site / "credential.cbor")
    assert agent_config.load(site / "gateway.toml").credential.says.subject == "gw-7"


def test_it_is_said_in_words_and_in_one_object(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(asked(site, tmp_path / "one.cbor")) == 0
    out = capsys.readouterr().out
    assert f"{BUS}  Bus 2, PSS/E 12345, EIC 10T-AT-DE-00008Y, SOUTH" in out
    assert f"{TERMINAL}  at {BUS}, positive in" in out
    assert "signature good" in out
    assert main([*asked(site, tmp_path / "two.cbor"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["terminals"] == [{"terminal": TERMINAL, "bus": BUS, "direction": 1}]
    assert told["names"][BUS].startswith("Bus 2, PSS/E 12345")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"days": "0"}, "valid for 0 days"),
        ({"days": "x"}, "expected a whole number"),
        ({"authority": "missing"}, "missing"),
        ({"credential": "missing.cbor"}, "cannot be read"),
    ],
)
def test_what_cannot_be_granted_is_said_and_nothing_is_written(
    site: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    words: str,
) -> None:
    out = tmp_path / "new.cbor"
    assert main(asked(site, out, **changes)) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_no_file_is_overwritten(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new.cbor"
    out.write_bytes(b"kept")
    assert main(asked(site, out)) == 2
    assert "is not overwritten" in capsys.readouterr().err
    assert out.read_bytes() == b"kept"


def test_a_plan_that_is_wrong_is_named_with_its_line(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = site / "site.toml"
    plan.write_text(plan.read_text().replace("00008Y", "00008X"))
    assert main(asked(site, tmp_path / "new.cbor")) == 2
    err = capsys.readouterr().err
    assert err.startswith("site.toml:") and "its check character is 'Y'" in err


def test_a_credential_that_is_not_in_the_book_is_not_renewed(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Signed by the root key, and never entered: whoever did that has to explain it first."""
    held = agent_config.read_credential(site / "credential.cbor")
    root = keyfile.read(site / "authority.key")
    says = replace(held.says, serial=b"another")
    odd = cose.sign(Typ.CREDENTIAL, says.payload(), root)
    (tmp_path / "odd.cbor").write_bytes(cbor.encode([odd, held.pairs]))
    assert main(asked(site, tmp_path / "new.cbor", credential=str(tmp_path / "odd.cbor"))) == 2
    assert "is not in this authority's book" in capsys.readouterr().err
    assert not (tmp_path / "new.cbor").exists()


def test_a_revoked_key_is_not_renewed(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    yes = ["--authority", str(site), "--yes"]
    assert main(["authority", "revoke", "gw-7", "--why", "lost", *yes]) == 0
    assert main(asked(site, tmp_path / "new.cbor")) == 2
    assert "credential_revoked" in capsys.readouterr().err
    assert not (tmp_path / "new.cbor").exists()


def test_the_next_names_the_newest_whichever_was_shown(site: Path, tmp_path: Path) -> None:
    """Two renewals of one file: the book tells which came after which."""
    for name in ("one.cbor", "two.cbor"):
        assert main(asked(site, tmp_path / name)) == 0
    names = [agent_config.read_credential(path).name for path in
             (site / "credential.cbor", tmp_path / "one.cbor", tmp_path / "two.cbor")]  # fmt: skip
    entries = [line.entry.what for line in folder.read(site).book.lines[1:]]
    assert entries == [
        Issued(names[0], None, None),
        Issued(names[1], names[0], None),
        Issued(names[2], names[1], None),
    ]


def test_a_dry_run_renews_nothing(site: Path, tmp_path: Path) -> None:
    before = (site / "book.cbor").read_bytes()
    assert main([*asked(site, tmp_path / "new.cbor"), "--dry-run"]) == 0
    assert (site / "book.cbor").read_bytes() == before and not (tmp_path / "new.cbor").exists()
