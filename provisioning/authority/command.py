"""`gridseal-provision authority`: what a utility does with its root key, a command a row.

A command is a module with `run(argv, now)`, loaded when it is asked for: `authority list` loads
neither `cryptography` nor a web server.
"""

from collections.abc import Sequence

from provisioning.argument import Now, Parser, handed_on

PROG = "gridseal-provision authority"
# A command, its module, and what it does.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("opening", "open an authority's book, with its root key"),
    "issue": ("issue", "answer a gateway's request with a credential"),
    "renew": ("renew", "make the next credential of a gateway, for its plan as it is now"),
    "revoke": ("revoke", "revoke a device key"),
    "vouch": ("vouch", "vouch for what a revoked key's device sealed before"),
    "list": ("listing", "list credentials and how they stand"),
    "show": ("showing", "say in words what a book says, and check its chain"),
    "publish": ("publish", "send book and credentials to the record"),
    "certificate": ("certifying", "make a certificate for a connection: a record's, or a client's"),
    "invite": ("inviting", "give out a code by which a gateway may ask online, once"),
    "serve": ("serve", "answer who was invited, over HTTPS"),
}
_MODULES = "provisioning.authority."


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `authority`. Raises whatever the command raises."""
    parser = Parser(prog=PROG, description="The utility's side: root key, book, credentials.",
                    allow_abbrev=False)  # fmt: skip
    return handed_on(parser, COMMANDS, _MODULES, argv, now)
