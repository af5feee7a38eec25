"""Real stores of keys, for tests: a SoftHSM2 token and a swtpm, each in a folder of the test, to be
taken away and brought back.

1. Another program's tool makes the token; the shipped code, and python-pkcs11 in a process of its
   own where a test needs an odd key, do the rest.
2. Nothing is left running, and no other token of this machine is seen.
"""

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from agent.config import read_credential
from drivers.keystore import file as keyfile
from drivers.keystore.uri import make
from evidence import cbor, cose
from evidence.code import Typ
from evidence.key import PublicKey
from hil.loopback import free_port
from provisioning.init import AUTHORITY_KEY, CREDENTIAL, DEVICE_KEY, GATEWAY
from tests.conftest import absent

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN, WRONG, OFFICER = "4711-gridseal", "0815-gridseal", "officer-0000"
LABEL = "gateway 1"
START_S, TOOL_S = 20.0, 30.0
CONFIGURATION = "SOFTHSM2_CONF"
# PKCS#11 v2.40 3.2: flags of a token.
PIN_FINAL_TRY, PIN_LOCKED = 0x20000, 0x40000
# In SoftHSM2's files an attribute is its type and the kind of its value in 8 bytes each, then the
# value: the flags are CKA_OS_TOKENFLAGS, a number of 8 bytes.
_FLAGS_HEAD = bytes.fromhex("000000008000534b 0000000000000002")
Program = Callable[[str], Path]

_ODD = """
import sys, pkcs11
from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11.util.ec import encode_named_curve_parameters
module, label, pin = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=label).open(rw=True, user_pin=pin) as session:
{code}
"""


class Token:
    """A SoftHSM2 token. `environment` names its configuration to who is to see it."""

    def __init__(self, folder: Path, tool: Path) -> None:
        self.folder, self._tokens, self._away = folder, folder / "tokens", folder / "away"
        self._tokens.mkdir(parents=True)
        self._configuration = folder / "softhsm2.conf"
        self._configuration.write_text(
            f"directories.tokendir = {self._tokens}\nobjectstore.backend = file\n"
        )
        self.environment = {CONFIGURATION: str(self._configuration)}
        said = ["--init-token", "--free", "--label", LABEL, "--so-pin", OFFICER, "--pin", PIN]
        self._run([str(tool), *said])
        self.pin_file = folder / "pin"
        self.set_pin(PIN)

    def set_pin(self, pin: str) -> None:
        self.pin_file.write_text(pin + "\n")
        self.pin_file.chmod(0o600)

    def uri(self, label: str = "device", source: str | None = "") -> str:
        """`source`: of the PIN; the file with it by default, None: none."""
        name = LABEL.replace(" ", "%20")
        text = f"pkcs11:token={name};object={label}?module-path={MODULE}"
        if source is None:
            return text
        return f"{text}&pin-source={source or f'file:{self.pin_file}'}"

    def take_away(self) -> None:
        self._tokens.rename(self._away)
        self._tokens.mkdir()

    def bring_back(self) -> None:
        self._tokens.rmdir()
        self._away.rename(self._tokens)

    def make(self, code: str) -> None:
        """Makes an odd key: a line of python-pkcs11 that has a `session`."""
        body = "".join(f"    {line}\n" for line in code.strip().splitlines())
        self._run([sys.executable, "-c", _ODD.format(code=body), str(MODULE), LABEL, PIN])

    def set_flags(self, flags: int) -> None:
        """Sets flags that the token tells of itself, as a token with a count of tries does."""
        (path,) = self._tokens.glob("*/token.object")
        data = bytearray(path.read_bytes())
        at = data.index(_FLAGS_HEAD) + len(_FLAGS_HEAD)
        there = int.from_bytes(data[at : at + 8], "big")
        data[at : at + 8] = (there & ~(PIN_FINAL_TRY | PIN_LOCKED) | flags).to_bytes(8, "big")
        path.write_bytes(data)

    def _run(self, argv: list[str]) -> None:
        environment = {**os.environ, **self.environment}
        subprocess.run(argv, env=environment, check=True, timeout=TOOL_S, capture_output=True)


class Chip:
    """A swtpm on a TCP port, its state in a folder."""

    def __init__(self, folder: Path, program: Path) -> None:
        self._folder, self._program = folder, program
        folder.mkdir(parents=True)
        self.port = _free_pair()
        self._process: subprocess.Popen[bytes] | None = None
        self.pin_file = folder / "pin"
        self.set_pin(PIN)
        self.start()

    def set_pin(self, pin: str) -> None:
        self.pin_file.write_text(pin)
        self.pin_file.chmod(0o600)

    def uri(self, key: str = "device.tpm", pin: bool = False) -> str:
        tcti = f"tcti=swtpm:host=127.0.0.1,port={self.port}"
        return f"tpm:{key}?{tcti}" + (f"&pin-source=file:{self.pin_file}" if pin else "")

    def start(self) -> None:
        state = ["--tpmstate", f"dir={self._folder}"]
        server = [f"type=tcp,port={self.port + more},bindaddr=127.0.0.1" for more in (0, 1)]
        lines = ["--server", server[0], "--ctrl", server[1]]
        flags = ["--flags", "not-need-init,startup-clear"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "socket", "--tpm2", *state, *lines, *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._until_it_listens()

    def _until_it_listens(self) -> None:
        """By its control port: the other takes one connection at a time."""
        until = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port + 1), START_S).close()
                return
            except OSError:
                assert self._process is not None and self._process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.01)

    def stop(self) -> None:
        """It answers nothing, and its line stays."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def take_away(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(TOOL_S)
            self._process = None

    def bring_back(self) -> None:
        self.start()


def _free_pair() -> int:
    """A port of which the next is free too: there tss2-tcti-swtpm(7) looks for the other line."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError, OverflowError), socket.socket() as line:
            line.bind(("127.0.0.1", port + 1))
            return port


def hand_over(site: Path, uri: str) -> PublicKey:
    """A new key in a store, in the place of the device key that init made: its credential by the
    authority's key, its URI in gateway.toml.
    """
    public = make(uri, site)
    there = read_credential(site / CREDENTIAL)
    authority = keyfile.read(site / AUTHORITY_KEY)
    signed = cose.sign(Typ.CREDENTIAL, replace(there.says, key=public).payload(), authority)
    (site / CREDENTIAL).write_bytes(cbor.encode([signed, there.pairs]))
    text, named = (site / GATEWAY).read_text(), f'key = "file:{DEVICE_KEY}"'
    assert text.count(named) == 1
    (site / GATEWAY).write_text(text.replace(named, f'key = "{uri}"'))
    return public


@contextmanager
def token(folder: Path, program: Program) -> Iterator[Token]:
    """A token that this process and those that it starts see, and no other."""
    tool = program("softhsm2-util")
    if not MODULE.exists():
        absent(str(MODULE), "type: sudo make debian")
    found = Token(folder, tool)
    before = os.environ.get(CONFIGURATION)
    os.environ.update(found.environment)
    try:
        yield found
    finally:
        if before is None:
            del os.environ[CONFIGURATION]
        else:
            os.environ[CONFIGURATION] = before


@contextmanager
def chip(folder: Path, program: Program) -> Iterator[Chip]:
    if importlib.util.find_spec("tpm2_pytss") is None:
        absent("tpm2-pytss", "type: make tpm")
    found = Chip(folder, program("swtpm"))
    try:
        yield found
    finally:
        found.take_away()
