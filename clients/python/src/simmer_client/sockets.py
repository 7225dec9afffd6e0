"""Sockets for push, without redirects: a token goes where the API said, and nowhere else.

Imported when a socket is first wanted: what goes wrong here costs push, and nothing else.
"""

import logging
from typing import Any

from websockets.asyncio import client as asynchronous
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.sync import client as blocking

from simmer_client.network import Network

# At DEBUG, websockets logs every frame, and with it the token.
_LOG = logging.getLogger("simmer_client.socket")
_LOG.setLevel(logging.INFO)


class _Blocking(blocking.ClientConnection):
    def handshake(self, *how: Any, **options: Any) -> None:
        try:
            super().handshake(*how, **options)
        except InvalidStatus as error:
            raise _refused(error) from None


class _Asynchronous(asynchronous.ClientConnection):
    async def handshake(self, *how: Any, **options: Any) -> None:
        try:
            await super().handshake(*how, **options)
        except InvalidStatus as error:
            raise _refused(error) from None


def _refused(error: InvalidStatus) -> InvalidHandshake:
    """The library follows an `InvalidStatus` that is a redirect, and nothing else."""
    return InvalidHandshake(f"the socket is refused with the status {error.response.status_code}")


def connect(url: str, timeout_seconds: float, network: Network) -> blocking.ClientConnection:
    how = _options(url, timeout_seconds, network)
    connection: blocking.ClientConnection = blocking.connect(
        url, create_connection=_Blocking, **how
    )
    return connection


async def connect_async(
    url: str, timeout_seconds: float, network: Network
) -> asynchronous.ClientConnection:
    how = _options(url, timeout_seconds, network)
    return await asynchronous.connect(url, create_connection=_Asynchronous, **how)


def _options(url: str, timeout_seconds: float, network: Network) -> dict[str, Any]:
    tls = network.tls_for(url)
    return {
        "proxy": network.proxy_for(url),  # None: directly
        **({"ssl": tls} if tls else {}),
        "open_timeout": timeout_seconds,
        "close_timeout": 1,
        "ping_interval": None,
        "logger": _LOG,
    }
