"""`gridseal-provision rotate`, as it is typed: the next device key, and a request for it.

1. Both keys sign, and the authority has to: until its answer is accepted all goes on with the old
   one, and afterwards nothing does.
2. The next key is made where the URI says, and never over another.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from drivers.keystore import uri as keystore
from drivers.keystore.uri import Ask, KeyStoreError
from provisioning.argument import Now, Parser, only
from provisioning.enrol import handing, request
from provisioning.enrol.founding import FOUND_AGAIN
from provisioning.enrol.request import Place
from provisioning.key import asker
from provisioning.terminal import Terminal


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `rotate`. Raises UsageError, RequestError, PlacementError, ConfigError,
    KeyStoreError.
    """
    about = "Makes the next device key, and a request by which the one in use hands over to it."
    parser = Parser(prog="gridseal-provision rotate", description=about, allow_abbrev=False)
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="the gateway's folder")
    add("--key", metavar="URI", required=True, help="where the next key is to be")
    add(FOUND_AGAIN, action="store_true", help="it is there already, as after a power cut")
    handing.add_options(parser)
    add("--dry-run", action="store_true", help="show what would be done, and do nothing")
    add("--json", action="store_true", help="one JSON object instead of words")
    asked = only(parser, argv)
    out, ask, now_ns = Terminal(asked.json), asker(), now()
    place = request.place(asked.folder)
    request.check_rotates(place, asked.key, now_ns)
    if asked.dry_run and not asked.existing_key:
        out.say(f"Would make a key at {keystore.shown(asked.key)}, and ask for its credential")
        out.object({"done": False, "key": keystore.shown(asked.key)})
        return 0
    if not asked.existing_key:
        make(place, asked.key, ask)
    handing.say_earlier(out, asked.folder, now_ns)
    made = request.rotated(place, asked.key, now_ns, os.urandom, ask)
    handing.hand_over(asked, out, made)
    out.say("Until then the gateway goes on with the key that it has.")
    return 0


def make(of: Place, to: str, ask: Ask | None) -> None:
    """The next key. Raises KeyStoreError."""
    try:
        keystore.make(to, of.folder, ask)
    except KeyStoreError as fault:
        try:
            keystore.show(to, of.folder)
        except KeyStoreError:
            raise fault from None
        text = f"{fault.text}; or, where it was made for this before: {FOUND_AGAIN}"
        raise KeyStoreError(fault.place, text) from fault
