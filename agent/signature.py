"""The device key's signatures under runs, made beside: a slow key store delays batches, never
sealing.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from agent.sealer import Statement, statement
from evidence import cose
from evidence.code import Typ
from evidence.key import Signer

SIGN_S = 5.0  # how long an ending agent waits for the device key


class Signatures:
    """Run payloads that the device key is to sign, and statements that it has signed."""

    def __init__(self, device: Signer) -> None:
        self._device = device
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
        self._thread.shutdown(wait=False)

    async def _sign(self, payload: bytes) -> None:
        loop = asyncio.get_running_loop()
        encoded = await loop.run_in_executor(
            self._thread, partial(cose.sign, Typ.RUN, payload, self._device)
        )
        self._signed.append(statement(Typ.RUN, payload, encoded, ()))
