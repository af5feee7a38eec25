"""One init makes what the agent reads and the record believes, and nothing else."""

import hashlib
import stat
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from agent import config as agent_config
from agent.cli import main as agent_main
from agent.config import Gateway
from drivers.keystore import file as keyfile
from drivers.keystore.uri import open_signer
from evidence import cbor, cose, disclosure, siteplan
from evidence.config import ConfigError
from evidence.refusal import EvidenceError
from evidence.siteplan import Survey
from provisioning.init import InitRequest, initialise
from provisioning.placement import PlacementError
from provisioning.source import RequestError, SourceRequest, parse
from tests.provisioning.power import CutDisk, PowerCutError

NOW_S = 1_800_000_000
PMU_A = SourceRequest("pmu-a", "c37118+tcp", {"host": "127.0.0.1", "port": 4712, "idcode": 7})
PMU_B = SourceRequest("pmu-b", "c37118+serial", {"path": "/dev/ttyUSB0", "idcode": 8}, "Bus 2")
SURVEY = Survey(52.5163, 13.3777, 79.0, 0.5, "RTK, 24 h")


def request(folder: Path, **changes: object) -> InitRequest:
    whole = InitRequest(
        folder,
        gateway="gw-1",
        site='Ätna "West"',
        sources=(replace(PMU_A, bus="Bus 1"), PMU_B),
        survey=SURVEY,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def made(folder: Path, **changes: object) -> Gateway:
    initialise(request(folder, **changes), NOW_S, Random(1).randbytes)
    return agent_config.load(folder / "gateway.toml")


def test_the_agent_reads_what_was_made(tmp_path):
    gateway = made(tmp_path / "site")
    assert gateway.file.gateway.name == "gw-1"
    assert gateway.file.record.url == "http://127.0.0.1:8443"
    assert [(one.name, one.scheme, dict(one.options)) for one in gateway.sources] == [
        (one.name, one.scheme, dict(one.options)) for one in (PMU_A, PMU_B)
    ]
    assert gateway.plan.site.name == 'Ätna "West"'
    assert gateway.plan.site.survey == SURVEY
    assert [(one.source, one.bus) for one in gateway.plan.stream] == [
        ("pmu-a", "Bus 1"),
        ("pmu-b", "Bus 2"),
    ]


def test_the_device_key_is_the_one_that_the_authority_vouches_for(tmp_path):
    gateway = made(tmp_path / "site")
    signer = open_signer(gateway.file.gateway.key, gateway.folder)
    says = gateway.credential.says
    assert says.key == signer.public
    authority = keyfile.read(tmp_path / "site" / "authority.key")
    cose.check(cose.read(gateway.credential.encoded), authority.public)
    with pytest.raises(EvidenceError):
        cose.check(cose.read(gateway.credential.encoded), signer.public)
    assert gateway.anchors.log_key == keyfile.read(tmp_path / "site" / "log.key").public
    assert len({says.key, authority.public, gateway.anchors.log_key}) == 3


def test_the_credential_grants_the_plan_and_hides_names_and_place(tmp_path):
    gateway = made(tmp_path / "site", valid_days=30)
    held = gateway.credential
    assert held.says.issuer == "authority-1" and held.says.subject == "gw-1"
    assert held.says.role == "gateway"
    assert held.says.buses == gateway.plan.mrids() and len(held.says.buses) == 2
    assert all(UUID(bytes=bus).version == 4 for bus in held.says.buses)
    assert held.says.not_before_s == NOW_S - 300
    assert held.says.expires_s == NOW_S + 30 * 86_400
    assert "Ätna".encode() not in held.encoded and b"Bus" not in held.encoded
    told = disclosure.match(held.pairs, held.says.digests)
    assert told[held.says.site] == 'Ätna "West"'.encode()
    assert held.says.position is not None
    assert told[held.says.position] == SURVEY.position()


def test_what_tells_of_the_place_is_hidden_and_carried(tmp_path):
    gateway = made(tmp_path / "site")
    held = gateway.credential
    told = disclosure.match(held.pairs, held.says.digests)
    survey = gateway.plan.site.survey
    assert survey is not None and told[held.says.survey or b""] == survey.found()
    assert [cbor.decode(told[one.names or b""])[0] for one in held.says.named] == ["Bus 1", "Bus 2"]
    assert held.says.terminals == () and held.says.antenna is None
    assert b"RTK" not in held.encoded


def test_a_bound_without_a_document_is_not_taken(tmp_path):
    asked = parse("c37118+tcp://10.0.0.7?idcode=7&time_bound_ns=1000", 1)
    with pytest.raises(RequestError, match="time_bound_ns stands in"):
        made(tmp_path / "site", sources=(asked,))
    assert not (tmp_path / "site").exists()


def test_without_a_survey_no_position_is_claimed(tmp_path):
    gateway = made(tmp_path / "site", survey=None)
    assert gateway.credential.says.position is None and gateway.plan.site.survey is None


def test_the_record_reads_what_was_made(tmp_path):
    from record import config as record_config  # the one place where both sides meet

    made(tmp_path / "site")
    told = record_config.read_record(tmp_path / "site" / "record.toml")
    assert (told.host, told.port, told.tls) == ("127.0.0.1", 8443, None)
    assert open_signer(told.key, told.folder).public == told.anchors.log_key
    authority = keyfile.read(tmp_path / "site" / "authority.key").public
    assert [one.key for one in told.anchors.authorities.values()] == [authority]


def test_the_agent_finds_nothing_wrong_with_it(tmp_path, capsys):
    made(tmp_path / "site")
    assert agent_main(["check", "--config", str(tmp_path / "site" / "gateway.toml")]) == 0
    assert "pmu-b" in capsys.readouterr().out


def test_private_keys_are_for_their_owner_only(tmp_path):
    made(tmp_path / "site")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "site").iterdir()}
    keys = {"authority.key", "log.key", "device.key", "issued.cbor"}
    assert {name for name, mode in modes.items() if mode == 0o600} == keys
    assert modes.keys() - keys == {
        "authority.toml",
        "book.cbor",
        "credential.cbor",
        "anchors.toml",
        "site.toml",
        "record.toml",
        "gateway.toml",
    }
    assert stat.S_IMODE((tmp_path / "site").stat().st_mode) == 0o700


def test_the_result_holds_no_private_key(tmp_path):
    result = initialise(request(tmp_path / "site"), NOW_S, Random(1).randbytes)
    seed = Random(1).randbytes(32)
    assert keyfile.read(tmp_path / "site" / "authority.key").public == result.authority
    assert repr(seed) not in repr(result) and seed.hex() not in repr(result)


def test_same_request_second_and_random_bytes_give_the_same_files(tmp_path):
    def digest(name: str, now_s: int) -> str:
        initialise(request(tmp_path / name), now_s, Random(7).randbytes)
        content = [path.read_bytes() for path in sorted((tmp_path / name).iterdir())]
        return hashlib.sha256(b"\0".join(content)).hexdigest()

    assert digest("a", NOW_S) == digest("b", NOW_S) != digest("c", NOW_S + 1)


def test_a_bench_says_of_every_source_that_it_is_simulated(tmp_path):
    gateway = made(tmp_path / "site", role="bench")
    assert gateway.credential.says.role == "bench"
    assert all(one.options["simulated"] is True for one in gateway.sources)
    plain = made(tmp_path / "other")
    assert not any("simulated" in one.options for one in plain.sources)


def test_without_a_source_there_is_an_example_to_edit(tmp_path):
    gateway = made(tmp_path / "site", sources=(), survey=None)
    assert gateway.sources == () and len(gateway.plan.bus) == 1
    for name in ("gateway.toml", "site.toml"):
        path = tmp_path / "site" / name
        lines = path.read_text(encoding="utf-8").splitlines()
        begin = next(at for at, line in enumerate(lines) if line.startswith(("# [[", "# [site.s")))
        lines[begin:] = [
            line.removeprefix("# ") if line[:3] in ("# [", "#  ") or " = " in line else line
            for line in lines[begin:]
        ]
        path.write_text("\n".join(lines).replace("#   [", "["), encoding="utf-8")
    edited = agent_config.load(tmp_path / "site" / "gateway.toml")
    assert [one.name for one in edited.sources] == ["pmu-a", "pmu-b"]
    assert edited.plan.stream[0].bus == "Bus 1" and edited.plan.site.survey is not None


def test_the_second_init_in_a_folder_changes_nothing(tmp_path):
    made(tmp_path / "site")
    before = {path.name: path.read_bytes() for path in (tmp_path / "site").iterdir()}
    with pytest.raises(PlacementError) as fault:
        made(tmp_path / "site", gateway="gw-2")
    assert all(name in str(fault.value) for name in before)
    assert {path.name: path.read_bytes() for path in (tmp_path / "site").iterdir()} == before


@pytest.mark.parametrize("exists", [False, True])
def test_a_power_cut_leaves_a_gateway_that_starts_or_none(tmp_path, exists):
    for cut in range(1, 100):
        folder, attic = tmp_path / str(cut) / "site", tmp_path / str(cut) / "attic"
        attic.mkdir(parents=True)
        if exists:
            folder.mkdir()
        done = True
        try:
            disk = CutDisk(cut, "everything", attic)
            initialise(request(folder), NOW_S, Random(1).randbytes, disk)
        except PowerCutError:
            done = False
        if (folder / "gateway.toml").exists():
            agent_config.load(folder / "gateway.toml")
        try:
            initialise(request(folder), NOW_S, Random(2).randbytes)
        except PlacementError:
            pass
        gateway = agent_config.load(folder / "gateway.toml")
        assert open_signer(gateway.file.gateway.key, folder).public == gateway.credential.says.key
        assert len(list(folder.iterdir())) == 11
        if done:
            return
    raise AssertionError("never done")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gateway": ""}, "gateway name ''"),
        ({"gateway": "x" * 65}, "1 to 64"),
        ({"site": "two\nlines"}, "site name"),
        ({"site": " Site"}, "site name"),
        ({"authority": "a\x7fb"}, "authority name"),
        ({"log": "\udcff"}, "log name"),
        ({"buses": ("Bus\t1",)}, "bus name"),
        ({"role": "gatway"}, "known: gateway, bench"),
        ({"valid_days": 0}, "1 to 36525"),
        ({"valid_days": 36526}, "1 to 36525"),
        ({"listen": ("127.0.0.1", 0)}, "port 0"),
        ({"listen": ("0.0.0.0", 8443)}, "loopback"),
        ({"listen": ("record.example", 8443)}, "loopback"),
        ({"sources": (PMU_A,), "buses": ("North", "South")}, "&bus=NAME; known: 'North', 'South'"),
        ({"sources": (PMU_A, PMU_A)}, "two sources are named 'pmu-a'"),
        ({"sources": (replace(PMU_A, name="pmu a\n"),)}, "source name"),
        ({"buses": tuple(f"Bus {n}" for n in range(257))}, "at most 256"),
        ({"sources": (PMU_A,) * 257}, "at most 256"),
        ({"survey": Survey(91.0, 0.0, 0.0, 1.0)}, "no place"),
        ({"survey": Survey(float("nan"), 0.0, 0.0, 1.0)}, "no place"),
        ({"survey": Survey(0.0, 0.0, 0.0, 0.0)}, "above 0"),
        ({"survey": Survey(0.0, 0.0, float("inf"), 1.0)}, "expected m"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_made(tmp_path, changes, says):
    with pytest.raises(RequestError) as fault:
        made(tmp_path / "site", **changes)
    assert says in str(fault.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (replace(PMU_A, scheme="c37118+tpc"), "did you mean 'c37118+tcp'"),
        (replace(PMU_A, options={"host": "x", "idcod": 7}), "did you mean 'idcode'"),
        (replace(PMU_A, options={"host": "x", "idcode": 0}), "idcode"),
        (replace(PMU_A, options={"idcode": 7}), "host"),
        (replace(PMU_A, options={"host": "x", "port": 4712}), "idcode"),
        (replace(PMU_A, options={"host": "x", "configuration": "no.hex"}), "no.hex"),
    ],
)
def test_what_the_driver_does_not_take_is_refused_and_nothing_is_made(tmp_path, source, says):
    with pytest.raises(ConfigError) as fault:
        made(tmp_path / "site", sources=(source,))
    assert says in str(fault.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url",
    [
        "c37118+tcp://192.0.2.7:4712?idcode=7",
        "c37118+tcp://192.0.2.7?commands=none",
        "c37118+serial:///dev/ttyUSB0?idcode=7",
    ],
)
def test_the_agent_checks_what_was_typed_on_one_line(tmp_path, capsys, url):
    made(tmp_path / "site", sources=(parse(url, 1),))
    assert agent_main(["check", "--config", str(tmp_path / "site" / "gateway.toml")]) == 0
    assert "source-1" in capsys.readouterr().out


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_record_and_gateway_agree_where_the_record_is(tmp_path, host):
    gateway = made(tmp_path / "site", listen=(host, 9000))
    place = f"[{host}]:9000" if ":" in host else f"{host}:9000"
    assert gateway.file.record.url == f"http://{place}"
    assert f'listen = "{place}"' in (tmp_path / "site" / "record.toml").read_text()


def test_a_plan_with_a_bus_that_was_not_granted_is_refused_by_the_agent(tmp_path):
    made(tmp_path / "site")
    site = tmp_path / "site" / "site.toml"
    plan = siteplan.read(site.read_text(encoding="utf-8"), "site.toml")
    other = site.read_text(encoding="utf-8").replace(plan.bus[0].mrid, str(UUID(int=5)))
    site.write_text(other, encoding="utf-8")
    with pytest.raises(ConfigError, match="not granted"):
        agent_config.load(tmp_path / "site" / "gateway.toml")


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (
            "c37118+tcp://127.0.0.1:4712?idcode=7&name=pmu-a&bus=Bus%201",
            SourceRequest(
                "pmu-a", "c37118+tcp", {"host": "127.0.0.1", "port": 4712, "idcode": 7}, "Bus 1"
            ),
        ),
        (
            "c37118+tcp://[2001:db8::7]?idcode=7&commands=full",
            SourceRequest(
                "source-3", "c37118+tcp", {"host": "2001:db8::7", "idcode": 7, "commands": "full"}
            ),
        ),
        (
            "c37118+serial:///dev/ttyUSB0?baud=115200&idcode=8&name=7",
            SourceRequest(
                "7", "c37118+serial", {"path": "/dev/ttyUSB0", "baud": 115200, "idcode": 8}
            ),
        ),
        (
            "c37118+tcp://pmu:1?simulated=true",
            SourceRequest("source-3", "c37118+tcp", {"host": "pmu", "port": 1, "simulated": True}),
        ),
    ],
)
def test_a_source_is_typed_on_one_line(url, wanted):
    assert parse(url, 3) == wanted


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("c37118+tpc://127.0.0.1", "did you mean 'c37118+tcp'"),
        ("127.0.0.1:4712", "scheme"),
        ("", "scheme '' is missing"),
        ("c37118+tcp://h:99999", "Port out of range"),
        ("c37118+tcp://h:x", "Port could not be cast"),
        ("c37118+tcp://[::1", "Invalid IPv6"),
        ("c37118+tcp://h/dev/ttyUSB0", "host and a path"),
        ("c37118+tcp://u:p@h", "user or password"),
        ("c37118+tcp://h?bus=Bus#1", "%23"),
        ("c37118+tcp://h?idcode", "bad query"),
        ("c37118+tcp://h?idcode=1&idcode=2", "idcode is given twice"),
        ("c37118+tcp://h?host=g", "host is given twice"),
        ("c37118+tcp://h?name=" + "x" * 2048, "at most 2048"),
    ],
)
def test_a_source_that_is_typed_wrongly_is_refused_with_the_part(url, says):
    with pytest.raises(RequestError) as fault:
        parse(url, 1)
    assert says in str(fault.value)
