"""The gateway itself: the disk that its spool is on, its device key, its credential.

1. The disk is tried by what a commit does: a little written, and synced. What was written is
   removed; with `writes` false nothing is written, and the disk is not told about.
2. The key is opened as the agent opens it, and has signed once when it is (drivers.keystore). It is
   called in a thread: a store may hang.
3. A credential is held against the authorities of anchors.toml, as the record does, and against the
   plan, as the agent does.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from agent import config as agent_config
from agent.config import Gateway, Sketch
from agent.disk import RESERVE_BYTES
from agent.signature import device_key as opened
from agent.timing.round import words_ns
from drivers.keystore.uri import AwayError, KeyStoreError, open_signer
from evidence import anchor, cose
from evidence.code import Reason, Typ
from evidence.config import ConfigError
from evidence.refusal import EvidenceError
from provisioning.argument import Now
from provisioning.preflight.outcome import Outcome, cannot_tell, fault, ok
from provisioning.preflight.scene import Scene

DAY_S = 86_400
GATEWAY = "gateway.toml"
SEALED_BYTES = 165  # beyond a frame, at most: DESIGN 3
ROOM_BYTES_MIN = 256 << 20  # where no rate is known: ten PMUs of a usual kind for an hour
SYNCS, SYNC_BYTES = 8, 16_384  # a commit of the usual interval and a usual site has as much
# A commit begins every 50 ms; one that takes five times as long lets what is heard pile up, and a
# batch is due in that time.
SYNC_NS_MAX = 250_000_000
KEY_S_MAX = 30.0  # a token or TPM that takes longer hangs
SOON_S = 7 * DAY_S  # a credential that ends before anybody comes back
ENROL = "a credential: gridseal-provision enrol"


def disk(sketch: Sketch, scene: Scene | None, now_ns: Now, writes: bool) -> Iterator[Outcome]:
    """`now_ns`: monotonic."""
    folder = sketch.path(sketch.file.spool.path).parent
    try:
        room = os.statvfs(folder)
    except OSError as wrong:
        todo = "make the folder, or name another by [spool] path"
        yield fault("disk", "", f"{folder}: {wrong.strerror}", todo)
        return
    free = room.f_bavail * room.f_frsize
    day = _day_bytes(scene)
    least = RESERVE_BYTES + (day or ROOM_BYTES_MIN)
    figure = f"{_size(free)} free, {_size(least)} needed"
    figure += f" for a day without the record; enough for {free / day:.0f} days" if day else ""
    if free < least:
        todo = "free space, or put the spool on a larger disk: [spool] path"
        yield fault("disk", "", figure, todo)
    elif not writes:
        yield cannot_tell("disk", "", figure, "to write to it: leave out --dry-run")
    else:
        yield _synced(folder, figure, now_ns)


def _day_bytes(scene: Scene | None) -> int:
    found = 0.0
    for heard in scene.heard if scene is not None else ():
        frames, seconds = heard.setup.rate
        if seconds:
            found += (heard.frame_bytes + SEALED_BYTES) * frames / seconds * DAY_S
    return round(found)


def _synced(folder: Path, figure: str, now_ns: Now) -> Outcome:
    try:
        taken = _try_disk(folder, now_ns)
    except OSError as wrong:
        todo = "may this user write there, and is the disk mounted and whole?"
        return fault("disk", "", f"{folder} cannot be written to: {wrong.strerror}", todo)
    figure += f"; a sync takes {words_ns(round(taken))}, limit {words_ns(SYNC_NS_MAX)}"
    if taken > SYNC_NS_MAX:
        todo = "look at the disk's health; take a faster one, or a longer [spool] commit_ms"
        return fault("disk", "", figure, todo)
    return ok("disk", "", figure)


def _try_disk(folder: Path, now_ns: Now) -> float:
    """What a sync takes, ns. Raises OSError."""
    times = []
    with tempfile.TemporaryFile(dir=folder, prefix=".preflight-") as file:
        for _ in range(SYNCS):
            file.write(bytes(SYNC_BYTES))
            file.flush()
            begun = now_ns()
            os.fsync(file.fileno())
            times.append(now_ns() - begun)
    return median(times)


async def device_key(sketch: Sketch) -> Outcome:
    uri = sketch.file.gateway.key
    try:
        async with asyncio.timeout(KEY_S_MAX):
            return await asyncio.to_thread(_device_key, sketch, uri)
    except TimeoutError:
        figure = f"its store does not answer within {KEY_S_MAX:.0f} s"
        return fault("device-key", "", figure, "is the token plugged in, and its service running?")


def _device_key(sketch: Sketch, uri: str) -> Outcome:
    if not isinstance(sketch, Gateway):
        try:
            public = open_signer(uri, sketch.folder).public
        except AwayError as away:
            return _away(str(away))
        except KeyStoreError as wrong:
            return fault("device-key", "", str(wrong), "see gridseal-provision key --help")
        figure = f"key {public.fingerprint[:16]} opens and signs"
        return cannot_tell("device-key", "", figure, ENROL)
    try:
        signer = opened(sketch, waits=False)
    except ConfigError as wrong:
        if isinstance(wrong.__cause__, AwayError):
            return _away(str(wrong))
        todo = "put the key of the credential in its place, or enrol this one"
        return fault("device-key", "", str(wrong), todo)
    figure = f"key {signer.public.fingerprint[:16]} opens, signs, and is the credential's"
    return ok("device-key", "", figure)


def _away(text: str) -> Outcome:
    todo = "plug the store in, or start what serves it"
    return fault("device-key", "", f"its store is away: {text}", todo)


def loaded(path: Path) -> tuple[Sketch, str]:
    """The whole gateway, or what there is of it, and why it is not whole. Raises ConfigError where
    not even that can be read.
    """
    sketch = agent_config.sketch(path)
    try:
        return agent_config.load(path), ""
    except ConfigError as wrong:
        return sketch, str(wrong)


def credential(sketch: Sketch, why: str, now_s: int) -> Outcome:
    """`why`: it could not be loaded. `now_s`: UTC, since 1970."""
    file = sketch.file.gateway.credential
    if not isinstance(sketch, Gateway):
        if not sketch.path(file).exists():
            return cannot_tell("credential", "", f"{file} is not there", ENROL)
        todo = "ask the authority for a credential of this key and plan: gridseal-provision enrol"
        return fault("credential", "", why, todo)
    says, trusted = sketch.credential.says, sketch.anchors.authorities
    days = (says.expires_s - now_s) // DAY_S
    figure = (
        f"{says.subject} by {says.issuer}, {len(says.buses)} buses, {len(says.terminals)}"
        f" terminals, ends in {days} days"
    )
    renew = "have the authority renew it, and place it: gridseal-provision enrol"
    if says.expires_s <= now_s:
        return fault(
            "credential", "", f"it ended {(now_s - says.expires_s) // DAY_S} days ago", renew
        )
    if now_s < says.not_before_s:
        todo = "is this gateway's clock right?"
        return fault("credential", "", "it is not in force yet", todo)
    elsewhere = sketch.place_refusal()
    if elsewhere:
        return fault("credential", "", f"the survey is {elsewhere}", renew)
    if not trusted:
        return cannot_tell("credential", "", figure, "an [[authority]] in anchors.toml")
    try:
        anchor.vouched(cose.read_statement(sketch.credential.encoded, Typ.CREDENTIAL), trusted)
    except EvidenceError as wrong:
        unknown = wrong.reason is Reason.UNKNOWN_AUTHORITY
        todo = "compare anchors.toml with the authority's own fingerprint"
        return fault("credential", "", str(wrong), todo if unknown else renew)
    if says.expires_s - now_s < SOON_S:
        return fault("credential", "", f"{figure}; limit {SOON_S // DAY_S} days", renew)
    return ok("credential", "", figure)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
