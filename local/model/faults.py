"""Answers that are none: errors of the API, broken bodies, connections that end."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

_HANG_SECONDS = 300.0
_DEFAULT_RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True)
class Fault:
    """An error of the API, in OpenAI's words."""

    status: int
    code: str | None
    message: str
    type: str = "invalid_request_error"
    retry_after: bool = False

    async def answer(self, _: web.Request, argument: str) -> web.StreamResponse:
        """`argument`: the seconds of a Retry-After header, or empty."""
        seconds = argument or (str(_DEFAULT_RETRY_AFTER_SECONDS) if self.retry_after else "")
        error = {"message": self.message, "type": self.type, "param": None, "code": self.code}
        headers = {"Retry-After": seconds} if seconds else {}
        return web.json_response({"error": error}, status=self.status, headers=headers)


async def _html(_: web.Request, __: str) -> web.StreamResponse:
    return web.Response(text="<html><body>Welcome!</body></html>", content_type="text/html")


async def _no_choices(_: web.Request, __: str) -> web.StreamResponse:
    return web.json_response({"id": "chatcmpl-1", "object": "chat.completion", "choices": None})


async def _broken_json(_: web.Request, __: str) -> web.StreamResponse:
    return web.Response(
        text='{"id": "chatcmpl-1", "choices": [{"ind', content_type="application/json"
    )


async def _nothing(_: web.Request, __: str) -> web.StreamResponse:
    return web.Response(content_type="application/json")


async def _drop(request: web.Request, _: str) -> web.StreamResponse:
    """Half an answer, then a reset of the connection."""
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    response.content_type = "application/json"
    await response.prepare(request)
    await response.write(b'{"id": "chatcmpl-1", "choices": [')
    transport = request.transport
    if transport is not None:
        # Closing with unsent data forbidden to linger makes the kernel send RST, not FIN.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return response


async def _hang(_: web.Request, __: str) -> web.StreamResponse:
    await asyncio.sleep(_HANG_SECONDS)
    return web.Response(status=504)


FAULTS: dict[str, Callable[[web.Request, str], Awaitable[web.StreamResponse]]] = {
    "401": Fault(401, "invalid_api_key", "Incorrect API key provided.").answer,
    "403": Fault(403, "unsupported_country_region_territory", "Not available here.").answer,
    "404": Fault(404, "model_not_found", "The model does not exist.").answer,
    # "429:5", or "503:5", asks for five seconds of patience.
    "429": Fault(
        429, "rate_limit_exceeded", "Rate limit reached.", "requests", retry_after=True
    ).answer,
    "quota": Fault(
        429, "insufficient_quota", "You exceeded your current quota.", "insufficient_quota"
    ).answer,
    "500": Fault(500, None, "The server had an error.", "server_error").answer,
    "503": Fault(503, None, "The engine is overloaded.", "server_error").answer,
    "overloaded": Fault(529, None, "Overloaded.", "overloaded_error").answer,
    "html": _html,
    "no_choices": _no_choices,
    "broken_json": _broken_json,
    "nothing": _nothing,
    "drop": _drop,
    "hang": _hang,
}
