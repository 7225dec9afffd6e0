"""Who may call the servers of this machine: its own programs, and no web page of anybody else.

A page of any origin can send a request to 127.0.0.1, with a body that it calls text. One whose name
its owner lets lead here could even read the answer.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

# Of any port: a proxy of a test has one of its own. A page whose name leads to this machine still
# gives that name.
_OWN_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)


def is_of_another_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another origin than the server's own asks."""
    origin = headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("Host", ""):
        return True
    return headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")


def refusal(headers: Mapping[str, str]) -> str:
    """Why a server that is for programs does not answer, or nothing."""
    if not _OWN_HOST.fullmatch(headers.get("Host", "")):
        return "this host is not served"
    return "web pages are not served" if _is_of_a_page(headers) else ""


@web.middleware
async def for_programs(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer programs of this machine alone."""
    if why := refusal(request.headers):
        raise web.HTTPForbidden(text=why)
    return await handler(request)


@web.middleware
async def for_no_page(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever is no web page; another middleware looks at the host."""
    if _is_of_a_page(request.headers):
        raise web.HTTPForbidden(text="web pages are not served")
    return await handler(request)


def _is_of_a_page(headers: Mapping[str, str]) -> bool:
    return "Origin" in headers or "Sec-Fetch-Site" in headers
