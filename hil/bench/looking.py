"""Whoever looks at the demo's page, as a browser does: reads its events and counts them.

    python -m hil.bench.looking URL SECONDS

Prints: updates, the longest time between two in ms, streams of the last one, its bytes.
"""

import asyncio
import json
import sys
import time

import aiohttp

LINE_BYTES_MAX = 4 << 20  # of an event


async def look(url: str, seconds: float) -> tuple[int, float, int, int]:
    """Raises aiohttp.ClientError."""
    count, longest, last = 0, 0.0, b""
    timeout = aiohttp.ClientTimeout(total=seconds + 30.0)
    async with (
        aiohttp.ClientSession(timeout=timeout, read_bufsize=LINE_BYTES_MAX) as session,
        session.get(f"{url}events") as answer,
    ):
        begun = before = time.monotonic()
        name = b""
        while time.monotonic() < begun + seconds:
            line = await answer.content.readline()
            if not line:
                break
            if line.startswith(b"event: "):
                name = line[7:].strip()
            elif line.startswith(b"data: ") and name == b"now":
                now = time.monotonic()
                count, longest, before = count + 1, max(longest, now - before), now
                last = line
    shown = json.loads(last[6:]) if last else {"streams": []}
    return count, longest * 1000, len(shown["streams"]), len(last)


if __name__ == "__main__":
    print(*asyncio.run(look(sys.argv[1], float(sys.argv[2]))))
