"""Checks that a decoded value has the shape its place demands.

Each function returns its argument, typed, or raises EvidenceError(SHAPE) naming the field. Nothing
is converted: a value of another type is another document.
"""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from evidence.code import VERSION, Reason
from evidence.refusal import EvidenceError

T = TypeVar("T")

UINT_MAX = (1 << 64) - 1
TEXT_BYTES_MAX = 4096


def fail(field: str, value: Any, wanted: str) -> NoReturn:
    raise EvidenceError(Reason.SHAPE, f"{field} is {repr(value)[:60]}, not {wanted}")


def integer(value: Any, field: str) -> int:
    if type(value) is not int:
        fail(field, value, "an integer")
    return value


def uint(value: Any, field: str, most: int = UINT_MAX) -> int:
    if type(value) is not int or not 0 <= value <= most:
        fail(field, value, f"an unsigned integer up to {most}")
    return value


def blob(value: Any, field: str, size: int | None = None) -> bytes:
    if type(value) is not bytes or (size is not None and len(value) != size):
        fail(field, value, f"{size if size is not None else 'a string of'} bytes")
    return value


def text(value: Any, field: str) -> str:
    if type(value) is not str or len(value) > TEXT_BYTES_MAX:
        fail(field, value, f"a text of at most {TEXT_BYTES_MAX} characters")
    return value


def boolean(value: Any, field: str) -> bool:
    if type(value) is not bool:
        fail(field, value, "true or false")
    return value


def optional(value: Any, check: Callable[..., T], field: str, *more: Any) -> T | None:
    return None if value is None else check(value, field, *more)


def array(value: Any, field: str, size: int | None = None) -> tuple[Any, ...]:
    if type(value) is not tuple or (size is not None and len(value) != size):
        fail(field, value, f"an array of {size}" if size is not None else "an array")
    return value


def versioned(value: Any, name: str, size: int) -> tuple[Any, ...]:
    """An array of `size` whose first member is the version that this code knows.

    Raises EvidenceError(VERSION) if another.
    """
    if type(value) is not tuple or not value:
        fail(name, value, "an array")
    if type(value[0]) is not int or value[0] != VERSION:
        raise EvidenceError(
            Reason.VERSION, f"{name} is of version {repr(value[0])[:20]}; this reads {VERSION}"
        )
    return array(value, name, size)
