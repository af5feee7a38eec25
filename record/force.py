"""Whether a credential is in force at an instant, ns TAI; a device key may be revoked all the same:
that is record.book's.
"""

from collections.abc import Sequence

from evidence.code import Reason
from evidence.credential import Credential
from evidence.leap import BUILT_IN, NS
from record.known import KnownRun


def doubt_in_force(of: KnownRun, instants: Sequence[int]) -> tuple[Reason, str] | None:
    """None when its credential is in force at all these instants, ns TAI; or why it is not."""
    low, high = of.window
    if all(low <= tai < high for tai in instants):
        return None
    return in_force(of.credential, instants)


def in_force(what: Credential, instants: Sequence[int]) -> tuple[Reason, str] | None:
    """None when the credential is in force at all these instants, ns TAI; otherwise why it is not.

    RFC 8392 3.1.4, 3.1.5: on or after exp it must not be accepted, nor before nbf.
    """
    for tai in instants:
        utc_s = BUILT_IN.utc_ns(tai) // NS
        if utc_s >= what.expires_s:
            return (
                Reason.CREDENTIAL_EXPIRED,
                f"the credential ended at {what.expires_s}; it was {utc_s}",
            )
        if utc_s < what.not_before_s:
            return (
                Reason.CREDENTIAL_NOT_YET,
                f"the credential begins at {what.not_before_s}; it was {utc_s}",
            )
    return None
