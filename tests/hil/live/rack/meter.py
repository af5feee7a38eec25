"""A meter of somebody else's make: pymodbus's own server, with registers that stand still.

python meter.py HOST PORT
"""

import asyncio
import sys

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


async def serve(host: str, port: int) -> None:
    rows = [
        SimData(0, values=[230.5], datatype=DataType.FLOAT32),
        SimData(2, values=[417], datatype=DataType.REGISTERS),
    ]
    server = ModbusTcpServer(context=SimDevice(1, rows), address=(host, port))
    await server.serve_forever(background=True)
    print("it listens", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
