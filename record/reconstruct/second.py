"""A second process, for work that can be done beside what the first does.

1. It is forked, so it knows what the first knows: it is told by messages, and answers once, at the
   end. It opens nothing that the first has open, and never touches the first's database.
2. A fault there is the same fault here. What ends it otherwise, a signal say, is a
   ChildProcessError that names it. Nothing of its work is then used.
3. It does not outlive the first: where its messages end before they were said to end, it ends; and
   whoever gives it up kills it. Every way out of `with` has waited for it.

What is done in it is given by whoever starts it, and gives the same as if it were done here.
"""

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from struct import Struct
from types import TracebackType
from typing import IO, Any, NoReturn

from evidence.code import Reason
from evidence.refusal import EvidenceError
from record.database import StoreError

Work = Callable[[Iterator[bytes]], object]
HELD_BYTES = 1 << 20  # of messages, before the pipe is given them: some batches
_LENGTH = Struct(">I")
_ANSWER, _FAULT = b"\x00", b"\x01"
_KILLED = 1  # exit status of one that nobody waits for


class _GoneError(Exception):
    """The first process has ended, or wants nothing any more."""


class Second:
    """One process. `name`: what it does, for people."""

    def __init__(self, name: str, work: Work) -> None:
        """Raises OSError."""
        self._name = name
        theirs, ours = os.pipe()
        answer, answering = os.pipe()
        sys.stdout.flush()
        self._pid = os.fork()
        if not self._pid:
            os.close(ours)
            os.close(answer)
            _live(work, open(theirs, "rb"), open(answering, "wb"))  # noqa: SIM115
        os.close(theirs)
        os.close(answering)
        self._tell = open(ours, "wb", buffering=HELD_BYTES)  # noqa: SIM115
        self._hear = open(answer, "rb")  # noqa: SIM115

    def __enter__(self) -> "Second":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it, if it has not ended."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._wait()
        self._close()
        self._hear.close()

    def tell(self, message: bytes) -> None:
        """A message of a byte or more. Waits where it has much to do. Raises as `answer` does,
        where it has ended."""
        try:
            self._tell.write(_LENGTH.pack(len(message)))
            self._tell.write(message)
        except BrokenPipeError:
            self.answer()
            raise ChildProcessError(f"the process that {self._name} ended early") from None

    def answer(self) -> Any:
        """What its work came to. Raises StoreError, EvidenceError, OSError."""
        try:
            self._tell.write(_LENGTH.pack(0))
            self._tell.flush()
        except BrokenPipeError:
            pass  # it says why, or how it ended
        said = self._hear.read()
        status = self._wait()
        if status or not said:
            raise ChildProcessError(f"the process that {self._name} ended {_ended(status)}")
        value = pickle.loads(said[1:])  # noqa: S301 (of our own fork)
        if said[:1] == _FAULT:
            raise _fault(*value)
        return value

    def _wait(self) -> int:
        pid, self._pid = self._pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if pid else 0

    def _close(self) -> None:
        try:
            self._tell.close()
        except BrokenPipeError:
            pass  # what was still to be told is told to nobody


def _live(work: Work, messages: IO[bytes], answer: IO[bytes]) -> NoReturn:
    """The life of the process; nothing that the first has open is closed or flushed here."""
    status = _KILLED
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first hears it too, and ends this one
        try:
            said = _ANSWER + pickle.dumps(work(_read(messages)))
        except (EvidenceError, StoreError, OSError) as fault:
            said = _FAULT + pickle.dumps(_parts(fault))
        answer.write(said)
        answer.flush()
        status = 0
    except (_GoneError, BrokenPipeError):
        pass
    finally:
        if sys.exc_info()[0] is not None:  # a bug: told as any is
            traceback.print_exc()
        os._exit(status)


def _read(messages: IO[bytes]) -> Iterator[bytes]:
    while True:
        head = messages.read(_LENGTH.size)
        size = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
        if not size:
            if len(head) < _LENGTH.size:
                raise _GoneError
            return
        message = messages.read(size)
        if len(message) < size:
            raise _GoneError
        yield message


def _parts(fault: EvidenceError | StoreError | OSError) -> tuple[Any, ...]:
    if isinstance(fault, EvidenceError):
        return "evidence", int(fault.reason), fault.text
    if isinstance(fault, OSError) and fault.errno is not None:
        return "os", fault.errno, fault.strerror, fault.filename
    return ("store" if isinstance(fault, StoreError) else "os"), str(fault)


def _fault(kind: str, *parts: Any) -> Exception:
    if kind == "evidence":
        return EvidenceError(Reason(parts[0]), parts[1])
    return StoreError(*parts) if kind == "store" else OSError(*parts)


def _ended(status: int) -> str:
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"with status {status}"


def beside(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """What two jobs come to, the second of them in a second process. Raises as `Second.answer`."""
    here, there = jobs

    def work(messages: Iterator[bytes]) -> Any:
        threading.Thread(target=_ends_with, args=(messages,), daemon=True).start()
        return there()

    with Second("checks beside", work) as second:
        return [here(), second.answer()]


def _ends_with(messages: Iterator[bytes]) -> None:
    """Of work that reads no message: ends this process where the first has ended."""
    try:
        for _ in messages:
            pass
    except _GoneError:
        os._exit(_KILLED)


def processes() -> int:
    """How many may work at a time: one where the machine, or what is given of it, has one core."""
    return min(len(os.sched_getaffinity(0)), 2)
