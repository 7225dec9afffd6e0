"""`make smoke`: tries a deployment as a client does, and names what is wrong.

    make smoke                                      # what `make run` serves
    make smoke URL=https://… TOKEN=…                # anything, as that token's user
    make smoke ENV=dev                              # with an operator's credentials

A stack is also looked at from inside, which finds causes; with a user pool of its own a user is
made for the occasion. Costs two jobs of the user's quota, and a model's answer.
"""

import argparse
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx2
from botocore.exceptions import BotoCoreError, ClientError
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from deploy import inside
from deploy.causes import (
    NO_ROUTES,
    QUOTA,
    THROTTLED,
    UNMAPPED,
    claims_of,
    not_now,
    now_of,
    object_of,
    unreached,
    why_failed,
)
from deploy.inside import Stack, user_of
from deploy.parameters import UnknownEnvironment, environment
from simmer_client import ApiProblem, Client, JobFailed, SimmerError

BODY = '{"ingredients": ["egg", "rice"], "count": 1, "locale": "en"}'
TERMINAL = ("completed", "failed", "cancelled")
URL_FILE = Path(__file__).parent.parent / ".build" / "url"  # of `make run`

LOGGED_WITHIN_SECONDS = 10  # a line takes its time to be found


class Wrong(Exception):
    """A sentence about what is wrong; what builds on it is not tried."""


@dataclass
class Smoke:
    """The tries, in the order of a job's way. `patience_seconds` is how long a job may wait for a
    worker, `told_seconds` its end for being told; `origin` is a web app's that must be let in."""

    url: str
    token: str
    task: str = "recipe"
    body: str = BODY
    origin: str = ""
    patience_seconds: float = 60.0
    told_seconds: float = 30.0
    stack: Stack | None = None
    say: Callable[[str], None] = print
    wrong: list[str] = field(default_factory=list)
    _is_told: bool = False

    def run(self) -> list[str]:
        """What is wrong, a sentence each."""
        self._http = httpx2.Client(timeout=35)
        with self._http:
            if self.stack is not None:
                with self._try("from inside"):
                    if found := inside.look(self.stack):
                        raise Wrong("; ".join(found))
            with self._try("401 without a token"):
                self._without_a_token()
            accepted: dict[str, Any] = {}
            key = f"smoke-{secrets.token_hex(8)}"
            with self._try("a job is accepted"):
                accepted = self._submit(key)
            if self.origin:
                with self._try("a web app is let in"):
                    self._preflight()
            if accepted:
                self._follow(accepted, key)
        return self.wrong

    @contextmanager
    def _try(self, what: str) -> Iterator[None]:
        start = time.monotonic()
        verdict, sentence = "ok", ""
        try:
            yield
        except Wrong as wrong:
            sentence = str(wrong)
        except (httpx2.HTTPError, WebSocketException, SimmerError, OSError) as error:
            sentence = unreached(error) or f"{type(error).__name__}: {error}"
        if sentence:
            verdict = "WRONG"
            self.wrong.append(f"{what}: {sentence}")
        self.say(f"{verdict:6}{what:32}{time.monotonic() - start:7.2f} s  {sentence}".rstrip())

    # ── One try each ──────────────────────────────────────────────────────────────────────────────

    def _without_a_token(self) -> None:
        answer = self._http.post(f"{self.url}/{self.task}/generate", json={})
        is_ours = "code" in object_of(answer.text)  # a function's own answer, not the gateway's
        match answer.status_code, is_ours:
            case 401, False:
                return
            case 401, True:
                raise Wrong(
                    "401 from SubmitFunction: the route has no authorizer, tokens are not read"
                )
            case status, True:
                raise Wrong(f"{status} instead of 401: anybody may submit")
            case status, False:
                other = f"{status} instead of 401: another server is at this address"
                raise Wrong({403: UNMAPPED, 404: NO_ROUTES, 429: THROTTLED}.get(status, other))

    def _submit(self, key: str, expected: int = 202) -> dict[str, Any]:
        answer = self._http.post(
            f"{self.url}/{self.task}/generate",
            content=self.body,
            headers={
                "authorization": f"Bearer {self.token}",
                "content-type": "application/json",
                "idempotency-key": key,
            },
        )
        said = object_of(answer.text)
        match answer.status_code, said.get("code"):
            case status, _ if status == expected:
                return said
            case 401, _:
                raise Wrong(f"the token is refused: {self._why_refused(answer)}")
            case 429, "quota_exceeded":
                raise Wrong(QUOTA)
            case 429, _:
                raise Wrong(THROTTLED)
            case 503, "dependency_unavailable":
                raise Wrong(
                    "503: DynamoDB or SQS does not take what SubmitFunction sends: missing, "
                    "throttled, or not permitted; ENV=… names which"
                )
            case status, None if status >= 500:
                raise Wrong(
                    f"{status} from the gateway: SubmitFunction does not start or is throttled "
                    "(ten functions at once in a new account); its log says which"
                )
            case status, code:
                raise Wrong(f"{status} {code or ''}: {said.get('detail', answer.text[:200])}")

    def _preflight(self) -> None:
        answer = self._http.options(
            f"{self.url}/{self.task}/generate",
            headers={
                "origin": self.origin,
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,content-type",
            },
        )
        allowed = answer.headers.get("access-control-allow-origin")
        if allowed not in (self.origin, "*"):
            raise Wrong(
                f"CORS: AllowedOrigins does not name {self.origin} (allowed: {allowed or 'none'})"
            )

    def _follow(self, accepted: dict[str, Any], key: str) -> None:
        """From a 202 to the answer, the cache and a cancel."""
        document: dict[str, Any] = {}
        with ExitStack() as opened:
            socket = None
            with self._try("push lets a client subscribe"):
                socket = self._subscribe(accepted, opened)
            with self._try("the job completes"):
                document = self._completed(accepted["jobId"])
            if document and socket and not self._is_told:
                with self._try("push tells the end"):
                    self._told(socket, document)
        if document:
            with self._try("the same request is cached"):
                if self._submit(key, expected=200).get("cached") is not True:
                    raise Wrong("the answer is a 200, but not a cached one")
        with self._try("a job can be cancelled"):
            self._cancelled()

    def _subscribe(self, accepted: dict[str, Any], opened: ExitStack) -> ClientConnection:
        offer = accepted.get("push")
        if not offer:
            raise Wrong(
                "the 202 offers no push: SubmitFunction cannot read the push key (PushKeySecret)"
            )
        try:
            socket = opened.enter_context(connect(offer["url"], open_timeout=30))
        except (WebSocketException, OSError) as error:
            raise Wrong(f"the WebSocket does not open: {error}") from None
        said = {"action": "subscribe", "jobId": accepted["jobId"], "token": offer["token"]}
        socket.send(json.dumps(said))
        frame = json.loads(socket.recv(timeout=30))
        if frame.get("jobId") != accepted["jobId"]:
            raise Wrong(f"subscribing is answered {frame.get('status')} {frame.get('code', '')}")
        self._is_told = frame["status"] in TERMINAL  # a quick model; nobody is told twice
        return socket

    def _completed(self, job_id: str) -> dict[str, Any]:
        give_up = time.monotonic() + self.patience_seconds
        while True:
            document = self._status(job_id)
            match document["status"]:
                case "completed":
                    return document
                case "failed" | "cancelled":
                    raise Wrong(self._why_failed(document))
                case "pending" if time.monotonic() > give_up:
                    raise Wrong(
                        f"still queued after {self.patience_seconds:g} s: no worker takes it. The "
                        "queue has no consumer, the worker does not start (a ModelLadder it "
                        "cannot read, a package that is missing), or all spending is stopped "
                        "(`./simmer-admin go`); ENV=… names which"
                    )
            time.sleep(document.get("pollAfterMs", 1000) / 1000)

    def _status(self, job_id: str) -> dict[str, Any]:
        answer = self._http.get(
            f"{self.url}/{self.task}/status/{job_id}",
            headers={"authorization": f"Bearer {self.token}"},
        )
        said = object_of(answer.text)
        if answer.status_code == 404 and "code" not in said:
            raise Wrong("a poll is answered 404: the API has no route GET /{task}/status/{jobId}")
        if answer.status_code != 200:
            code = said.get("code", "by the gateway, not by StatusFunction")
            raise Wrong(f"a poll is answered {answer.status_code} {code}")
        return said

    def _told(self, socket: ClientConnection, document: dict[str, Any]) -> None:
        give_up = time.monotonic() + self.told_seconds
        while (left := give_up - time.monotonic()) > 0:
            try:
                frame = json.loads(socket.recv(timeout=left))
            except TimeoutError:
                break
            if frame.get("status") in TERMINAL:
                if frame["status"] != document["status"]:
                    raise Wrong(f"push says {frame['status']}, a poll {document['status']}")
                return
        raise Wrong(
            "the end was not told: PushFunction does not hear of it (the table's stream), or may "
            "not send it; clients poll"
        )

    def _cancelled(self) -> None:
        with Client(self.url, self.token, push=False) as client:
            # A key of its own: else it would be the answer that is there.
            job = client.job(
                self.task,
                json.loads(self.body),
                idempotency_key=f"smoke-{secrets.token_hex(8)}",
            )
            try:
                job.submit()
                update = job.cancel()
            except JobFailed as failed:
                update = failed.job
            except ApiProblem as problem:
                if problem.code == "quota_exceeded":
                    raise Wrong(QUOTA) from None
                if problem.status == 404 and not problem.code:
                    missing = "the API has no route POST /{task}/cancel/{jobId}"
                    raise Wrong(f"404: {missing}") from None
                raise
        if update.state not in ("cancelled", "completed", "failed"):
            raise Wrong(f"the job is {update.state} after a cancel")

    def _why_refused(self, answer: httpx2.Response) -> str:
        claims = claims_of(self.token)
        if why := not_now(claims, now_of(answer.headers.get("date", ""))):
            return why
        if self.stack is not None:
            return inside.refused_token(self.stack, claims)
        audience = claims.get("aud", claims.get("client_id"))
        said = re.findall(
            r'error_description="([^"]+)"', answer.headers.get("www-authenticate", "")
        )
        return (
            f"its issuer is {claims.get('iss')!r}, its audience {audience!r}: JwtIssuer and "
            f"JwtAudience must be these to the letter{'; the gateway says: ' * bool(said)}"
            f"{', '.join(said)}"
        )

    def _why_failed(self, document: dict[str, Any]) -> str:
        why = why_failed(document)
        calls, give_up = "", time.monotonic() + LOGGED_WITHIN_SECONDS
        while self.stack and not calls and time.monotonic() < give_up:
            time.sleep(0.5)
            calls = inside.model_calls(self.stack, document["jobId"])
        return f"{why} ({calls})" if calls else why


def main() -> int:
    options = _options()
    make_client: Any = boto3.client
    try:
        stack = Stack(make_client, environment(options.env)[0]) if options.env else None
        url = options.url or (stack.outputs["ApiUrl"] if stack else _served())
        with ExitStack() as opened:
            token = os.environ.get("TOKEN", "")
            if not token and stack and "UserPoolId" in stack.outputs:
                token = opened.enter_context(user_of(stack))
            smoke = Smoke(url.rstrip("/"), token or _given_away(url), stack=stack)
            smoke.task, smoke.body, smoke.origin = options.task, options.body, options.origin
            wrong = smoke.run()
    except (Wrong, UnknownEnvironment, ClientError, BotoCoreError, httpx2.HTTPError) as error:
        print(f"make smoke: {unreached(error) or error}", file=sys.stderr)
        return 1
    print(f"{len(wrong)} wrong" if wrong else f"{url} works")
    return 1 if wrong else 0


def _served() -> str:
    """What `make run` serves."""
    if not URL_FILE.exists():
        raise Wrong("nothing runs here: `make run` first, or say URL=… TOKEN=… or ENV=…")
    return URL_FILE.read_text().strip()


def _given_away(url: str) -> str:
    """A token of `make run`."""
    answer = httpx2.get(f"{url.rstrip('/')}/dev/token", params={"user": "smoke"})
    if answer.status_code != 200:
        raise Wrong(f"{url} gives no tokens away: say TOKEN=… of a user of its issuer")
    return answer.text.strip()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make smoke", description=__doc__)
    parser.add_argument("--url", default="")
    parser.add_argument("--env", default="", help="of samconfig.toml: looks from inside, too")
    parser.add_argument("--origin", default="", help="of a web app that must be let in")
    parser.add_argument("--task", default="recipe")
    parser.add_argument("--body", default=BODY)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
