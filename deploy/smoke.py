"""`make smoke`: tries a deployment as a client does, and names what is wrong.

    make smoke                                      # what `make run` serves
    make smoke URL=https://… TOKEN=…                # anything, as that token's user
    make smoke ENV=dev                              # with an operator's credentials

A stack is also looked at from inside, which finds causes; with a user pool of its own a user is
made for the occasion. Costs two jobs of the user's quota, and a model's answer.
"""

import argparse
import base64
import json
import os
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
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from deploy import inside
from deploy.inside import Stack
from deploy.parameters import environment
from simmer_client import ApiProblem, Client, JobFailed, SimmerError

BODY = '{"ingredients": ["egg", "rice"], "count": 1, "locale": "en"}'
QUOTA = "DailyJobQuota is used up for this user today: raise it, or wait"
TERMINAL = ("completed", "failed", "cancelled")
URL_FILE = Path(__file__).parent.parent / ".build" / "url"  # of `make run`


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
            sentence = f"{type(error).__name__}: {error}"
        if sentence:
            verdict = "WRONG"
            self.wrong.append(f"{what}: {sentence}")
        self.say(f"{verdict:6}{what:32}{time.monotonic() - start:7.2f} s  {sentence}".rstrip())

    # ── One try each ──────────────────────────────────────────────────────────────────────────────

    def _without_a_token(self) -> None:
        answer = self._http.post(f"{self.url}/{self.task}/generate", json={})
        if answer.status_code == 404:
            raise Wrong(
                "404: the API has no routes. API Gateway drops them all when it cannot read the "
                "issuer's /.well-known/openid-configuration, or URL is not the API's address"
            )
        if answer.status_code != 401:
            raise Wrong(f"{answer.status_code} instead of 401: anybody may submit")

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
        said = _object(answer)
        match answer.status_code, said.get("code"):
            case status, _ if status == expected:
                return said
            case 401, _:
                raise Wrong(f"the token is refused: {self._why_refused()}")
            case 429, "quota_exceeded":
                raise Wrong(QUOTA)
            case 429, _:
                raise Wrong("throttled by the gateway: raise SubmitsPerSecond")
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
                    raise Wrong(_why_failed(document))
                case "pending" if time.monotonic() > give_up:
                    raise Wrong(
                        f"still queued after {self.patience_seconds:g} s: no worker takes it. The "
                        "queue has no consumer, or the worker does not start (a ModelLadder it "
                        "cannot read, a package that is missing); ENV=… names which"
                    )
            time.sleep(document.get("pollAfterMs", 1000) / 1000)

    def _status(self, job_id: str) -> dict[str, Any]:
        answer = self._http.get(
            f"{self.url}/{self.task}/status/{job_id}",
            headers={"authorization": f"Bearer {self.token}"},
        )
        if answer.status_code != 200:
            raise Wrong(f"a poll is answered {answer.status_code} {_object(answer).get('code')}")
        return _object(answer)

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
                raise
        if update.state not in ("cancelled", "completed", "failed"):
            raise Wrong(f"the job is {update.state} after a cancel")

    def _why_refused(self) -> str:
        claims = _claims(self.token)
        if self.stack is not None:
            return inside.refused_token(self.stack, claims)
        audience = claims.get("aud", claims.get("client_id"))
        return (
            f"its issuer is {claims.get('iss')!r}, its audience {audience!r}: JwtIssuer and "
            "JwtAudience must be these to the letter; or it has expired"
        )


def _why_failed(document: dict[str, Any]) -> str:
    reasons = {
        "model_unavailable": (
            "no model of the ladder answered: the key is missing or wrong, ModelLadder names a "
            "model or an address that is not there, or the provider is down; the worker's lines "
            '"model call" say which'
        ),
        "budget_exceeded": "DailyBudgetUsd is spent for today",
        "invalid_output": "the models answered, but never what the task allows",
        "deadline_exceeded": "it was not done by JobDeadlineSeconds",
    }
    code = str(document.get("errorCode"))
    return f"{document['status']}, {code}: {reasons.get(code, document.get('error', ''))}"


def _object(answer: httpx2.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _claims(token: str) -> dict[str, Any]:
    """What a JWT says; nothing if it is none."""
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


@contextmanager
def user_of(stack: Stack) -> Iterator[str]:
    """The token of a user of the stack's own pool, who is there for as long as it is needed."""
    cognito = stack.aws("cognito-idp")
    name, password = f"smoke-{secrets.token_hex(6)}", f"Sm0ke-{secrets.token_urlsafe(24)}"
    pool = {"UserPoolId": stack.outputs["UserPoolId"], "Username": name}
    cognito.admin_create_user(**pool, MessageAction="SUPPRESS")
    try:
        cognito.admin_set_user_password(**pool, Password=password, Permanent=True)
        signed_in = cognito.initiate_auth(
            ClientId=stack.outputs["UserPoolClientId"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password},
        )
        yield signed_in["AuthenticationResult"]["AccessToken"]
    finally:
        cognito.admin_delete_user(**pool)


def main() -> int:
    options = _options()
    make_client: Any = boto3.client
    stack = Stack(make_client, environment(options.env)[0]) if options.env else None
    url = options.url or (stack.outputs["ApiUrl"] if stack else URL_FILE.read_text().strip())
    token = os.environ.get("TOKEN", "")
    more = {"task": options.task, "body": options.body, "origin": options.origin, "stack": stack}
    url = url.rstrip("/")
    if not token and stack and "UserPoolId" in stack.outputs:
        with user_of(stack) as token:
            wrong = Smoke(url, token, **more).run()
    else:
        if not token:  # `make run` gives one away
            token = httpx2.get(f"{url}/dev/token", params={"user": "smoke"}).text.strip()
        wrong = Smoke(url, token, **more).run()
    print(f"{len(wrong)} wrong" if wrong else f"{url} works")
    return 1 if wrong else 0


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
