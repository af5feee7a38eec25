"""A request taken to an authority's server, and its answer brought back, over HTTPS.

1. The server's certificate is compared with the invitation before a byte of code or request goes
   out. Names and dates in it are not asked: the invitation is of this very certificate, and the
   gateway may have no clock and nobody to believe yet.
2. Whatever goes wrong is named, and the same request may be taken there again.

What is in the answer provisioning.enrol.answer judges.
"""

import http.client
import json
import ssl
from typing import NoReturn

from provisioning.authority import link
from provisioning.authority.link import Link
from provisioning.enrol import parcel
from provisioning.source import RequestError
from provisioning.terminal import printable

TIMEOUT_S = 20.0  # of a connection, and of each wait in it: an authority's token may take seconds
_TEXT_MAX = 300  # characters of what a server says
_REFUSAL_BYTES_MAX = 4096


def fetched(to: Link, encoded: bytes, timeout_s: float = TIMEOUT_S) -> bytes:
    """The answer's statement. Raises RequestError."""
    place = f"{to.host}:{to.port}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # rule 1
    connection = http.client.HTTPSConnection(to.host, to.port, timeout=timeout_s, context=context)
    try:
        connection.connect()
        _check_server(connection, to, place)
        headers = {"Authorization": f"Bearer {to.code}", "Content-Type": "application/octet-stream"}
        connection.request("POST", link.PATH, parcel.pack(encoded), headers)
        answer = connection.getresponse()
        if answer.status != 200:
            _refused(answer.status, answer.read(_REFUSAL_BYTES_MAX), place)
        return parcel.unpack(answer.read(parcel.PARCEL_BYTES_MAX + 1))
    except ssl.SSLError as fault:
        raise RequestError(f"{place}: no TLS there: {fault.reason or fault}") from fault
    except TimeoutError as fault:
        raise RequestError(f"{place}: no answer within {timeout_s:g} s; try again") from fault
    except (OSError, UnicodeError) as fault:  # of a name that is none in IDNA
        text = (fault.strerror if isinstance(fault, OSError) else "") or str(fault)
        raise RequestError(f"{place}: not reached: {text}; try again, or go by file") from fault
    except http.client.HTTPException as fault:
        raise RequestError(f"{place}: what answers speaks no HTTP; try again") from fault
    finally:
        connection.close()


def _check_server(connection: http.client.HTTPSConnection, to: Link, place: str) -> None:
    socket = connection.sock
    shown = socket.getpeercert(binary_form=True) if isinstance(socket, ssl.SSLSocket) else None
    if shown is None or not to.finds(shown):
        text = "another server than the one that invited answers there; nothing was sent to it"
        raise RequestError(f"{place}: {text}")


def _refused(status: int, body: bytes, place: str) -> NoReturn:
    """Raises RequestError, with the authority's own words where it said some."""
    try:
        told = json.loads(body)
        reason, text = str(told["reason"]), str(told["text"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RequestError(f"{place}: the server answers {status}; try again") from None
    raise RequestError(printable(f"{reason}: {text}"[:_TEXT_MAX]))
