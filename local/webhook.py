"""A receiver of the webhook, as a team's own server would be: it verifies, and keeps what it got.

receiver = WebhookReceiver(lambda: secret)
status = receiver.take(headers, body)
receiver.told(user)  →  [{"at": "…Z", "verified": true, "data": {"jobId": "c928f6…", …}}, …]
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

type Json = dict[str, Any]

_KEPT = 200


class WebhookReceiver:
    """`secret()` is what the deployment signs with. It may change: it is read at each delivery."""

    def __init__(self, secret: Callable[[], str]) -> None:
        self._secret = secret
        self._events: deque[Json] = deque(maxlen=_KEPT)
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """The HTTP status that the sender is answered: 204, also for what came before, or 401."""
        try:
            message = self._verified(headers, body)
        except (WebhookVerificationError, ValueError):
            return 401
        event_id = message["data"]["id"]
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self._lock:
            if event_id not in self._seen:
                self._seen.add(event_id)
                self._events.append({"at": at, "verified": True, **message})
        return 204

    def told(self, owner: str = "") -> list[Json]:
        """The events so far, newest first; of all users, or of that one."""
        with self._lock:
            events = list(self._events)
        return [each for each in reversed(events) if owner in ("", each["data"]["owner"])]

    def routes(self, subject_of: Callable[[str], str | None]) -> list[web.RouteDef]:
        """POST takes a delivery, GET lists the events (`?user=`). `subject_of(user)` is the owner
        that events name, None of a user without a token: nobody's jobs are listed then."""

        async def take(request: web.Request) -> web.Response:
            status = await asyncio.to_thread(self.take, request.headers, await request.read())
            return web.Response(status=status)

        async def told(request: web.Request) -> web.Response:
            user = request.query.get("user")
            subject = "" if user is None else subject_of(user)
            events = [] if subject is None else self.told(subject)
            return web.json_response(events, headers={"Cache-Control": "no-store"})

        return [web.post("/dev/webhook", take), web.get("/dev/webhook", told)]

    def _verified(self, headers: Mapping[str, str], body: bytes) -> Json:
        for secret in self._secret().split():  # while it is changed there are two
            try:
                Webhook(secret).verify(body, dict(headers), json_parse=False)
            except WebhookVerificationError:
                continue
            message: Json = json.loads(body)
            return message
        raise WebhookVerificationError("no signature fits")
