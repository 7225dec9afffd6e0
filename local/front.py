"""What a browser or an app talks to on this machine: the demo page, tokens, and the API.

/                        the page, and its files
/dev/token?user=alice    a signed token of that user, as plain text
/dev/info                {"model"}: `stand-in`, `local` (the small one: nonsense) or `real`
/dev/tasks               the tasks, each with its schemas and example; see local/tasks/describe.py
/dev/trace/{jobId}       what the functions have logged of a job, see local/trace.py
/dev/webhook             takes the ends of jobs, and lists them; see local/webhook.py
/dev/push                the API's socket, for whom it cannot reach; see local/reach.py
anything else            the deployed HTTP API, byte for byte, but for that socket's address
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict
from yarl import URL

from local import reach
from local.guarded import for_no_page, is_of_another_origin
from local.toolchain import REPOSITORY

type Json = dict[str, Any]

# As many processes of submit and of status are warm from the start. The emulator lets no request
# wait for one of them (tens of ms) but starts another one (seconds). So requests wait here.
UPSTREAM_CONCURRENCY = 2
_GATE_CONCURRENCY = 100  # of functions with connections of their own

_PAGE = REPOSITORY / "local" / "page"
_CLIENT = REPOSITORY / "clients" / "web" / "simmer.js"  # which the page is built on
_LARGEST_BODY_BYTES = 10 * 1024**2  # API Gateway's
_UPSTREAM_TIMEOUT = ClientTimeout(total=35)  # API Gateway gives up after 30 s
_USER = re.compile(r"[A-Za-z0-9._-]{1,64}")

# RFC 9110, 7.6.1: these are about one connection. The body's length is worked out anew.
_HOP_BY_HOP = frozenset(
    (
        *("connection", "content-length", "keep-alive", "proxy-authenticate"),
        *("proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    )
)

_UPSTREAM = web.AppKey("upstream", ClientSession)
_SLOTS = web.AppKey("slots", asyncio.Semaphore)


def application(
    api_url: str,
    token_of: Callable[[str], str],
    model: str,
    *,
    tasks: Callable[[], list[Json]] = list,
    story: Callable[[str], list[Json]] = lambda _: [],
    hosts: frozenset[str] = frozenset(),
    routes: Iterable[web.RouteDef] = (),
    key: Mapping[str, str] | None = None,
) -> web.Application:
    """The front of the API at `api_url`; `token_of(user)` and `tasks()` may block, `model` is for
    the page, `story(job_id)` has the events of a job. `hosts` are served beside those of this
    machine, each as it stands in a Host header; `routes` are further ones; `key` is a header that
    the API wants beside the client's."""
    app = web.Application(client_max_size=_LARGEST_BODY_BYTES, middlewares=[_only_for(hosts)])

    async def dev_token(request: web.Request) -> web.Response:
        user = request.query.get("user", "")
        if not _USER.fullmatch(user):
            raise web.HTTPBadRequest(text="?user= must be 1 to 64 of A-Z a-z 0-9 . _ -\n")
        token = await asyncio.to_thread(token_of, user)
        return web.Response(text=token, headers={"Cache-Control": "no-store"})

    async def dev_info(_: web.Request) -> web.Response:
        return web.json_response({"model": model})

    async def dev_tasks(_: web.Request) -> web.Response:
        found = await asyncio.to_thread(tasks)
        return web.json_response(found, headers={"Cache-Control": "no-store"})

    async def dev_trace(request: web.Request) -> web.Response:
        events = story(request.match_info["job_id"])
        return web.json_response(events, headers={"Cache-Control": "no-store"})

    sockets = reach.Sockets()

    async def dev_push(request: web.Request) -> web.StreamResponse:
        return await sockets.serve(request, request.app[_UPSTREAM])

    async def proxy(request: web.Request) -> web.StreamResponse:
        return await _forward(request, api_url, sockets, key or {})

    app.add_routes(
        [
            web.get("/", _page_file(_PAGE / "index.html")),
            *(
                web.get(f"/{file.name}", _page_file(file))
                for file in (*sorted(_PAGE.iterdir()), _CLIENT)
            ),
            web.get("/dev/token", dev_token),
            web.get("/dev/info", dev_info),
            web.get("/dev/tasks", dev_tasks),
            web.get("/dev/trace/{job_id}", dev_trace),
            *routes,
            web.get(reach.SOCKET_PATH, dev_push),
            web.route("*", r"/{path:[\s\S]*}", proxy),  # line ends too: it is matched unescaped
        ]
    )
    app.cleanup_ctx.append(_upstream(UPSTREAM_CONCURRENCY))
    return app


def gate(upstream: str, address: str) -> web.Application:
    """Hand on everything to the server at `upstream`, for whoever calls us by this name:port."""
    app = web.Application(
        client_max_size=_LARGEST_BODY_BYTES,
        middlewares=[_only_for(frozenset({address})), for_no_page],
    )

    async def proxy(request: web.Request) -> web.StreamResponse:
        return await _forward(request, upstream, reach.Sockets(), {})

    app.add_routes([web.route("*", r"/{path:[\s\S]*}", proxy)])
    app.cleanup_ctx.append(_upstream(_GATE_CONCURRENCY))
    return app


def runner(app: web.Application) -> web.AppRunner:
    """What serves `application(…)`. Says nothing of bad requests, which are not our mistake."""
    logger = logging.getLogger("aiohttp.server")
    logger.addFilter(_is_ours)
    return web.AppRunner(
        app,
        access_log=None,
        logger=logger,
        auto_decompress=False,  # a body goes on as it came
        shutdown_timeout=0.5,
    )


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], BadHttpMessage))


def _only_for(hosts: frozenset[str]) -> Middleware:
    """Refuse every other Host: a page whose name its owner lets point to 127.0.0.1 would be of one
    origin with us, and could ask for anybody's token."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Host", "").lower() not in reach.own_hosts(request) | hosts:
            return _refuse(421, "This host is not served here: HOSTS=name:port lets it in")
        # The API is the gateway's to guard, by a token; what is in front of it asks for none.
        if request.path.startswith("/dev/") and is_of_another_origin(request.headers):
            return _refuse(403, "Pages of other origins are not served here")
        return await handler(request)

    return check


def _page_file(path: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(_: web.Request) -> web.StreamResponse:
        # In no frame of another page, where a user's clicks would be that page's.
        headers = {"Cache-Control": "no-cache", "X-Frame-Options": "DENY"}
        return web.FileResponse(path, headers=headers)

    return serve


def _upstream(concurrency: int) -> Callable[[web.Application], AsyncIterator[None]]:
    async def connected(app: web.Application) -> AsyncIterator[None]:
        app[_SLOTS] = asyncio.Semaphore(concurrency)
        async with ClientSession(
            connector=TCPConnector(limit=0),
            timeout=_UPSTREAM_TIMEOUT,
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
            # Nothing of its own: the API sees the headers that the client sent.
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        ) as session:
            app[_UPSTREAM] = session
            yield

    return connected


async def _forward(
    request: web.Request, api_url: str, sockets: reach.Sockets, key: Mapping[str, str]
) -> web.StreamResponse:
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return _refuse(413, "Request Entity Too Large")
    headers = _end_to_end(request.raw_headers, without="host")
    headers.update(key)
    # `raw_path`, marked as encoded: as it came, with every escape and the query.
    url = URL(api_url + request.raw_path, encoded=True)
    try:
        async with (
            request.app[_SLOTS],
            request.app[_UPSTREAM].request(
                request.method, url, headers=headers, data=body or None, allow_redirects=False
            ) as answer,
        ):
            content = await answer.read()
    except (ClientError, TimeoutError) as error:
        return _refuse(502, f"The API is gone: {error}")
    return web.Response(
        status=answer.status,
        reason=answer.reason,
        headers=_end_to_end(answer.raw_headers),
        body=sockets.offered(request, content) if answer.status == 202 else content,
    )


def _refuse(status: int, message: str) -> web.Response:
    """In API Gateway's own form."""
    return web.json_response({"message": message}, status=status)


def _end_to_end(headers: Iterable[tuple[bytes, bytes]], without: str = "") -> CIMultiDict[str]:
    """The headers to hand on, in lower case, as an HTTP API does; `without` is one more to drop."""
    pairs = [(_text(name).lower(), _text(value)) for name, value in headers]
    # A Connection header may name further headers of this hop.
    named = ",".join(value for name, value in pairs if name == "connection")
    dropped = _HOP_BY_HOP | {without} | {each.strip().lower() for each in named.split(",")}
    return CIMultiDict([pair for pair in pairs if pair[0] not in dropped])


def _text(header: bytes) -> str:
    """UTF-8, as aiohttp sends it again, or else Latin-1, which any bytes are."""
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")
