"""Codes and sessions by themselves: what they refuse, and when."""

import os
from collections.abc import Callable

import pytest

from provisioning.page.session import (
    CODE_DIGITS,
    CODE_S,
    IDLE_S,
    REST_S,
    SESSION_S,
    TRIES_MAX,
    Gate,
    RefusedError,
    Session,
    matches,
)


class Console:
    """A gate, and what stood on its console."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.gate = Gate(os.urandom, self.codes.append)

    def enter(self, now_s: float) -> Session:
        self.gate.offer(now_s)
        return self.gate.enter(self.codes[-1], now_s)


@pytest.fixture
def console() -> Console:
    return Console()


def wrong(code: str) -> str:
    """A code that is none."""
    return f"{(int(code.replace(' ', '')) + 1) % 10**CODE_DIGITS:0{CODE_DIGITS}d}"


def refused(act: Callable[[], object], text: str) -> None:
    with pytest.raises(RefusedError, match=text):
        act()


def test_a_code_lets_in_once(console: Console) -> None:
    session = console.enter(0.0)
    assert console.gate.known(session.cookie, 1.0) is session
    refused(lambda: console.gate.enter(console.codes[0], 1.0), "used")


def test_a_code_may_be_typed_with_and_without_its_space(console: Console) -> None:
    console.gate.offer(0.0)
    assert console.gate.enter(f" {console.codes[0].replace(' ', '')} ", 1.0).cookie
    console.gate.offer(2.0)
    assert console.gate.enter(console.codes[1], 3.0).cookie


def test_codes_differ_and_have_eight_digits(console: Console) -> None:
    for at in range(20):
        console.gate.offer(at * CODE_S)
    assert len(set(console.codes)) == 20
    assert all(len(code.replace(" ", "")) == CODE_DIGITS for code in console.codes)


def test_a_code_that_expired_is_named_and_replaced(console: Console) -> None:
    console.gate.offer(0.0)
    refused(lambda: console.gate.enter(console.codes[0], CODE_S), "expired.*10 minutes.*console")
    assert len(console.codes) == 2
    assert console.gate.enter(console.codes[1], CODE_S + 1).cookie


def test_opening_the_page_twice_makes_no_second_code(console: Console) -> None:
    for at in (0.0, 1.0, CODE_S - 1):
        console.gate.offer(at)
    assert len(console.codes) == 1


def test_five_wrong_tries_end_a_code_and_the_next_takes_a_minute(console: Console) -> None:
    console.gate.offer(0.0)
    code = console.codes[0]
    for left in range(TRIES_MAX - 1, 0, -1):
        refused(lambda: console.gate.enter(wrong(code), 1.0), rf"\b{left} tr")
    refused(lambda: console.gate.enter(wrong(code), 1.0), "no longer")
    refused(lambda: console.gate.enter(code, 2.0), "Wait")  # even the right one
    assert console.gate.offer(30.0) == pytest.approx(REST_S - 29.0)
    assert len(console.codes) == 1
    assert console.gate.offer(1.0 + REST_S) == 0.0
    assert console.gate.enter(console.codes[1], 2.0 + REST_S).cookie


@pytest.mark.parametrize("typed", ["", " ", "0" * 9, "1" * 100_000, "\u0660" * 8, "\ud800", "a\0b"])
def test_what_is_no_code_is_refused(console: Console, typed: str) -> None:
    console.gate.offer(0.0)
    refused(lambda: console.gate.enter(typed, 1.0), "not the code")


def test_who_signs_in_later_takes_over(console: Console) -> None:
    first, second = console.enter(0.0), console.enter(5.0)
    assert console.gate.known(first.cookie, 6.0) is None
    assert console.gate.was_taken_over(first.cookie)
    assert console.gate.known(second.cookie, 6.0) is second
    assert not console.gate.was_taken_over(second.cookie)


def test_a_session_ends_by_itself(console: Console) -> None:
    idle = console.enter(0.0)
    assert console.gate.known(idle.cookie, IDLE_S - 1) is idle
    assert console.gate.known(idle.cookie, 2 * IDLE_S - 2) is idle  # it was touched meanwhile
    assert console.gate.known(idle.cookie, 3 * IDLE_S) is None
    long = console.enter(0.0)
    for at in range(0, int(SESSION_S), 1800):
        assert console.gate.known(long.cookie, float(at)) is long
    assert console.gate.known(long.cookie, SESSION_S) is None


def test_leaving_ends_it(console: Console) -> None:
    session = console.enter(0.0)
    console.gate.leave()
    assert console.gate.known(session.cookie, 1.0) is None


@pytest.mark.parametrize("cookie", ["", "x", "\udc80", "\u00e9" * 64])
def test_no_other_cookie_is_known(console: Console, cookie: str) -> None:
    console.enter(0.0)
    assert console.gate.known(cookie, 1.0) is None
    assert not console.gate.was_taken_over(cookie)


def test_a_form_is_of_its_session(console: Console) -> None:
    first, second = console.enter(0.0), console.enter(1.0)
    assert matches(second.form, second)
    assert not matches(first.form, second)
    assert not matches("", second)
    assert not matches("\udc80", second)
