"""A door into the namespace that the record is in: connections of this machine, carried to it.

    python -m hil.demo.door NUMBER HOST PORT

1. NUMBER is a listening socket that the demo opened and passes on: a socket stays in the network
   namespace in which it was made, whoever has it. So a browser reaches a record that listens in
   another one.
2. It carries bytes, both ways, and looks at none. It ends with who started it (hil.child).
"""

import asyncio
import contextlib
import socket
import sys

PIECE_BYTES = 65_536
READY = "the door is open"


async def _carried(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(PIECE_BYTES):
            to.write(piece)
            await to.drain()
        to.write_eof()


async def _serve(listening: socket.socket, host: str, port: int) -> None:
    async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far: asyncio.StreamWriter | None = None
        try:
            back, far = await asyncio.open_connection(host, port)
            await asyncio.gather(_carried(reader, far), _carried(back, writer))
        except OSError:
            pass  # the record is not there: so is the connection
        finally:
            for end in (writer, far):
                if end is not None:
                    end.close()

    server = await asyncio.start_server(came, sock=listening)
    print(READY, flush=True)
    await server.serve_forever()


def main() -> int:
    number, host, port = sys.argv[1:]
    listening = socket.socket(fileno=int(number))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(listening, host, int(port)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
