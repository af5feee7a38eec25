"""An instant as people write it: RFC 3339 in UTC, to ns TAI and back.

1. Only UTC is read, ending in Z: an offset would be somebody's local time, and a guess at whose.
2. 23:59:60 is an instant where a leap second was inserted, and nowhere else.
3. Whatever integer comes, words come out: what no calendar reaches stays a number.

Integers only: a float would lose the nanoseconds.
"""

import re
from datetime import UTC, datetime, timedelta

from evidence.leap import BUILT_IN, NS, LeapTable

_FORM = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(?:\.(\d{1,9}))?[Zz]", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
EXAMPLE = "2026-11-25T10:00:00Z"


def read(text: str, table: LeapTable = BUILT_IN) -> int:
    """The instant in a text, ns TAI. Raises ValueError in words."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no instant in UTC, such as {EXAMPLE}")
    day, minute, second, part = found.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{minute}:00+00:00")
    except ValueError as fault:
        raise ValueError(f"{text[:40]!r} is in no calendar: {fault}") from fault
    utc_s = (whole - _EPOCH) // _SECOND
    ns = int((part or "0").ljust(9, "0"))
    if int(second) < 60:
        tai = table.tai_ns(utc_s + int(second), ns)
    elif int(second) == 60 and table.inserted_at(utc_s + 60):
        tai = table.tai_ns(utc_s + 60, ns) - NS
    else:
        raise ValueError(f"{text[:40]!r}: no minute then had a second {second}")
    if tai < 0:
        raise ValueError(f"{text[:40]!r} is before 1970, where no instant is counted")
    return tai


def words(tai: int, table: LeapTable = BUILT_IN) -> str:
    """An instant, ns TAI, for people."""
    utc_s, ns = divmod(table.utc_ns(tai), NS)
    # An inserted second repeats the count of the one before it.
    inserted = table.inserted_at(utc_s + 1) and tai - table.tai_ns(utc_s, ns) == NS
    try:
        whole = (_EPOCH + utc_s * _SECOND).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError:
        return f"{tai} ns after 1970 TAI"
    part = f"{ns:09}".rstrip("0")
    return (whole[:-2] + "60" if inserted else whole) + (f".{part}" if part else "") + "Z"
