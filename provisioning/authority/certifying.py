"""`authority certificate`: a key and a certificate for a connection: of a record's server, or of a
client that is no gateway (gateways ask by their request).

They are made here and handed over as two files; the key has mode 0600, and is kept nowhere else.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from drivers.keystore import file as keyfile
from drivers.keystore import uri
from evidence.leap import NS
from provisioning.argument import Now, Parser, UsageError, only
from provisioning.authority import folder, outfile
from provisioning.authority.issue import add_common
from provisioning.authority.refusal import RefusedError
from provisioning.credential import instant
from provisioning.init import check_name
from provisioning.key import asker
from provisioning.terminal import Terminal

_SERIAL_BYTES = 16
_DAY_S = 86_400


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `authority certificate`."""
    asked = only(_parser(), argv)
    out, now_s = Terminal(asked.json), now() // NS
    hosts = [*asked.dns, *asked.ip]
    if bool(hosts) == asked.client:
        raise UsageError("say where the server is, by --dns or --ip; or that it is a --client")
    check_name("certificate", asked.name)
    of = folder.read(asked.authority)
    if of.file.tls is None:
        raise RefusedError("no_tls", f"{asked.authority} makes no certificates: no [tls]")
    key_path = asked.key or asked.out.with_suffix(".key")
    for path in (asked.out, key_path):
        outfile.check_absent(path)
    told = {"name": asked.name, "certificate": str(asked.out), "key": str(key_path)}
    if asked.dry_run:
        out.say(f"Would make {asked.out} and {key_path} for {', '.join(hosts) or asked.name}.")
        out.object(told | {"done": False})
        return 0
    from provisioning.authority import certificate

    ca = certificate.ders(of.folder / of.file.tls.certificate)[0]
    tls = uri.open_signer(of.file.tls.key, of.folder, asker())
    private, pem = certificate.new_key()
    serial = os.urandom(_SERIAL_BYTES)
    public = private.public_key()
    if asked.client:
        until_s = now_s + of.file.tls.days * _DAY_S
        made = certificate.client(asked.name, public, ca, tls, now_s, until_s, serial)
    else:
        made = certificate.server(asked.name, hosts, public, ca, tls, now_s, serial)
    outfile.write(key_path, pem, keyfile.MODE)
    outfile.write(asked.out, certificate.pem(made, ca))
    until = certificate.ends_s(made)
    out.say(
        f"Made {asked.out} and {key_path}, good until {instant(until)}.",
        f"Who connects is to believe {of.folder / of.file.tls.certificate}.",
    )
    out.object(told | {"done": True, "expires_s": until})
    return 0


def _parser() -> Parser:
    about = "Makes a key and a certificate for a connection, of a record's server or of a client."
    command = Parser(prog="gridseal-provision authority certificate", description=about,
                     allow_abbrev=False)  # fmt: skip
    add = command.add_argument
    add("name", metavar="NAME", help="whose it is")
    add("--dns", metavar="HOST", action="append", default=[], help="of a server; repeat")
    add("--ip", metavar="ADDRESS", action="append", default=[], help="of a server; repeat")
    add("--client", action="store_true", help="of a client that is no gateway")
    add("--out", type=Path, metavar="FILE", required=True, help="the certificate, in PEM")
    add("--key", type=Path, metavar="FILE", help="default: beside it, ending in .key")
    add_common(command)
    return command
