"""A provider's answer is read up to a length: a longer one would fill the memory of its batch."""

from collections.abc import AsyncIterator
from typing import cast

import httpx2

# A result has 64 KB; what a model thought before it may have ten times as much.
MAX_BODY_BYTES = 8 * 1024**2
_MOST_COMPRESSED = 32  # of a text in JSON


class TooLong(Exception):
    """The rest was not read."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, limit: int) -> None:
        self._stream, self._left = stream, limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise TooLong
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def bound(response: httpx2.Response) -> None:
    """For the client's hook on responses, which comes before their body is read."""
    share = _MOST_COMPRESSED if "content-encoding" in response.headers else 1
    stream = cast("httpx2.AsyncByteStream", response.stream)
    response.stream = _Bounded(stream, MAX_BODY_BYTES // share)
