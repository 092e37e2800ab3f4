"""Echo client on python's websockets: connects to the URL again as soon as a connection has ended."""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException


async def main():
    while True:
        try:
            async with connect(sys.argv[1], max_size=32 * 2**20, proxy=None) as connection:
                async for message in connection:
                    await connection.send(message)
        except (WebSocketException, OSError, EOFError):
            await asyncio.sleep(0.001)


asyncio.run(main())
