"""The rows of test-mode.toml: what does not hold together is refused by name."""

import pytest

from agent import declared
from evidence.config import ConfigError
from evidence.leap import NS
from provisioning.trial import Moment, begun, text_of

NOON = Moment(1_790_000_000 * NS, "a-boot", 100 * NS)
(ONE,) = begun((), "pmu", "injection", "A. Tester", 3600 * NS, NOON)
TEXT = text_of([ONE])


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('by = "A. Tester"', 'by = ""', "test[0].by"),
        ('reason = "injection"', "", "reason"),
        ("boot_ns = 100", "boot_ns = -100", "test[0].boot_ns"),
        ("[[test]]", "[[tests]]", "did you mean 'test'"),
        ('reason = "injection"', 'reason = "a\\u001bb"', "cannot be shown"),
        ("until = ", "untl = ", "did you mean 'until'"),
    ],
)
def test_a_row_that_is_wrong_is_refused_by_name(old: str, new: str, fault: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigError, match=r"test-mode\.toml") as refused:
        declared.read(TEXT.replace(old, new))
    assert fault in str(refused.value)


def test_two_tests_of_one_source_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 that go on"):
        declared.read(TEXT + TEXT[TEXT.index("[[test]]") :])


def test_an_end_before_its_beginning_is_refused() -> None:
    since, until = ONE.since, ONE.until
    with pytest.raises(ConfigError, match="is not after since"):
        declared.read(TEXT.replace(until, since))
