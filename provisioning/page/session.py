"""Who may use the page: whoever reads the console. A code of 8 digits, once; then a session.

1. A code holds for 10 minutes and for one use, and is compared in constant time. Eight digits can
   be typed with gloves on a phone's number pad; they are few (27 bits), so five wrong tries end a
   code and the next is not made for a minute: an hour of guessing finds it once in 300,000.
2. A code stands on the console and nowhere else. While none holds, one is made when somebody opens
   the page to sign in.
3. There is one technician at a time: who signs in later takes over, and the browser before is told.
4. Each session has a token of its own that every form carries (CSRF), beside the cookie.

It knows no HTTP.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

CODE_DIGITS = 8
CODE_S = 600.0
TRIES_MAX = 5
REST_S = 60.0  # after so many wrong tries
IDLE_S = 3600.0  # an outage window, with nobody touching the page
SESSION_S = 8 * 3600.0  # a shift
_TOKEN_BYTES = 32
_TYPED_MAX = 64  # characters; longer is no code, with any spaces

Random = Callable[[int], bytes]


class RefusedError(Exception):
    """Not let in; the text says why, and what to do."""


@dataclass(slots=True)
class Session:
    """One browser that is let in. `said`: what the next page says first, once."""

    cookie: str
    form: str
    began_s: float
    seen_s: float
    said: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Code:
    digits: str
    made_s: float
    tries: int = 0


class Gate:
    """Codes and the one session. `tell`: puts a new code on the console."""

    def __init__(self, random: Random, tell: Callable[[str], None]) -> None:
        self._random, self._tell = random, tell
        self._code: _Code | None = None
        self._expired = False
        self._rest_until_s: float | None = None
        self._session: Session | None = None
        self._before = ""  # the cookie of the session that was taken over

    def offer(self, now_s: float) -> float:
        """Makes a code where none holds, and tells it. 0, or the seconds until there may be one."""
        if self._code is not None and now_s - self._code.made_s < CODE_S:
            return 0.0
        if self._rest_until_s is not None and now_s < self._rest_until_s:
            return self._rest_until_s - now_s
        self._rest_until_s = None
        number = int.from_bytes(self._random(16)) % 10**CODE_DIGITS
        digits = f"{number:0{CODE_DIGITS}d}"
        self._code = _Code(digits, now_s)
        self._tell(f"{digits[:4]} {digits[4:]}")
        return 0.0

    def enter(self, typed: str, now_s: float) -> Session:
        """The session of whoever typed the code. Raises RefusedError."""
        code, self._code = self._code, None
        if code is None:
            self._refuse_without(now_s)
            raise RefusedError("That code was used, or is none. A new one is on the console.")
        if now_s - code.made_s >= CODE_S:
            self.offer(now_s)
            raise RefusedError(
                f"That code has expired: it held for {CODE_S / 60:.0f} minutes."
                " A new one is on the console; type that."
            )
        if not _same("".join(typed[:_TYPED_MAX].split()), code.digits):
            raise self._wrong(code, now_s)
        return self._begin(now_s)

    def known(self, cookie: str, now_s: float, *, touched: bool = True) -> Session | None:
        """The session of a cookie, while it holds. `touched`: somebody is at the page."""
        session = self._session
        if session is None or not _same(cookie, session.cookie):
            return None
        if now_s - session.seen_s >= IDLE_S or now_s - session.began_s >= SESSION_S:
            self._session = None
            return None
        if touched:
            session.seen_s = now_s
        return session

    def was_taken_over(self, cookie: str) -> bool:
        """Whether this cookie was a browser's that a later one has replaced."""
        return bool(self._before) and _same(cookie, self._before)

    def leave(self) -> None:
        """Ends the session."""
        self._session = None

    def _begin(self, now_s: float) -> Session:
        self._before = self._session.cookie if self._session is not None else ""
        cookie, form = (self._random(_TOKEN_BYTES).hex() for _ in range(2))
        self._session = Session(cookie, form, now_s, now_s)
        return self._session

    def _wrong(self, code: _Code, now_s: float) -> RefusedError:
        code.tries += 1
        left = TRIES_MAX - code.tries
        if left > 0:
            self._code = code
            tries = "1 try is" if left == 1 else f"{left} tries are"
            return RefusedError(
                f"That is not the code. Read it again on the console; {tries} left."
            )
        self._rest_until_s = now_s + REST_S
        return RefusedError(
            f"That is not the code, and it holds no longer after {TRIES_MAX} wrong tries."
            f" Wait {REST_S:.0f} seconds, open this page again, and type the new code that the"
            " console shows then."
        )

    def _refuse_without(self, now_s: float) -> None:
        """Raises RefusedError while there may be no code; else makes one."""
        wait_s = self.offer(now_s)
        if wait_s:
            text = f"After {TRIES_MAX} wrong tries there is no code yet. Wait {wait_s:.0f} seconds"
            raise RefusedError(f"{text}, and open this page again.")


def matches(given: str, session: Session) -> bool:
    """Whether a form is of this session."""
    return _same(given, session.form)


def _same(given: str, ours: str) -> bool:
    """In constant time; a header's bytes that are no UTF-8 are compared as they are."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), ours.encode())
