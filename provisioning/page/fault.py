"""What plain functions refuse by name, and how the page says it: their words, and what to do.

It catches nothing itself.
"""

from drivers.keystore.uri import KeyStoreError
from evidence.config import ConfigError
from evidence.refusal import EvidenceError
from provisioning.argument import UsageError
from provisioning.page.step import FormError
from provisioning.placement import PlacementError
from provisioning.source import RequestError

REFUSED = (
    FormError,
    UsageError,
    RequestError,
    PlacementError,
    ConfigError,
    KeyStoreError,
    EvidenceError,
)


def words(fault: Exception) -> list[str]:
    """What went wrong, a line each."""
    return [f"Not done: {str(fault) or type(fault).__name__}", "What was there is as it was."]
