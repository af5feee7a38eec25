"""The page's door, as anybody meets it who can reach the port: with and without a session."""

import contextlib
import hashlib
import http.client
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from hil.faults.need import NeedError
from hil.namespace import Namespace
from provisioning.page.door import OF_ONE_MAX
from provisioning.page.server import BODY_BYTES_MAX
from tests.conftest import absent
from tests.provisioning.page.rig import WAIT_S, Console, console, until

FORM = "application/x-www-form-urlencoded"


class Visitor:
    """Somebody who speaks to the page by hand."""

    def __init__(self, run: Console) -> None:
        self.run = run
        self.cookie = ""

    def ask(
        self, method: str, path: str, body: bytes | str = b"", **headers: str
    ) -> http.client.HTTPResponse:
        wire = http.client.HTTPSConnection(
            "127.0.0.1", self.run.port, timeout=WAIT_S, context=trusting()
        )
        given = {"Cookie": self.cookie} if self.cookie else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        wire.request(method, path, body, given)
        answer = wire.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        wire.close()
        return answer

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        return self.ask("GET", path, **headers)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> http.client.HTTPResponse:
        return self.ask("POST", path, urlencode(fields), **{"Content_Type": FORM, **headers})

    def sign_in(self) -> http.client.HTTPResponse:
        self.get("/sign-in")
        answer = self.post("/sign-in", {"code": self.run.code()})
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer

    def token(self) -> str:
        """What a form of this session carries."""
        page = text(self.get("/step/identity"))
        found = re.search(r'name="form" value="([0-9a-f]+)"', page)
        assert found, page
        return found[1]


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def text(answer: http.client.HTTPResponse) -> str:
    return str(answer.text)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("page")
    with console(folder / "gw", folder / "console.log") as started:
        yield started


@pytest.fixture
def visitor(run: Console) -> Visitor:
    return Visitor(run)


def test_the_console_tells_the_fingerprint_of_the_certificate_that_is_served(run: Console) -> None:
    pem = ssl.get_server_certificate(("127.0.0.1", run.port))
    assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() == run.fingerprint


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_old_tls_is_refused(run: Console) -> None:
    context = trusting()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    plain = socket.create_connection(("127.0.0.1", run.port), WAIT_S)
    with plain, pytest.raises(OSError):
        context.wrap_socket(plain)


@pytest.mark.parametrize(
    "path",
    ["/", "/step/identity", "/step/enrolment/file/qr-1.png", "/step/nowhere", "/nowhere", "//x"],
)
def test_without_a_session_there_is_the_page_to_sign_in(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
    assert "Identity" not in text(answer)


def test_without_a_session_nothing_is_done(visitor: Visitor) -> None:
    fields = {"gateway": "gw", "site": "S", "buses": "B", "form": "0" * 64}
    assert visitor.post("/step/identity/make", fields).status == 303
    assert visitor.get("/step/live/events").status == 204
    assert not visitor.run.log.with_name("gw").exists()


@pytest.mark.parametrize("path", ["/sign-in", "/static/page.css", "/nowhere", "/static/nothing"])
def test_every_answer_says_what_may_run(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "http" not in policy  # nothing from elsewhere
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers
    if not path.startswith("/static/page"):
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_pages_name_no_other_server(visitor: Visitor) -> None:
    visitor.sign_in()
    for path in ("/sign-in", "/step/identity", "/static/page.css", "/static/page.js"):
        assert "://" not in text(visitor.get(path)), path


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8444", "127.0.0.1.evil.example",
                                  "", "[::2]", "localhost.evil.example"])  # fmt: skip
def test_another_name_is_not_answered(visitor: Visitor, host: str) -> None:
    """DNS rebinding: a page elsewhere whose name leads here."""
    visitor.sign_in()
    answer = visitor.get("/step/identity", Host=host)
    assert answer.status in (400, 421)
    assert "Identity" not in text(answer)


@pytest.mark.parametrize("host", ["localhost:9443", "127.0.0.1", "LOCALHOST"])
def test_through_a_tunnel_it_is_answered(visitor: Visitor, host: str) -> None:
    assert visitor.get("/sign-in", Host=host).status == 200


def test_the_cookie_is_for_this_page_alone(visitor: Visitor) -> None:
    answer = visitor.sign_in()
    assert answer.status == 303
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-")
    for part in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


def test_a_code_is_not_taken_twice(visitor: Visitor) -> None:
    visitor.sign_in()
    code = visitor.run.code()
    answer = Visitor(visitor.run).post("/sign-in", {"code": code})
    assert answer.status == 403
    assert "was used" in text(answer)


@pytest.mark.parametrize("token", ["", "0" * 64, "\u00e9"])
def test_a_form_without_the_token_does_nothing(visitor: Visitor, token: str) -> None:
    visitor.sign_in()
    fields = {"gateway": "gw", "site": "S", "buses": "B", "form": token}
    answer = visitor.post("/step/identity/make", fields)
    assert answer.status == 403
    assert "Nothing was done" in text(answer)
    assert not visitor.run.log.with_name("gw").exists()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1"])
def test_a_form_from_elsewhere_does_nothing(visitor: Visitor, origin: str) -> None:
    visitor.sign_in()
    fields = {"gateway": "gw", "site": "S", "buses": "B", "form": visitor.token()}
    assert visitor.post("/step/identity/make", fields, Origin=origin).status == 403
    assert visitor.post("/sign-in", {"code": "00000000"}, Origin=origin).status == 403
    assert not visitor.run.log.with_name("gw").exists()


def test_asking_does_nothing(visitor: Visitor) -> None:
    """What changes anything is a POST."""
    visitor.sign_in()
    answer = visitor.get(f"/step/identity/make?gateway=gw&site=S&buses=B&form={visitor.token()}")
    assert answer.status == 405
    assert not visitor.run.log.with_name("gw").exists()


def test_a_later_browser_takes_over_and_the_first_is_told(visitor: Visitor) -> None:
    visitor.sign_in()
    other = Visitor(visitor.run)
    other.sign_in()
    assert other.get("/step/identity").status == 200
    answer = visitor.get("/step/identity")
    assert answer.headers["Location"] == "/sign-in?why=taken-over"
    assert "Another browser has signed in" in text(visitor.get(answer.headers["Location"]))


def test_signing_out_ends_the_session(visitor: Visitor) -> None:
    visitor.sign_in()
    assert visitor.post("/sign-out", {"form": visitor.token()}).status == 303
    assert visitor.get("/step/identity").status == 303


def test_what_is_too_long_is_refused_by_name(visitor: Visitor) -> None:
    visitor.sign_in()
    token = visitor.token()
    head = f"form={token}&buses=".encode()
    answer = visitor.ask(
        "POST", "/step/identity/make", head + bytes(BODY_BYTES_MAX), Content_Type=FORM
    )
    assert answer.status == 413
    assert "nothing was taken" in text(answer)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nnothing"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data\r\n\r\nx"),
        ("multipart/form-data; boundary=" + "b" * 200, b"--b--"),
        ("application/json", b'{"form": "x"}'),
        (FORM, b"%ff%fe=%80&a"),
        (f"{FORM}; charset=none", b"a=b"),
        (f"{FORM}; charset=utf-16", b"a=b"),
        (FORM, b"&".join(b"a%d=b" % at for at in range(2000))),
    ],
)
def test_what_is_no_form_is_refused_and_no_mistake(
    visitor: Visitor, kind: str, body: bytes
) -> None:
    visitor.sign_in()
    answer = visitor.ask("POST", "/step/identity/make", body, Content_Type=kind)
    assert 400 <= answer.status < 500, text(answer)
    answer = Visitor(visitor.run).ask("POST", "/sign-in", body, Content_Type=kind)
    assert 400 <= answer.status < 500, text(answer)
    assert "Traceback" not in visitor.run.log.read_text(encoding="utf-8")


def test_one_address_has_so_many_connections(run: Console) -> None:
    held: list[ssl.SSLSocket] = []
    try:
        until(lambda: is_full(run, held), "those of the tests before are gone")
        for _ in range(4):
            with pytest.raises((ConnectionError, ssl.SSLError)):  # at once
                held.append(session(run))
        assert [line for line in held if is_over(line)] == []
    finally:
        for line in held:
            line.close()
    until(lambda: Visitor(run).get("/sign-in").status == 200, "the page after that")


def session(run: Console) -> ssl.SSLSocket:
    """With TLS: without it no connection stays. Raises OSError."""
    line = socket.create_connection(("127.0.0.1", run.port), WAIT_S)
    try:
        return trusting().wrap_socket(line)
    except OSError:
        line.close()
        raise


def is_full(run: Console, held: list[ssl.SSLSocket]) -> bool:
    """Holds one more, if it may; whether that was the last."""
    with contextlib.suppress(OSError):
        held.append(session(run))
    return len(held) == OF_ONE_MAX


def is_over(line: ssl.SSLSocket) -> bool:
    """Whether the other side has hung up; tickets of TLS are not what is read."""
    line.settimeout(0)
    try:
        return line.recv(1) == b""
    except ssl.SSLWantReadError:
        return False


def test_who_says_nothing_is_gone_after_a_while(run: Console) -> None:
    with socket.create_connection(("127.0.0.1", run.port), WAIT_S) as silent:
        silent.settimeout(WAIT_S)
        assert silent.recv(1) == b""  # TLS was not begun in time


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "provisioning.cli", "serve", str(folder), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S, check=False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--listen", "0.0.0.0:0"), "wildcard"),
        (("--listen", "[::]:0"), "wildcard"),
        (("--listen", "::ffff:0.0.0.0:0"), "wildcard"),
        (("--listen", "224.0.0.1:8444"), "say one address"),
        (("--listen", "example.org:8444"), "not a name"),
        (("--listen", "127.0.0.1"), "HOST:PORT"),
        (("--listen", "127.0.0.1:99999"), "port 99999"),
        (("--listen", "192.0.2.1:0"), "cannot listen.*say an address of this machine"),
        (("--interface", "nothing0"), "not there; there are: .*lo"),
        (("--interface", "lo", "--listen", "127.0.0.1:0"), "not allowed"),
    ],
)
def test_where_it_may_not_listen_is_said_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = start(tmp_path / "gw", *arguments)
    assert done.returncode == 2
    assert re.search(told, done.stderr)
    assert done.stderr.count("\n") == 1


def test_the_maintenance_port_is_heard_and_no_other(tmp_path: Path) -> None:
    """Its address is this machine's at every port, and the station's network knows the way."""
    try:
        with Namespace() as gateway, Namespace() as station, Namespace() as laptop:
            wire(gateway, station, "station0", "192.0.2.1", "192.0.2.2")
            wire(gateway, laptop, "mgmt0", "198.51.100.1", "198.51.100.2")
            station.run("ip", "route", "add", "198.51.100.0/24", "via", "192.0.2.1")
            gateway.run("ip", "link", "set", "lo", "up")
            with gateway.inside():
                started = console(tmp_path / "gw", tmp_path / "log", "--interface", "mgmt0")
                run = started.__enter__()
            try:
                assert run.url == f"https://198.51.100.1:{run.port}/"
                with laptop.inside():
                    socket.create_connection(("198.51.100.1", run.port), WAIT_S).close()
                with station.inside(), pytest.raises(OSError):
                    socket.create_connection(("198.51.100.1", run.port), 2.0)
            finally:
                started.__exit__(None, None, None)
    except NeedError as fault:
        absent("a network of its own", str(fault))


def wire(gateway: Namespace, other: Namespace, name: str, ours: str, theirs: str) -> None:
    """A cable from the gateway to another machine."""
    gateway.cable(name, "far")
    fd = other.within[1].removeprefix("--net=")
    gateway.run("ip", "link", "set", "far", "netns", fd)
    gateway.run("ip", "address", "add", f"{ours}/24", "dev", name)
    other.run("ip", "address", "add", f"{theirs}/24", "dev", "far")
    other.run("ip", "link", "set", "far", "up")


def test_it_ends_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    with console(tmp_path / "gw", tmp_path / "log") as run:
        begun = time.monotonic()
        assert run.end() == 0
        assert time.monotonic() - begun < WAIT_S / 2
    assert {path.name for path in tmp_path.iterdir()} == {"log"}


def test_the_console_shows_a_qr_code_of_address_and_fingerprint(
    program: Callable[[str], Path], tmp_path: Path
) -> None:
    """As it is scanned from the screen; and the code to sign in is not in it."""
    argv = [sys.executable, "-m", "provisioning.cli", "serve", str(tmp_path / "gw")]
    said = tmp_path / "said"
    with said.open("wb") as out:
        process = subprocess.Popen([*argv, "--listen", "127.0.0.1:0"], stdout=out, stderr=out)
    try:
        until(lambda: "Code: " in said.read_text(encoding="utf-8"), "the code")
    finally:
        process.terminate()
        process.wait(WAIT_S)
    lines = said.read_text(encoding="utf-8").splitlines()
    drawn = [line for line in lines if line.strip() and not line.strip("\u2588\u2580\u2584 ")]
    width = max(map(len, drawn))
    # Light modules are what the console draws, two rows of them in a line.
    rows = [
        [255 if sign in light else 0 for sign in line.ljust(width)]
        for line in drawn
        for light in ("\u2588\u2580", "\u2588\u2584")
    ]
    large = [[value for value in row for _ in range(6)] for row in rows for _ in range(6)]
    image = tmp_path / "screen.pgm"
    head = f"P5 {len(large[0])} {len(large)} 255\n".encode()
    image.write_bytes(head + b"".join(map(bytes, large)))
    scan = [str(program("zbarimg")), "--quiet", "--raw", str(image)]
    read = subprocess.run(scan, capture_output=True, text=True, timeout=WAIT_S, check=True).stdout
    url = next(line for line in lines if "https://" in line).split()[-1]
    pairs = "".join(line.strip() for line in lines if re.fullmatch(r" *([0-9A-F]{2}:?)+", line))
    assert read.strip() == f"{url}#sha256={pairs.replace(':', '').lower()}"
    assert len(pairs.replace(":", "")) == 64
