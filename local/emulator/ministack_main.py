"""ministack as we run it: `python ministack_main.py <file for the functions' output>`.

It runs in the emulator's own interpreter and imports nothing of ours. Four things are not as
ministack has them:

- what a function prints is in that file line by line, not only once its invocation has ended;
- a function that is updated lets its busy processes finish, and gives them no further work;
- what Lambda does in a function's name, its role must allow, as on AWS: to poll a queue or a
  stream, to log, to put aside what failed;
- only this machine's own are served (see `_gate`): a web page of another origin must not read the
  model's key, nor may whoever knows ministack's default key.
"""

import re
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from ministack import app as ministack
from ministack.core import iam_evaluator, lambda_runtime, router
from ministack.services import lambda_svc

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Any]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]

# The deployed APIs, which have an authorizer of their own. A path without a stage is not theirs.
_EXECUTE_API = re.compile(r"/_aws/execute-api/[^/]+/")
_HEALTH = "/_ministack/health"
_KEYS_OF_TOKENS = re.compile(r"/[\w-]+/\.well-known/[\w.-]+")  # of a user pool, for everybody
_SIGN_IN = "AWSCognitoIdentityProviderService.InitiateAuth"  # signed by nobody, on AWS too
# Of any port: a proxy of a test has one of its own. A page whose name leads to this machine
# still gives that name.
_OWN_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)
_ROOT_OF_MINISTACK = re.compile(r"test|\d{12}|")  # whom it takes for the account's root
_ACCOUNT = "000000000000"


def _print_at_once(path: Path) -> None:
    """Write each line of a function to the file as it comes."""
    output = path.open("a", encoding="utf-8", buffering=1)
    lock = threading.Lock()

    def read_stderr(worker: Any) -> None:
        with suppress(OSError, ValueError):  # it has ended
            for line in worker._proc.stderr:
                worker._stderr_queue.put(line.rstrip("\n"))
                with lock:
                    output.write(line)

    lambda_runtime.Worker._read_stderr = read_stderr


def _let_busy_ones_finish() -> None:
    """ministack kills every process of a function that is updated, in the middle of its work."""
    kill, release = lambda_runtime.invalidate_worker, lambda_runtime.release_worker

    def invalidate_worker(func_name: str, *arguments: Any, **options: Any) -> None:
        with lambda_runtime._lock:
            for key, workers in lambda_runtime._workers.items():
                if func_name in key.split(":"):
                    busy = [each for each in workers if each.in_use and each._lock.locked()]
                    for worker in busy:
                        worker.is_retired = True
                        workers.remove(worker)
        kill(func_name, *arguments, **options)

    def release_worker(worker: Any) -> None:
        release(worker)
        if getattr(worker, "is_retired", False):
            lambda_runtime.kill_workers([worker])

    lambda_svc.invalidate_worker = invalidate_worker
    lambda_svc.release_worker = release_worker


_POLLING = {
    "sqs": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "dynamodb": (
        *("dynamodb:DescribeStream", "dynamodb:GetRecords"),
        *("dynamodb:GetShardIterator", "dynamodb:ListStreams"),
    ),
}
_LOGGING = ("logs:CreateLogStream", "logs:PutLogEvents")


def _hold_lambda_to_roles() -> None:
    each_mapping = lambda_svc._iter_all_esms
    log, put_aside = lambda_svc._emit_lambda_logs, lambda_svc._send_ddb_stream_failure_record

    def iter_all_esms() -> Iterator[tuple[str, str, Any]]:
        for account, region, mapping in each_mapping():
            found = lambda_svc._functions.get_scoped(account, region, mapping["FunctionName"])
            source = mapping.get("EventSourceArn", "")
            actions = _POLLING.get(source.split(":")[2] if source else "", ())
            if found is None or _may(found["config"]["Role"], source, *actions):
                yield account, region, mapping

    def emit_lambda_logs(func: Any, *arguments: Any, **options: Any) -> None:
        config = func.get("config") or func
        group = (config.get("LoggingConfig") or {}).get("LogGroup")
        region, account = config["FunctionArn"].split(":")[3:5]
        resource = f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:x"
        if not group or _may(config["Role"], resource, *_LOGGING):
            log(func, *arguments, **options)

    def send_failure_record(esm: Any, func_rec: Any, *arguments: Any) -> None:
        config = func_rec.get("config") or func_rec
        target = (esm.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination", "")
        if not target or _may(config["Role"], target, "sqs:SendMessage"):
            put_aside(esm, func_rec, *arguments)

    lambda_svc._iter_all_esms = iter_all_esms
    lambda_svc._emit_lambda_logs = emit_lambda_logs
    lambda_svc._send_ddb_stream_failure_record = send_failure_record


def _may(role: str, resource: str, *actions: str) -> bool:
    """Whether the role's policies, as they are now, allow each of these."""
    account, name = role.split(":")[4], role.rpartition("/")[2]
    policies = iam_evaluator._gather_role_policies(name, account)
    asked = [
        iam_evaluator.EvalContext(
            principal_arn=role,
            principal_type="AssumedRole",
            principal_account=account,
            action=action,
            resource_arn=resource,
            region=resource.split(":")[3],
        )
        for action in actions
    ]
    return all(iam_evaluator.evaluate(each, policies).decision == "Allow" for each in asked)


def _gate(app: App) -> App:
    """Refuse foreign hosts, browsers' pages outside the deployed APIs, and well-known keys."""

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        headers: dict[str, str] = {}
        for sent, value in scope["headers"]:
            name, text = sent.decode("latin-1").lower(), value.decode("latin-1")
            # As ministack reads what stands twice.
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        query = scope.get("query_string", b"").decode("latin-1")
        if why := _refusal(scope["path"], headers, query):
            await _refuse(scope, send, why)
        else:
            await app(scope, receive, send)

    return gate


def _refusal(path: str, headers: dict[str, str], query: str) -> str:
    """Why the request is not served, or nothing."""
    if not _OWN_HOST.fullmatch(headers.get("host", "")):
        return "this host is not served"
    authorization = headers.get("authorization", "")
    # As ministack itself will read it: what it finds no key in, it takes for the root's.
    key = router.extract_access_key_id(headers, parse_qs(query, keep_blank_values=True))
    is_signed_by_query = re.search("x-amz-credential|awsaccesskeyid", unquote(query), re.IGNORECASE)
    is_signed = bool(key or is_signed_by_query or re.search("^AWS|Credential=", authorization))
    # To send to somebody's socket is AWS's own API, which stands below the deployed ones. Who signs
    # as for AWS does not mean a deployed API, and might get to what stands behind it.
    is_deployed = _EXECUTE_API.match(path) and "/@connections" not in unquote(path)
    if is_deployed and not is_signed:
        return ""
    if "origin" in headers or "sec-fetch-site" in headers:
        return "web pages are served by the deployed APIs only"
    target = headers.get("x-amz-target", "")
    is_for_everybody = (
        path == _HEALTH
        or (_KEYS_OF_TOKENS.fullmatch(path) and not target)
        or (path == "/" and not query and target == _SIGN_IN)
    )
    if is_for_everybody and not is_signed:
        return ""
    if is_signed_by_query or not _is_given(key):
        return "sign it with a key that this emulator has given"
    return ""


def _is_given(key: str) -> bool:
    """Whether the key is one of the emulator's; what is wrong with it then, the emulator says."""
    if _ROOT_OF_MINISTACK.fullmatch(key):
        return False
    found = iam_evaluator.resolve_credential(key, _ACCOUNT)
    return getattr(found, "code", "") != "UnrecognizedClientException"


async def _refuse(scope: Scope, send: Send, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": why.encode()})


if __name__ == "__main__":
    _print_at_once(Path(sys.argv.pop(1)))
    _let_busy_ones_finish()
    _hold_lambda_to_roles()
    ministack.app = _gate(ministack.app)
    ministack.main()
