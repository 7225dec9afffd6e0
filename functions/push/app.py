"""Push: clients on a WebSocket subscribe to jobs and hear of their ends.

API Gateway brings what the clients say, the jobs table's stream which jobs have ended. One function
for both: whoever subscribes has it warm for the moment when the end is to be told.
"""

from functools import cache
from typing import Any

from announcement import announce
from connections import Connections
from simmer import clock
from simmer.jobs.store import JobStore
from simmer.settings import PushSettings
from simmer.web.http import PONG, Event, Response, begins, part, to_come_again
from simmer.web.push_tokens import PushTokens
from subscription import admitted, answer


@cache
def _wiring() -> tuple[JobStore, PushTokens, Connections]:
    settings = PushSettings.from_env()
    store = JobStore.connect(settings.jobs_table)
    tokens = PushTokens.connect(settings.push_key_secret)
    return store, tokens, Connections.connect(settings.push_endpoint)


def handler(event: Event, context: Any) -> Response:
    if not begins(event, context, "Records", "requestContext"):
        return PONG
    store, tokens, connections = _wiring()
    if "Records" in event:
        return to_come_again(announce(event["Records"], connections, store, clock.now_ms()))
    if part(event, "requestContext", "eventType") == "CONNECT":
        return {"statusCode": admitted(event, tokens, clock.now_ms())}
    connection_id = part(event, "requestContext", "connectionId")
    if not isinstance(connection_id, str):
        return {"statusCode": 400}
    connections.send(connection_id, answer(event, store, tokens, clock.now_ms()))
    return {"statusCode": 200}
