"""A program beside this one that speaks to a store, and what is asked of it.

1. What a store brings into memory (a vendor's module, Argon2id) is never in this process: it cannot
   crash it, block its threads, or stay. A call that takes longer than CALL_S ends the program.
2. Secrets go through a pipe: never as arguments, never in the environment.
3. After a fault the program is ended and the next call starts another: a token that was unplugged
   is found again only by a module that is loaded anew.

It retries nothing: one call is one try at a PIN.
"""

import contextlib
import os
import selectors
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any

from drivers.keystore import message
from drivers.keystore.message import Code
from drivers.keystore.uri import AwayError, KeyStoreError, PinError

# A TPM takes up to some seconds to make a key, a network HSM to answer; beyond this it hangs.
CALL_S = 30.0
END_S = 2.0  # how long a program may take to end once its pipe is closed
_FAULTS = {Code.FAULT: KeyStoreError, Code.AWAY: AwayError, Code.PIN: PinError}


class Process:
    """One program, started when it is first asked. `module`: what speaks to the store, in it."""

    def __init__(self, place: str, module: str, stays: bool = False) -> None:
        self._place, self._module, self._stays = place, module, stays
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._lock = threading.Lock()

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def call(self, name: str, told: list[Any], secret: bytes | None) -> Any:
        """What the module's function of that name gives. Raises KeyStoreError."""
        with self._lock:
            code = Code.AWAY
            try:
                code, value = self._asked(message.encode([self._module, name, told, secret]))
            finally:
                if code != Code.OK or not self._stays:
                    self._end()
        if code != Code.OK:
            raise _FAULTS[code](self._place, value)
        return value

    def close(self) -> None:
        """Ends the program, and a call that is under way, in another thread, with AwayError: who
        closes does not wait for a store that hangs. No other call may follow.
        """
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._lock.release()
        elif child := self._child:
            child.kill()

    def _asked(self, request: bytes) -> tuple[Code, Any]:
        child = self._running()
        try:
            _give(child, request)
            return message.read_reply(_take(child))
        except TimeoutError as late:
            text = f"did not answer within {CALL_S:.0f} s"
            raise AwayError(self._place, text) from late
        except (OSError, EOFError, message.MessageError) as fault:
            child.kill()
            text = f"the program that speaks to it ended ({child.wait()}); its words are in the log"
            raise AwayError(self._place, text) from fault

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._child is None:
            # -I: neither the working folder nor the environment says what code that is.
            argv = [sys.executable, "-I", "-m", "drivers.keystore.child"]
            environment = {"TSS2_LOG": "all+none", **os.environ}
            pipe = subprocess.PIPE
            try:
                self._child = subprocess.Popen(
                    argv, stdin=pipe, stdout=pipe, env=environment, bufsize=0,
                    start_new_session=True,  # Ctrl-C in a terminal is for who waits, not for it
                )  # fmt: skip
            except OSError as fault:
                text = f"no program can be started to speak to it: {fault.strerror}"
                raise AwayError(self._place, text) from fault
            if self._closed:  # meanwhile
                self._child.kill()
        return self._child

    def _end(self) -> None:
        """Lets go of the program: its pipe is closed, and what does not end then is killed."""
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            child.wait(END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            # One that the kernel holds, in a TPM's driver, dies later: Python collects it then.
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(END_S)


def _give(child: "subprocess.Popen[bytes]", request: bytes) -> None:
    """All of a request. Raises OSError, or TimeoutError where nobody takes it."""
    if child.stdin is None:
        raise EOFError
    rest = memoryview(request)
    handle = child.stdin.fileno()
    os.set_blocking(handle, False)
    while rest:
        _wait(handle, selectors.EVENT_WRITE)
        rest = rest[os.write(handle, rest) :]


def _take(child: "subprocess.Popen[bytes]") -> bytes:
    """One reply. Raises EOFError, TimeoutError, MessageError."""
    if child.stdout is None:
        raise EOFError
    handle, data = child.stdout.fileno(), b""
    while True:
        _wait(handle, selectors.EVENT_READ)
        more = os.read(handle, message.READ_BYTES)
        if not more:
            raise EOFError
        data += more
        if message.whole(data):
            return data


def _wait(handle: int, event: int) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(handle, event)
        if not selector.select(CALL_S):
            raise TimeoutError
