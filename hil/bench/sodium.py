"""The reference of every signature benchmark: PyNaCl's own libsodium, called through ctypes with
buffers made beforehand. Nothing in Python can sign or verify faster with this library.
"""

import ctypes
import time
from collections.abc import Sequence

import nacl._sodium  # type: ignore[import-not-found]

_LIBRARY = ctypes.CDLL(nacl._sodium.__file__)
_P, _N = ctypes.c_void_p, ctypes.c_ulonglong
_sign = _LIBRARY.crypto_sign_detached
_sign.argtypes = [_P, _P, _P, _N, _P]
_verify = _LIBRARY.crypto_sign_verify_detached
_verify.argtypes = [_P, _P, _N, _P]
_keypair = _LIBRARY.crypto_sign_seed_keypair
_keypair.argtypes = [_P, _P, _P]


class Reference:
    """Signs and verifies the same messages again and again; each call takes one pass over them."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self._public, self._secret = (
            ctypes.create_string_buffer(32),
            ctypes.create_string_buffer(64),
        )
        _keypair(self._public, self._secret, ctypes.create_string_buffer(bytes(32), 32))
        self._out = ctypes.create_string_buffer(64)
        self._held = [ctypes.create_string_buffer(message, len(message)) for message in messages]
        signatures = [ctypes.create_string_buffer(64) for _ in messages]
        self._rows = [
            (ctypes.addressof(signature), ctypes.addressof(held), len(held))
            for signature, held in zip(signatures, self._held, strict=True)
        ]
        self._signatures = signatures
        for signature, message, size in self._rows:
            _sign(signature, None, message, size, ctypes.addressof(self._secret))

    def sign(self) -> float:
        """Seconds that signing each message once took."""
        out, secret = ctypes.addressof(self._out), ctypes.addressof(self._secret)
        start = time.perf_counter()
        for _, message, size in self._rows:
            _sign(out, None, message, size, secret)
        return time.perf_counter() - start

    def verify(self) -> float:
        """Seconds that verifying each signature once took."""
        public = ctypes.addressof(self._public)
        start = time.perf_counter()
        for signature, message, size in self._rows:
            if _verify(signature, message, size, public):
                raise RuntimeError("libsodium refuses its own signature")
        return time.perf_counter() - start
