"""The way to the record: its name resolved, a connection, TLS and its certificate, and the record's
own word, signed by the key of anchors.toml.

1. Step by step, so that the first that fails is named: a firewall is not a wrong certificate.
2. The request goes as the agent's do (agent.http, agent.nats), with its certificates.
3. An answer that the log's key did not sign is no answer: whoever speaks there is not the record.
"""

import asyncio
import contextlib
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from agent import cli
from agent.config import Gateway, Sketch
from agent.http import Tls, tls_context
from agent.transport import UplinkError
from evidence import cbor, checkpoint, cose, shape
from evidence.code import Typ
from evidence.config import ConfigError
from evidence.refusal import EvidenceError
from provisioning.argument import Now
from provisioning.preflight.outcome import Outcome, cannot_tell, fault, ok

CHECK = "route"
STEP_S = 10.0  # three SYNs, or a handshake over a slow line (agent.http)
ASK_S = 20.0
DAY_S = 86_400
CERTIFICATE_DAYS_MIN = 7  # one that ends before anybody comes back
MS = 1_000_000
EMPTY = "a first entry in its log, such as the test observation"
_PORTS = {"https": 443, "http": 80, "tls": 4222, "nats": 4222}


class _Place(NamedTuple):
    host: str
    port: int
    secure: bool


class _StepError(Exception):
    """What failed, and what to do."""

    def __init__(self, text: str, todo: str) -> None:
        super().__init__(text)
        self.todo = todo


async def check(sketch: Sketch, mono_ns: Now, now_s: int) -> Outcome:
    """`mono_ns`: for durations; `now_s`: UTC, since 1970."""
    try:
        place = _place(sketch.file.record.url)
        figures = await _steps(sketch, place, mono_ns, now_s)
        if not isinstance(sketch, Gateway):
            needs = "a credential, with which to ask the record: gridseal-provision enrol"
            return cannot_tell(CHECK, "", "; ".join(figures), needs)
        said = await _asked(sketch)
        figures.append(said or "its log is empty, so nothing that it says is signed")
    except _StepError as failed:
        return fault(CHECK, "", str(failed), failed.todo)
    except ConfigError as wrong:
        return fault(CHECK, "", str(wrong), "correct [record] in gateway.toml")
    if not said:
        return cannot_tell(CHECK, "", "; ".join(figures), EMPTY)
    return ok(CHECK, "", "; ".join(figures))


def _place(url: str) -> _Place:
    """Of a broker's several the first. Raises ConfigError."""
    first = url.split(",")[0].strip()
    try:
        parts = urlsplit(first)
        host, port = parts.hostname, parts.port
    except ValueError as wrong:
        raise ConfigError("gateway.toml", "record.url", "is no address") from wrong
    if not host or parts.scheme not in _PORTS:
        raise ConfigError("gateway.toml", "record.url", "is no address")
    return _Place(host, port or _PORTS[parts.scheme], parts.scheme in ("https", "tls"))


async def _steps(sketch: Sketch, place: _Place, mono_ns: Now, now_s: int) -> list[str]:
    """Raises _StepError, ConfigError."""
    loop, figures = asyncio.get_running_loop(), []
    try:
        begun = mono_ns()
        async with asyncio.timeout(STEP_S):
            found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        address = found[0][4][0]
        figures.append(f"{place.host} is {address} ({_ms(mono_ns() - begun)})")
    except (OSError, UnicodeError, TimeoutError) as failed:
        text = f"{place.host} cannot be resolved: {_why(failed)}"
        todo = "is the name right, and the network's name server reachable?"
        raise _StepError(text, todo) from failed
    where = f"{place.host}:{place.port}"
    try:
        begun = mono_ns()
        async with asyncio.timeout(STEP_S):
            _, writer = await asyncio.open_connection(place.host, place.port)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        figures.append(f"connected in {_ms(mono_ns() - begun)}")
    except (OSError, TimeoutError) as failed:
        todo = "is the record running, and does the firewall let this port through?"
        raise _StepError(f"{where} cannot be reached: {_why(failed)}", todo) from failed
    # A broker begins TLS within its own protocol: there its request says what is wrong.
    if place.secure and sketch.file.record.url.startswith("https:"):
        figures.append(await _handshake(sketch, place, now_s))
    return figures


async def _handshake(sketch: Sketch, place: _Place, now_s: int) -> str:
    """Raises _StepError, ConfigError."""
    section = sketch.file.record
    names = (section.ca, section.certificate, section.certificate_key)
    context = tls_context(Tls(*(sketch.path(name) if name else None for name in names)))
    try:
        async with asyncio.timeout(STEP_S):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=context)
    except ssl.SSLCertVerificationError as failed:
        todo = "is [record] ca the authority of its certificate, and this gateway's clock right?"
        text = f"its certificate is not believed: {failed.verify_message}"
        raise _StepError(text, todo) from failed
    except (OSError, TimeoutError) as failed:
        todo = "is it the record that listens there, and does it ask for a certificate of ours?"
        raise _StepError(f"TLS fails: {_why(failed)}", todo) from failed
    session = writer.get_extra_info("ssl_object")
    told = session.getpeercert() or {}
    version = session.version()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    left_s = int(ssl.cert_time_to_seconds(str(told["notAfter"]))) - now_s
    figure = f"{version}, its certificate ends in {left_s // DAY_S} days"
    if left_s < CERTIFICATE_DAYS_MIN * DAY_S:
        todo = "have the record's certificate renewed"
        raise _StepError(f"{figure}; limit {CERTIFICATE_DAYS_MIN} days", todo)
    return figure


async def _asked(gateway: Gateway) -> str:
    """What the record says of its log; empty while that is. Raises _StepError, ConfigError."""
    client = cli.transport(gateway, gateway.credential.says.key)
    todo = "is it the record that answers there, and is it well?"
    try:
        answer = await client.request("GET", "/v1/checkpoint?size=0", None, ASK_S)
        if answer.status != 200:
            raise _StepError(f"the record answers {answer.status} for its checkpoint", todo)
        return _checkpoint(gateway, answer.body)
    except UplinkError as failed:
        raise _StepError(str(failed), todo) from failed
    except EvidenceError as failed:
        todo = "compare [log] in anchors.toml with the record's own fingerprint"
        raise _StepError(f"not the record that anchors.toml names: {failed}", todo) from failed
    finally:
        await client.close()


def _checkpoint(gateway: Gateway, body: bytes) -> str:
    """Raises EvidenceError."""
    size, _, signed, _ = shape.array(cbor.decode(body), "checkpoint", 4)
    if signed is None and size == 0:
        return ""
    message = cose.read_statement(shape.blob(signed, "checkpoint"), Typ.CHECKPOINT)
    cose.check(message, gateway.anchors.log_key)
    return f"the record answers: {checkpoint.read(message.payload).size} entries, signed"


def _why(failed: BaseException) -> str:
    if isinstance(failed, TimeoutError):
        return f"no answer within {STEP_S:.0f} s"
    return str(getattr(failed, "strerror", None) or failed)


def _ms(ns: int) -> str:
    return f"{ns / MS:.0f} ms"
