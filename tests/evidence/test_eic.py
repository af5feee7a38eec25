"""An EIC: codes that are published hold, and each way of mistyping one is named."""

import pytest

from evidence import eic

# Published by ENTSO-E (Y, X, T), ENTSOG (Z) and by validators of others as their examples.
PUBLISHED = (
    "10X1001A1001A450", "10X1001C--00003T", "10XAT-APG------Z", "10XBA-JPCCZEKC-K",
    "10X1001A1001A094", "22XWATTPLUS----G", "21Z000000000163R", "10YTR-TEIAS----W",
    "10YBA-JPCC-----D", "10YCH-SWISSGRIDZ", "10YNL----------L", "10YAT-APG------L",
    "10Y1001A1001A82H", "10YNO-0--------C", "10YLU-CEGEDEL-NQ", "10Y1001A1001A796",
    "10YLT-1001A0008Q", "10YSE-1--------K", "10YFI-1--------U", "10YGR-HTSO-----Y",
    "10T-AT-DE-000061", "10T-AT-DE-00008Y",
)  # fmt: skip


@pytest.mark.parametrize("code", PUBLISHED)
def test_what_is_published_holds(code: str):
    assert eic.fault(code) == ""
    assert eic.check_character(code[:-1]) == code[-1]


@pytest.mark.parametrize("code", PUBLISHED)
def test_one_wrong_character_is_always_found(code: str):
    """Weights below a prime modulus: no other character in any place gives the same sum."""
    for at in range(3, 16):
        for other in eic.CHARACTERS:
            if other != code[at]:
                assert eic.fault(code[:at] + other + code[at + 1 :]), (at, other)


@pytest.mark.parametrize("code", PUBLISHED)
def test_two_neighbours_exchanged_are_always_found(code: str):
    for at in range(3, 14):
        changed = code[:at] + code[at + 1] + code[at] + code[at + 2 :]
        if changed != code:
            assert eic.fault(changed), at


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("22XWATTPLUS----X", "ends in 'X'; its check character is 'G'"),
        ("22XWATTPLUS----", "has 15 characters; an EIC has 16"),
        ("22xWATTPLUS----G", "has 'x' as character 3; capitals"),
        ("22XWATT PLUS---G", "has ' ' as character 8"),
        ("22XWATTPLUS---\u0661G", "as character 15"),
        ("A2XWATTPLUS----G", "begins with 'A2'; the issuing office is two digits"),
        ("2-XWATTPLUS----G", "begins with '2-'"),
        ("22BWATTPLUS----G", "has 'B' as its type; expected one of A (substation), T (tie-line)"),
        ("23X--130302DLGW-", "no such code is issued"),
    ],
)
def test_what_is_wrong_is_said_with_what_was_expected(code: str, told: str):
    assert told in eic.fault(code)
