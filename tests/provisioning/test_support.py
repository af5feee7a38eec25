"""`gridseal-provision support-bundle`: what whoever helps needs is in it, and of every secret that
a test knows nothing is, in no form, in the unpacked bundle or in its bytes.
"""

import base64
import gzip
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent import status
from drivers.keystore import file as keyfile
from hil.child import Child
from provisioning import mask
from provisioning.cli import main
from provisioning.mask import Mask
from tests.drivers import keyring

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60.0
SITE, BUS, SOURCE, CHANNEL = "Oklaunion Secret Yard", "North 345", "pmu-north", "VA-345"
DEVICE, MAKE = "PMU in panel 7", "Macrodyne of Yard"
LATITUDE, LONGITUDE = "46.9480917", "7.4474312"
URL = f"c37118+tcp://127.0.0.1:1?idcode=7&name={SOURCE}&bus=North%20345"
PASSWORD, PASSPHRASE, CODE = "S3cret-Nats-pw", "correct horse battery", "7391-4402-8816"
ENV_PIN, TYPED_PIN = "env-pin-55512", "uri-pin-90210"
Bundle = dict[str, Any]


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "gateway"
    survey = f"--survey={LATITUDE},{LONGITUDE},600,0.5,RTK"
    named = ["--site", SITE, "--source", URL, survey]
    assert main(["init", str(folder), "--gateway", "gw-7", *named]) == 0
    channel = f'  [[stream.channel]]\n  name = "{CHANNEL}"\n  phase = "A"\n'
    plan = folder / "site.toml"
    stream = f'source = "{SOURCE}"\nbus = "{BUS}"\n'
    assert plan.read_text().count(stream) == 1
    device = f'\n[[device]]\nname = "{DEVICE}"\nmake = "{MAKE}"\n'
    plan.write_text(plan.read_text().replace(stream, stream + channel) + device)
    capsys.readouterr()
    return folder


def made(site: Path, *more: str, code: int = 0) -> tuple[Bundle, bytes]:
    """The bundle's parts, and all its bytes: packed, and unpacked."""
    out = site.parent / f"bundle-{time.monotonic_ns()}.tar.gz"
    argv = ["support-bundle", str(site), "--out", str(out), *more]
    done = subprocess.run(
        [sys.executable, "-m", "provisioning.cli", *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env={**os.environ, "GRIDSEAL_PIN": ENV_PIN},
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert out.stat().st_mode & 0o777 == 0o600
    packed = out.read_bytes()
    raw = gzip.decompress(packed)
    parts: Bundle = {}
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for entry in archive:
            file = archive.extractfile(entry)
            assert file is not None
            parts[Path(entry.name).name] = json.loads(file.read())
    return parts, packed + raw + done.stdout.encode()


def forms(secret: bytes) -> Iterator[bytes]:
    """As it stands, in hex, and in base64 at each of the three places that it can have there."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for at in range(3):
        whole = base64.b64encode(bytes(at) + secret + bytes(-(at + len(secret)) % 3))
        inner = whole[(at * 8 + 5) // 6 + (at > 0) : len(whole) - 4]
        if len(inner) >= 8:
            yield inner
            yield inner.replace(b"+", b"-").replace(b"/", b"_")


def search(told: bytes, secrets: dict[str, bytes]) -> None:
    """Fails where one is there."""
    for name, secret in secrets.items():
        assert len(secret) >= 4, name
        for form in forms(secret):
            assert form not in told, f"{name} is in the bundle"


def key_secrets(name: str, path: Path) -> dict[str, bytes]:
    """Of a plain key file: its seed, and each line of its text."""
    lines = path.read_bytes().splitlines()[1:-1]
    seed = base64.b64decode(b"".join(lines))[-32:]
    return {f"{name} seed": seed, **{f"{name} line {at}": one for at, one in enumerate(lines)}}


def sealed(site: Path, program: Callable[[str], Path], undo: ExitStack) -> dict[str, bytes]:
    """The device key in a file that a passphrase seals."""
    source = site / "passphrase"
    source.write_text(PASSPHRASE + "\n")
    source.chmod(0o600)
    uri = f"file:sealed.key?passphrase-source=file:{source}"
    keyring.hand_over(site, uri)
    lines = (site / "sealed.key").read_bytes().splitlines()
    body = {f"sealed line {at}": line for at, line in enumerate(lines[1:-1])}
    return {"passphrase": PASSPHRASE.encode(), **body}


def in_token(site: Path, program: Callable[[str], Path], undo: ExitStack) -> dict[str, bytes]:
    token = undo.enter_context(keyring.token(site.parent / "token", program))
    keyring.hand_over(site, token.uri())
    return {"PIN": keyring.PIN.encode(), "officer": keyring.OFFICER.encode()}


def in_chip(site: Path, program: Callable[[str], Path], undo: ExitStack) -> dict[str, bytes]:
    chip = undo.enter_context(keyring.chip(site.parent / "chip", program))
    keyring.hand_over(site, chip.uri(f"{site}/device.tpm", pin=True))
    blob = (site / "device.tpm").read_bytes().splitlines()
    return {"PIN": keyring.PIN.encode()} | {f"blob {at}": one for at, one in enumerate(blob[1:-1])}


def pin_in_query(site: Path, program: Callable[[str], Path], undo: ExitStack) -> dict[str, bytes]:
    return _named(site, f"pkcs11:token=gw;object=device?pin-value={TYPED_PIN}")


def pin_in_path(site: Path, program: Callable[[str], Path], undo: ExitStack) -> dict[str, bytes]:
    return _named(site, f"pkcs11:token=gw;pin-value={TYPED_PIN};object=device")


def _named(site: Path, uri: str) -> dict[str, bytes]:
    text = (site / "gateway.toml").read_text()
    (site / "gateway.toml").write_text(text.replace("file:device.key", uri))
    return {"PIN in a URI": TYPED_PIN.encode()}


def plant(site: Path) -> dict[str, bytes]:
    """Every secret that a gateway's folder may hold, where it belongs, and where it was left."""
    found = {"PIN of the environment": ENV_PIN.encode(), "password": PASSWORD.encode()}
    for name in ("device", "authority", "log"):
        found |= key_secrets(f"{name}.key", site / f"{name}.key")
    tls = ec.generate_private_key(ec.SECP256R1())
    pem = tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (site / "tls.key").write_bytes(pem)
    number = tls.private_numbers().private_value.to_bytes(32, "big")
    found |= {"TLS key": number}
    found |= {f"TLS line {at}": line for at, line in enumerate(pem.splitlines()[1:-1])}
    challenge = os.urandom(32)
    (site / "enrol-request.cbor").write_bytes(b"\x58\x20" + challenge)
    found["challenge"] = challenge
    (site / "code.txt").write_text(CODE)
    found["code"] = CODE.encode()
    gateway = (site / "gateway.toml").read_text()
    url = next(line for line in gateway.splitlines() if line.startswith("url = "))
    gateway = gateway.replace(url, f'url = "tls://gw:{PASSWORD}@broker.example:4222"')
    (site / "gateway.toml").write_text(f"# the code is {CODE}, the pin {TYPED_PIN}\n{gateway}")
    found["PIN in a comment"] = TYPED_PIN.encode()
    stamp = "2026-11-26 05:00:00,123 WARNING gridseal.uplink:"
    line = base64.b64encode(os.urandom(36)).decode()
    found["line of a key"] = line.encode()
    log = (
        f"{CODE} was typed\n"
        f"Nov 26 05:00:00 gw python[7]: {stamp} tls://gw:{PASSWORD}@broker: refused\n"
        f"{stamp} pkcs11:token=gw;pin-value={TYPED_PIN} password: {PASSWORD}, code={CODE}\n"
        f"{stamp} {line}\n"
        f"{stamp} {SOURCE} at {BUS} of {SITE} is down: {DEVICE}\n"
        f"{pem.decode()}"
    )
    (site / "agent.log").write_text(log)
    return found


STORES = [sealed, in_token, in_chip, pin_in_query, pin_in_path]


@pytest.mark.parametrize("store", STORES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("places", [False, True])
def test_no_secret_is_in_it(
    site: Path, program: Callable[[str], Path], store: Callable[..., dict[str, bytes]], places: bool
) -> None:
    with ExitStack() as undo:
        planted = plant(site) | store(site, program, undo)
        more = ["--log", str(site / "agent.log")] + ["--with-places"] * places
        parts, told = made(site, *more)
    search(told, planted)
    assert parts["gateway.json"]["record"]["url"] == "tls://***@broker.example:4222"
    assert parts["files.json"]["tls.key"]["mode"] == "-rw-r--r--"
    assert "enrol-request.cbor" in parts["files.json"] and "code.txt" not in parts["files.json"]
    log = parts["log.json"]
    assert len(log) == 4 and log[0].endswith("tls://***@broker: refused")


@pytest.mark.parametrize(
    "broken",
    [
        'password = "{}"\n',
        'key = "pkcs11:token=a;pin-value={}"\n[gateway]\n',
        '[clock]\nsources = ["gpsd://user:{}@host"]\n',
        "password = {}\n",
    ],
)
def test_a_configuration_that_is_wrong_tells_nothing_either(site: Path, broken: str) -> None:
    text = (site / "gateway.toml").read_text().replace("[clock]\n", "").replace("sources = ", "#")
    (site / "gateway.toml").write_text(text + "\n" + broken.format(PASSWORD))
    parts, told = made(site)
    search(told, {"password": PASSWORD.encode()})
    assert "fault" in parts["gateway.json"]


def test_what_is_hidden_in_what_is_signed_is_left_out(site: Path) -> None:
    plant(site)
    parts, told = made(site, "--log", str(site / "agent.log"))
    hidden = {"site": SITE, "bus": BUS, "source": SOURCE, "channel": CHANNEL}
    hidden |= {"device": DEVICE, "make": MAKE}
    hidden |= {"latitude": LATITUDE, "longitude": LONGITUDE}
    search(told, {name: word.encode() for name, word in hidden.items()})
    assert parts["gateway.json"]["source"][0]["name"] == "source 1"
    assert parts["plan.json"]["stream"][0]["channel"][0]["name"] == "channel 1"
    assert parts["log.json"][-1].endswith(" source 1 at bus 1 of the site is down: device 1")
    assert parts["plan.json"]["device"] == 1
    with_places, _ = made(site, "--with-places")
    plan = with_places["plan.json"]
    assert (plan["site"], plan["bus"][0]["name"]) == (SITE, BUS)
    assert plan["survey"]["latitude"] == float(LATITUDE)


def test_it_tells_what_whoever_helps_needs(site: Path, tmp_path: Path) -> None:
    agent = Child(
        "agent", "agent.cli", ["run", "--config", str(site / "gateway.toml")], tmp_path / "log"
    )
    try:
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            agent.check()
            try:
                if status.ask(site / "spool.db")["sources"][SOURCE]["text"]:
                    break
            except (OSError, KeyError):
                time.sleep(0.1)
        parts, told = made(site, "--log", str(tmp_path / "log"))
    finally:
        agent.kill()
    search(told, {"source": SOURCE.encode(), "site": SITE.encode()})
    assert parts["status.json"]["run"] and parts["status.json"]["spool_fault"] == ""
    assert "Connection refused" in parts["status.json"]["sources"]["source 1"]["text"]
    assert parts["spool.json"]["runs"] == 1 and parts["spool.json"]["files"]["spool.db"] > 0
    assert any("source 1: " in line for line in parts["log.json"])
    assert parts["versions.json"]["software"].startswith("gridseal")
    assert "apsw" in parts["versions.json"]["packages"]
    found = {one["check"]: one["word"] for one in parts["checks.json"]}
    assert found["configuration"] == found["credential"] == "ok"
    assert set(parts["manifest.json"]["parts"]) == set(parts) - {"manifest.json"}


@pytest.mark.parametrize(
    "account",
    [{}, {"sources": 7, "time": [], "checks": {}, "tests": [3]}, {"sources": {SOURCE: None}}],
)
def test_an_agent_of_another_version_does_not_end_it(site: Path, account: Bundle) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(site / "spool.db.sock"))
        server.listen()

        def answer() -> None:
            with server.accept()[0] as asker:
                asker.sendall(json.dumps(account).encode())

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            parts, told = made(site)
        finally:
            thread.join(WAIT_S)
    search(told, {"source": SOURCE.encode()})
    assert parts["status.json"]["checks"] == []


def test_it_is_never_made_over_another_file(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = site / "bundle.tar.gz"
    out.write_text("mine")
    assert main(["support-bundle", str(site), "--out", str(out)]) == 2
    assert "not overwritten" in capsys.readouterr().err and out.read_text() == "mine"


def test_dry_run_shows_it_and_makes_no_file(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = site / "bundle.tar.gz"
    assert main(["support-bundle", str(site), "--out", str(out), "--dry-run"]) == 0
    assert "status.json:" in capsys.readouterr().out and not out.exists()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a:b@host/x", "https://***@host/x"),
        ("nats://token@host", "nats://***@host"),
        ("nats://user:pa/ss@host:4222", "nats://***@host:4222"),
        ("enrol online https://gw:8443/#K7F2-99AA.0f", "enrol online https://gw:8443/#***"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ***"),
        ("idcode=7", "idcode=7"),
        ("pkcs11:token=gw;pin-value=1;object=o", "pkcs11:token=gw;pin-value=***;object=o"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ('password = "a b"', "password = ***"),
        ("/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10KZP45-if00-port0", None),
        ("ab" * 32, None),
        ("kXhVbQmZtRwLpNcFyGdJsAeUoIxKvBqMzTrWlPnCfYgDjSaE", "***"),  # base64 without a digit
        ("/opt/Gridseal/gateways/Substation/North/Busbar/spool", None),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str | None) -> None:
    assert mask.secretless(text) == (text if shown is None else shown)


def test_a_hidden_name_is_hidden_however_it_is_written() -> None:
    """In the name of a host, a control block, a file; a short one only as it is written."""
    hidden = Mask({"Oklaunion": "the site", "Straße 5": "bus 1", "gps": "source 1"})
    text = "OKLAUNION/LLN0$GO$gcb1 of oklaunion-gw in oklaunion_2.scd: GPS of gps at Straße 5"
    shown = "the site/LLN0$GO$gcb1 of the site-gw in the site_2.scd: GPS of source 1 at bus 1"
    assert hidden.text(text) == shown
    assert Mask({"Inika": "bus 2"}).text("\u0130nika is down") == "*** is down"


def test_a_key_file_of_another_kind_is_not_opened(site: Path) -> None:
    assert keyfile.read(site / "device.key")
    (site / "device.key").unlink()
    os.mkfifo(site / "device.key")  # whoever opened it would wait for ever
    parts, _ = made(site)
    assert parts["files.json"]["device.key"]["mode"].startswith("p")


@pytest.mark.parametrize("before", range(4))
def test_the_search_finds_what_is_there(before: int) -> None:
    secret = os.urandom(16)
    inside = os.urandom(before) + secret + os.urandom(5)
    for told in (inside, inside.hex().encode(), base64.b64encode(inside)):
        with pytest.raises(AssertionError, match="is in the bundle"):
            search(b"before " + told + b" after", {"it": secret})
