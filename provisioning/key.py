"""`gridseal-provision key`: makes a key where a URI says, and shows the public half of one.

1. A private key is born in its store and stays there; nothing here holds one, prints one or copies
   one. A store's key is in no backup of ours: when the store is lost, another key is made.
2. A PIN or passphrase is asked at the terminal, without echo, where the URI names no other source;
   it is never an argument.
3. What is printed of a URI and a key may be read by anybody.
"""

import argparse
import getpass
import json
import os
from collections.abc import Sequence
from pathlib import Path

from drivers.keystore import uri
from drivers.keystore.uri import Ask, KeyStoreError
from evidence.code import ALG_ED25519
from evidence.key import PublicKey
from provisioning.argument import Now, Parser, check_command, parsed

PROG = "gridseal-provision key"
_TERMINAL = "/dev/tty"
_URIS = """\
  file:device.key                                        a file, mode 0600
  file:root.key?passphrase-source=ask                    a file, sealed by a passphrase
  pkcs11:token=gw;object=device?module-path=/PATH.so     a PKCS#11 token
  tpm:device.tpm                                         this machine's TPM, its blob in a file
  tpm:0x81008001                                         the TPM, at a persistent handle
A PIN: pin-source=credential:NAME (systemd's), file:PATH (mode 0600), or ask."""


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `key`. Raises UsageError, KeyStoreError."""
    parser, commands = _parsers()
    argv = argv or ["--help"]
    check_command(parser, commands, argv)
    asked = parsed(parser, commands, argv)
    ask = asker()
    if asked.command == "new":
        public = uri.make(asked.uri, asked.base, ask)
    elif asked.prove:
        public = uri.open_signer(asked.uri, asked.base, ask).public
    else:
        public = uri.show(asked.uri, asked.base, ask)
    print(json.dumps(_json(asked, public)) if asked.json else "\n".join(_lines(asked, public)))
    return 0


def asker() -> Ask | None:
    """Asks whoever sits at the terminal; None where there is none."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return None

    def ask(words: str) -> str:
        try:
            return getpass.getpass(words)
        except (EOFError, KeyboardInterrupt) as fault:
            raise KeyStoreError(
                words.rstrip(": "), "nothing was typed, and nothing done"
            ) from fault
        except UnicodeError as fault:
            text = "what was typed is not UTF-8; nothing was done"
            raise KeyStoreError(words.rstrip(": "), text) from fault

    return ask


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    raw = argparse.RawDescriptionHelpFormatter
    about = "Makes a key where a URI says, or shows the public half of one."
    parser = Parser(
        prog=PROG, description=about, epilog=_URIS, formatter_class=raw, allow_abbrev=False
    )
    several = parser.add_subparsers(dest="command", metavar="new | show", required=True)
    commands = {}
    for name, text in (
        ("new", "make a new key; never over another"),
        ("show", "show the public key, its id and its fingerprint"),
    ):
        command = several.add_parser(
            name, help=text, description=text, epilog=_URIS, formatter_class=raw, allow_abbrev=False
        )
        command.add_argument("uri", metavar="URI", help="where the key is, or is to be")
        told = "of relative paths, as gateway.toml's folder is; default: the working folder"
        command.add_argument("--base", type=Path, metavar="DIR", default=Path(), help=told)
        command.add_argument("--json", action="store_true", help="one JSON object instead of words")
        commands[name] = command
    told = "open it as a gateway does, with its PIN, and have it sign once"
    commands["show"].add_argument("--prove", action="store_true", help=told)
    return parser, commands


def _lines(asked: argparse.Namespace, public: PublicKey) -> list[str]:
    """What a person reads."""
    text = [
        f"{'Made' if asked.command == 'new' else 'Key':12} {uri.shown(asked.uri)}",
        f"Public key   {_algorithm(public)} {public.raw.hex()}",
        f"Key id       {public.kid.hex()}",
        f"Fingerprint  {public.fingerprint} (SHA-256 of the raw public key)",
    ]
    if asked.command == "show" and asked.prove:
        text.append("It signs.")
    return text


def _json(asked: argparse.Namespace, public: PublicKey) -> dict[str, object]:
    return {
        "uri": uri.shown(asked.uri),
        "algorithm": _algorithm(public),
        "public_key": public.raw.hex(),
        "kid": public.kid.hex(),
        "fingerprint": public.fingerprint,
        "made": asked.command == "new",
        "proved": asked.command == "new" or asked.prove,
    }


def grouped(fingerprint: str) -> list[str]:
    """A fingerprint as it is read out: in groups of four, half of it a line."""
    groups = [fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4)]
    half = len(groups) // 2
    return [" ".join(groups[:half]), " ".join(groups[half:])]


def _algorithm(public: PublicKey) -> str:
    return "Ed25519" if public.alg == ALG_ED25519 else "P-256"
