"""What plain functions refuse by name, and how the page says it: their words, and what to do.

It catches nothing itself.
"""

import errno
import os
import re

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


_COMMAND = re.compile(r"^gridseal-provision [\w -]+: ")  # that nobody typed here
_FULL = os.strerror(errno.ENOSPC)


def words(fault: Exception) -> list[str]:
    """What went wrong, a line each."""
    said = _COMMAND.sub("", str(fault)) or type(fault).__name__
    told = [f"Not done: {said}", "What was there is as it was."]
    return [*told, "Free some space on this disk, then do it again."] if _FULL in said else told
