"""Certificates of an authority, at the door of a real record: who gets in, and what it is worth."""

import asyncio
import datetime
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.http import Client, Tls
from agent.transport import UplinkError
from evidence import cbor, cose
from evidence.code import ALG_ESP256, Typ
from evidence.key import Ed25519Key, PublicKey
from hil.child import Child
from provisioning.authority import certificate
from provisioning.authority.refusal import RefusedError
from provisioning.cli import main
from provisioning.enrol import parcel
from provisioning.init import RECORD, InitRequest, initialise
from tests.provisioning.authority.desk import NOW_S, Asker, Desk, answer_in, desk

READY_S, ASK_S = 30.0, 10.0
DAY_S = 86_400


def certified(at: Desk, gateway: Asker, now_s: int, days: int = 365) -> x509.Certificate:
    row = at.answer(gateway.file(now_s, tls=gateway.csr("root")), now_s, days)
    found, _ = answer_in(parcel.pack(row.answer or b""))
    leaf, ca = found.certificates
    made = x509.load_der_x509_certificate(leaf)
    made.verify_directly_issued_by(x509.load_der_x509_certificate(ca))
    return made


def ended(at: Desk, gateway: Asker, until_s: int) -> x509.Certificate:
    """One that was good for 90 days, until then."""
    ca = certificate.ders(at.place / "tls-ca.pem")[0]
    key, start_s = gateway.tls.public_key(), until_s - 90 * DAY_S
    der = certificate.client(gateway.name, key, ca, at.tls, start_s, until_s, bytes(15) + b"\x05")
    return x509.load_der_x509_certificate(der)


def papers(folder: Path, gateway: Asker, made: x509.Certificate) -> Tls:
    """What a gateway keeps: its certificate, its key, and whose record it believes."""
    folder.mkdir()
    (folder / "tls.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "tls.key").write_bytes(gateway.tls_pem())
    return Tls(folder.parent / "utility" / "tls-ca.pem", folder / "tls.pem", folder / "tls.key")


@asynccontextmanager
async def serving(folder: Path, at: Desk) -> AsyncIterator[str]:
    """`gridseal-record serve`, which lets in whom this authority certified."""
    initialise(InitRequest(folder), int(time.time()), lambda size: bytes(size - 1) + b"1")
    asked = ["authority", "certificate", "record.example", "--ip", "127.0.0.1"]
    asked += ["--authority", str(at.place), "--out", str(folder / "server.pem")]
    assert main(asked) == 0
    assert (folder / "server.key").stat().st_mode & 0o777 == 0o600
    text = (folder / RECORD).read_text().replace(":8443", ":0")
    tls = '\n[tls]\ncertificate = "server.pem"\nkey = "server.key"\n'
    (folder / RECORD).write_text(f'{text}{tls}client_ca = "{at.place / "tls-ca.pem"}"\n')
    anchors = folder / "anchors.toml"
    other = f'\n[[authority]]\nname = "Utility A"\nkey = "{at.root.public.raw.hex()}"\n'
    anchors.write_text(anchors.read_text() + other)
    argv = ["serve", "--config", str(folder / RECORD)]
    child = Child("record", "record.cli", argv, folder / "log")
    try:
        await child.says("listens on", READY_S)
        yield child.said().split("listens on ")[1].split()[0].rstrip(",")
    finally:
        child.kill()


async def ask(url: str, tls: Tls, method: str, path: str, body: bytes | None = None) -> int:
    client = Client(url, tls)
    try:
        return (await client.request(method, path, body, ASK_S)).status
    finally:
        await client.close()


async def turned_away(url: str, tls: Tls) -> str:
    with pytest.raises(UplinkError) as fault:
        await ask(url, tls, "GET", "/v1/checkpoint?size=0")
    return fault.value.cause


def test_who_gets_in_at_a_records_door_and_that_it_proves_nothing_of_evidence(
    tmp_path: Path,
) -> None:
    now_s = int(time.time())
    at = desk(tmp_path / "utility", now_s - 200 * DAY_S)
    old = Asker("gw-old", 3)
    expired = papers(tmp_path / "c", old, ended(at, old, now_s - 10 * DAY_S))
    gateway, other = Asker(), Asker("gw-8", 2)
    mine = papers(tmp_path / "a", gateway, certified(at, gateway, now_s))
    stranger_at = desk(tmp_path / "elsewhere" / "utility", now_s, mark=b"B")
    stranger = Asker("gw-7", 7)
    theirs = papers(tmp_path / "d", stranger, certified(stranger_at, stranger, now_s))
    anothers = at.answer(other.file(now_s), now_s)
    says = anothers.says.payload()
    forged = cose.sign(Typ.CREDENTIAL, says, Ed25519Key(b"F" * 32))

    async def play() -> None:
        async with serving(tmp_path / "record", at) as url:
            assert url.startswith("https://")
            assert await ask(url, mine, "GET", "/v1/checkpoint?size=0") == 200
            for tls in (Tls(mine.ca), expired, theirs):
                assert await turned_away(url, tls) in ("tls", "reset")
            # The connection is gw-7's. What it carries is judged by who signed it, and by no more:
            # another gateway's statement is taken, and one that nobody vouches for is not.
            body = cbor.encode([anothers.credential, anothers.pairs])
            assert await ask(url, mine, "POST", "/v1/statement?size=0", body) == 200
            body = cbor.encode([forged, anothers.pairs])
            assert await ask(url, mine, "POST", "/v1/statement?size=0", body) == 422

    asyncio.run(asyncio.wait_for(play(), 50))


def test_a_gateways_certificate_says_what_the_authority_says(tmp_path: Path) -> None:
    at = desk(tmp_path / "utility")
    gateway = Asker("gw-7.west")
    found = certified(at, gateway, NOW_S)
    assert found.public_key() == gateway.tls.public_key()
    (name,) = found.subject
    assert (name.oid, name.value) == (NameOID.COMMON_NAME, "gw-7.west")  # not what was asked for
    extensions = found.extensions
    alternative = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternative.get_values_for_type(x509.DNSName) == ["gw-7.west"]
    use = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert use == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert found.not_valid_after_utc.timestamp() == NOW_S + 90 * DAY_S
    short = certified(at, Asker("gw-8", 2), NOW_S, days=7)
    assert short.not_valid_after_utc.timestamp() == NOW_S + 7 * DAY_S  # as its credential


def test_a_name_that_no_machine_has_stands_there_as_a_urn(tmp_path: Path) -> None:
    found = certified(desk(tmp_path / "utility"), Asker("Bahnhof Süd 2"), NOW_S)
    alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    told = alternative.get_values_for_type(x509.UniformResourceIdentifier)
    assert told == ["urn:gridseal:gateway:Bahnhof%20S%C3%BCd%202"]


def test_the_longest_name_of_all_gets_a_certificate_too(tmp_path: Path) -> None:
    found = certified(desk(tmp_path / "utility"), Asker("ü" * 64), NOW_S)
    (name,) = found.subject
    assert name.value == "ü" * 32  # 64 bytes
    alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (told,) = alternative.get_values_for_type(x509.UniformResourceIdentifier)
    assert told.count("%C3%BC") == 64


def test_openssl_finds_the_chain_good(tmp_path: Path, program: Callable[[str], Path]) -> None:
    """Another's reading of the same bytes."""
    at = desk(tmp_path / "utility")
    leaf = tmp_path / "leaf.pem"
    leaf.write_bytes(certified(at, Asker(), NOW_S).public_bytes(Encoding.PEM))
    argv = [str(program("openssl")), "verify", "-x509_strict", "-purpose", "sslclient"]
    argv += ["-attime", str(NOW_S + 60), "-CAfile", str(at.place / "tls-ca.pem"), str(leaf)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    wrong = [word.replace("sslclient", "sslserver") for word in argv]
    assert subprocess.run(wrong, capture_output=True, timeout=20).returncode != 0


def _csr(key: object) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateSigningRequestBuilder(name)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)  # type: ignore[arg-type]


def test_a_request_for_a_certificate_that_does_not_hold_issues_nothing(tmp_path: Path) -> None:
    at = desk(tmp_path / "utility")
    good = Asker().csr()
    flipped = good[:-5] + bytes([good[-5] ^ 1]) + good[-4:]
    odd = [_csr(rsa.generate_private_key(65537, 2048))]
    odd += [_csr(ec.generate_private_key(ec.SECP521R1()))]
    for wrong in (flipped, good[:50], b"", b"\x30\x80", *odd):
        with pytest.raises(RefusedError) as fault:
            at.answer(Asker().file(tls=wrong))
        assert fault.value.reason == "tls_request"
    assert len(at.read().book.lines) == 1


def test_a_device_key_gets_no_certificate(tmp_path: Path) -> None:
    device = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    request = x509.CertificateSigningRequestBuilder(name).sign(device, None)
    with pytest.raises(RefusedError, match="of its device key"):
        certificate.asked(request.public_bytes(Encoding.DER), Asker().key.public)


def test_an_authority_without_tls_answers_without_certificates(tmp_path: Path) -> None:
    at = desk(tmp_path / "utility")
    text = (at.place / "authority.toml").read_text()
    (at.place / "authority.toml").write_text(text[: text.index("[tls]")])
    row = at.answer(Asker().file(tls=Asker().csr()))
    assert answer_in(parcel.pack(row.answer or b""))[0].certificates == ()


def test_a_key_of_a_token_that_knows_p256_only_can_certify() -> None:
    """Its signatures are R and S; a certificate's are two integers."""
    private = ec.generate_private_key(ec.SECP256R1())

    class P256:
        @property
        def public(self) -> PublicKey:
            point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            return PublicKey(ALG_ESP256, point[1:])

        def sign(self, message: bytes) -> bytes:
            told = private.sign(message, ec.ECDSA(hashes.SHA256()))
            return b"".join(one.to_bytes(32, "big") for one in decode_dss_signature(told))

    ca = certificate.authority("Utility A TLS", P256(), NOW_S, bytes(15) + b"\x07")
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    leaf = certificate.client("gw-7", key, ca, P256(), NOW_S, NOW_S + DAY_S, bytes(15) + b"\x09")
    found = x509.load_der_x509_certificate(leaf)
    found.verify_directly_issued_by(x509.load_der_x509_certificate(ca))
    assert found.not_valid_before_utc == datetime.datetime.fromtimestamp(NOW_S - 300, datetime.UTC)
