"""The device key: opened at the start, and asked for its signatures under runs in a thread of its
own.

1. A slow key store delays batches, never sealing, and one that fails is asked again, for ever, and
   visibly.
2. A store that is away at the start is waited for as well: who the device is, its credential says.
   A store that is named wrongly is refused.
3. The loop never waits for a store.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from agent.config import Gateway
from agent.health import Health
from agent.sealer import Statement, statement
from drivers.keystore.held import HeldKey
from drivers.keystore.uri import AwayError, KeyStoreError, later, open_signer
from evidence import cose
from evidence.code import Typ
from evidence.config import ConfigError
from evidence.key import Signer

SIGN_S = 5.0  # how long an ending agent waits for the device key
AGAIN_S = (1.0, 30.0)  # first and longest wait before a store that failed is asked again
log = logging.getLogger("gridseal.signature")


def device_key(gateway: Gateway, waits: bool) -> Signer:
    """The device key, which must be the one that the credential names. May block.

    `waits`: a store that is away is asked when it is to sign. Raises ConfigError.
    """
    uri, held = gateway.file.gateway.key, gateway.credential.says.key
    try:
        try:
            device = open_signer(uri, gateway.folder)
        except AwayError as fault:
            if not waits:
                raise
            log.error("the device key is away, so batches will wait: %s", fault)
            return later(uri, gateway.folder, held)
    except KeyStoreError as fault:
        raise ConfigError(fault.place, "", fault.text) from fault
    if device.public != held:
        here, there = device.public.fingerprint[:16], held.fingerprint[:16]
        raise ConfigError(uri, "", f"is key {here}, the credential is for {there}")
    return device


class Signatures:
    """Run payloads that the device key is to sign, and statements that it has signed."""

    def __init__(self, device: Signer, health: Health, gateway: Gateway) -> None:
        self._device, self._health = device, health
        self._gateway = gateway
        self._thread = ThreadPoolExecutor(1, "key-store")
        self._under_way: set[asyncio.Task[None]] = set()
        self._signed: list[Statement] = []

    def ask(self, payload: bytes) -> None:
        """Has a run signed."""
        task = asyncio.get_running_loop().create_task(self._sign(payload))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def take(self) -> list[Statement]:
        """What was signed since the last call."""
        signed, self._signed = self._signed, []
        return signed

    async def settle(self) -> None:
        """Waits until all is signed, SIGN_S at most."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=SIGN_S)

    def close(self) -> None:
        """Lets go of a store that hangs too: no program ends before its threads do."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if isinstance(self._device, HeldKey):
            self._device.close()

    async def _sign(self, payload: bytes) -> None:
        loop, wait_s = asyncio.get_running_loop(), AGAIN_S[0]
        sign = partial(self._signed_by_its_key, payload)
        while True:
            try:
                encoded = await loop.run_in_executor(self._thread, sign)
                break
            except KeyStoreError as fault:
                self._health.key_fault = str(fault)
                log.error("a run is not signed, so its batches wait: %s", fault)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, AGAIN_S[1])
        self._health.key_fault = ""
        self._signed.append(statement(Typ.RUN, payload, encoded, ()))

    def _signed_by_its_key(self, payload: bytes) -> bytes:
        """Raises KeyStoreError. May block."""
        chain = self._gateway.credential.before
        if chain:
            from agent.handover import Earlier

            told = self._gateway.file.gateway.key_before
            earlier = Earlier([over.held.says.key for over in chain], told, self._gateway.folder)
            encoded = earlier.sign(payload)
            if encoded is not None:
                return encoded
        return cose.sign(Typ.RUN, payload, self._device)
