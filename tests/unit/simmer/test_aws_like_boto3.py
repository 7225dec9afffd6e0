"""The light client and boto3, side by side against the same server and the same faults.

What their callers see is the same: the answer, or the error with its code and with all that the
service said; and the server sees as many requests. `LIGHTER` names the differences that are meant.
"""

import json
import select
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from simmer import aws, clock

pytestmark = pytest.mark.enable_socket

PATIENCE = aws.Config(connect_timeout=1, read_timeout=0.5, attempts=3)
THEIRS = Config(
    connect_timeout=1, read_timeout=0.5, retries={"mode": "standard", "total_max_attempts": 3}
)

LINGER = b"\x01\0\0\0\0\0\0\0"  # close() sends RST


@dataclass(frozen=True)
class Reply:
    """What the server does with one request."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    does: str = "answer"  # or "reset", "hang up", "stall", "cut", "close after", "chunks", "drips"
    checksum: bool = True


def says(status: int, document: Any, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(document).encode(), named)


def refuses(code: str, status: int = 400, **more: Any) -> Reply:
    return says(status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", **more})


class Server:
    """Answers what it was told to, in turn, and the last of it from then on."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[tuple[dict[str, str], Any]] = []
        self.ports: set[int] = set()
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                named = {name.lower(): value for name, value in self.headers.items()}
                server.requests.append((named, json.loads(body)))
                server.ports.add(self.client_address[1])
                some = server.replies
                server.answer(self, some.pop(0) if len(some) > 1 else some[0])

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.does == "stall":
            self.released.wait(60)
        if reply.does in ("reset", "hang up", "stall"):
            if reply.does == "reset":
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            handler.close_connection = True
            handler.connection.close()
            return
        handler.send_response_only(reply.status)
        checksum = zlib.crc32(reply.body) + (not reply.checksum)
        headers = {"x-amz-crc32": str(checksum), "x-amzn-requestid": "r-1"} | reply.headers
        for name, value in headers.items():
            handler.send_header(name, value)
        self.write(handler, reply)
        if reply.does == "reset after":
            handler.wfile.flush()
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        if reply.does in ("cut", "close after", "no length", "reset after"):
            handler.close_connection = True

    def write(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.does == "chunks":
            handler.send_header("transfer-encoding", "chunked")
            handler.end_headers()
            halves = reply.body[:5], reply.body[5:], b""
            parts = [f"{len(half):x}\r\n".encode() + half + b"\r\n" for half in halves if half]
            handler.wfile.write(b"".join([*parts, b"0\r\n\r\n"]))
            return
        if reply.does != "no length":
            handler.send_header("content-length", str(len(reply.body)))
        handler.end_headers()
        if reply.does == "drips":
            for at in range(len(reply.body)):
                handler.wfile.write(reply.body[at : at + 1])
            return
        handler.wfile.write(reply.body[: 5 if reply.does == "cut" else None])


@pytest.fixture(scope="module")
def _server() -> Iterator[Server]:
    server = Server()
    yield server
    server.released.set()
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def server(_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    _server.replies, _server.requests, _server.ports = [], [], set()
    monkeypatch.setenv("AWS_ENDPOINT_URL", _server.url)
    monkeypatch.setattr(clock, "sleep", lambda _: None)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    return _server


type Call = Callable[[Any], Any]
CALLS: dict[str, tuple[str, Call]] = {
    "get": (
        "dynamodb",
        lambda client: client.get_item(TableName="t", Key={"pk": {"S": "k"}}).get("Item"),
    ),
    "update": (
        "dynamodb",
        lambda client: client.update_item(
            TableName="t",
            Key={"pk": {"S": "k"}},
            UpdateExpression="SET #a = :a",
            ExpressionAttributeNames={"#a": "a"},
            ExpressionAttributeValues={":a": {"N": "1"}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        ).get("Attributes"),
    ),
    "transact": (
        "dynamodb",
        lambda client: client.transact_write_items(
            TransactItems=[{"Put": {"TableName": "t", "Item": {"pk": {"S": "k"}}}}]
        ).get("Item"),
    ),
    "send": (
        "sqs",
        lambda client: client.send_message(
            QueueUrl="https://sqs.us-east-1.amazonaws.com/1/q", MessageBody="b", MessageGroupId="g"
        ).get("MessageId"),
    ),
    "secret": (
        "secretsmanager",
        lambda client: client.get_secret_value(SecretId="s").get("SecretString"),
    ),
}

ITEM = {"pk": {"S": "k"}, "n": {"N": "12"}, "l": {"L": [{"M": {"x": {"BOOL": True}}}]}}
GOOD: dict[str, Reply] = {
    "get": says(200, {"Item": ITEM}),
    "update": says(200, {"Attributes": ITEM}),
    "transact": says(200, {}),
    "send": says(200, {"MessageId": "m", "MD5OfMessageBody": "x"}),
    "secret": says(200, {"SecretString": "{}", "CreatedDate": 1.5e9}),
}

THROTTLES = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "Throttling",
    "TransactionInProgressException",
    "TooManyRequestsException",
    "LimitExceededException",
]
REFUSALS = [
    "ValidationException",
    "AccessDeniedException",
    "ResourceNotFoundException",
    "ExpiredTokenException",
    "UnrecognizedClientException",
    "InvalidSignatureException",  # with a clock that is right
    "DecryptionFailure",
]
OLD: dict[str, Any] = {"Item": ITEM}
FAULTS: dict[str, Reply] = {
    **{code: refuses(code, message="no") for code in THROTTLES + REFUSALS},
    "a failed condition": refuses("ConditionalCheckFailedException", message="no", **OLD),
    "a failed condition on nothing": refuses("ConditionalCheckFailedException", message="no"),
    "a cancelled transaction": refuses(
        "TransactionCanceledException",
        Message="Transaction cancelled",
        CancellationReasons=[{"Code": "None"}, {"Code": "ConditionalCheckFailed", **OLD}],
    ),
    "a conflict": refuses("TransactionConflictException", message="no"),
    "500": refuses("InternalServerError", 500, message="no"),
    "503 of a proxy": Reply(503, b"<html>no</html>"),
    "502 without a body": Reply(502, b""),
    "504": Reply(504, b"no"),
    "403 of a proxy": Reply(403, b"<html>no</html>"),
    "501": says(501, {"message": "no"}),
    "an older code": says(
        400,
        {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"},
        x_amzn_query_error="AWS.SimpleQueueService.NonExistentQueue;Sender",
    ),
    "a throttle that names a time": Reply(
        400,
        b'{"__type": "x#ThrottlingException", "message": "no"}',
        {"retry-after": "1", "x-amz-retry-after": "1000"},
    ),
    "a throttle by its status": Reply(429, b'{"message": "no"}'),
    "a throttle with 503": refuses("ThrottlingException", 503, message="no"),
    "a page of a proxy in another dress": Reply(503, b"<!DOCTYPE html><HTML>no</HTML>"),
    "500 of a proxy, in capitals": Reply(500, b"<HTML>no</HTML>"),
    "500 in plain words": Reply(500, b"Internal Server Error"),
    "500 with half a document": Reply(500, b'{"__type": "x#Inter'),
    "400 without a body": Reply(400, b""),
    "400 with an empty document": Reply(400, b"{}"),
    "400 with a code and no name space": says(400, {"__type": "Odd", "message": "no"}),
    "400 with an address in its code": says(400, {"__type": "a.b#Odd:http://x/y", "message": "no"}),
    "413 of a proxy": Reply(413, b"<html>no</html>"),
    "404 in chunks": Reply(404, b'{"__type": "x#Odd", "message": "no"}', does="chunks"),
    "408": Reply(408, b""),
    "a refusal, byte by byte": Reply(400, b'{"__type": "x#Odd", "message": "no"}', does="drips"),
    "a refusal whose end is the connection's": Reply(
        400, b'{"__type": "x#Odd", "message": "no"}', does="no length"
    ),
    "a timeout of the service": refuses("RequestTimeoutException", message="no"),
    "a wrong clock without a date": refuses("RequestTimeTooSkewed", 403, message="no"),
    "an expired token": refuses("ExpiredToken", 403, message="no"),
    "a slow down": refuses("SlowDown", 503, message="no"),
    "a bandwidth": refuses("BandwidthLimitExceeded", 400, message="no"),
    "a reset": Reply(does="reset"),
    "an end without an answer": Reply(does="hang up"),
    "an answer that never comes": Reply(does="stall"),
}


def outcome(call: Call, client: Any) -> Any:
    try:
        return "answer", call(client)
    except (ClientError, aws.ClientError) as error:
        kept = {name: value for name, value in error.response.items() if name[0] != "R"}
        kept.pop("message", None)  # boto3 has it twice
        kept.pop("Message", None)
        return "refused", kept, error.response["ResponseMetadata"]["HTTPStatusCode"]
    except (BotoCoreError, aws.Unanswered):
        return ("unanswered",)


def modelled(seen: Any, service: str) -> Any:
    """Without fields of errors that the service does not have; boto3 leaves those out."""
    if seen[0] == "refused" and service != "dynamodb":
        return (seen[0], {"Error": seen[1]["Error"]}, seen[2])
    return seen


def both(server: Server, name: str, *replies: Reply) -> tuple[Any, Any]:
    """What the callers of boto3 and of ours see, each with the number of requests."""
    service, call = CALLS[name]
    make: Any = boto3.client
    seen = []
    for client in (make(service, config=THEIRS), aws.client(service, PATIENCE)):
        server.replies, server.requests = list(replies), []
        seen.append((modelled(outcome(call, client), service), len(server.requests)))
    return seen[0], seen[1]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["get", "transact", "send"])
def test_lasting_fault_looks_the_same(server: Server, name: str, fault: str) -> None:
    theirs, ours = both(server, name, FAULTS[fault])

    assert ours == theirs


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", CALLS)
def test_fault_that_passes_looks_the_same(server: Server, name: str, fault: str) -> None:
    theirs, ours = both(server, name, FAULTS[fault], GOOD[name])

    assert ours == theirs


@pytest.mark.parametrize("way", ["answer", "chunks", "drips", "close after", "no length"])
@pytest.mark.parametrize("name", CALLS)
def test_answer_is_the_same(server: Server, name: str, way: str) -> None:
    theirs, ours = both(server, name, replace(GOOD[name], does=way))

    assert ours == theirs
    assert ours[0][0] == "answer"


def test_wrong_checksum_is_asked_for_again(server: Server) -> None:
    wrong = Reply(200, GOOD["get"].body, checksum=False)
    theirs, ours = both(server, "get", wrong, GOOD["get"])

    assert ours == theirs == (("answer", ITEM), 2)


# ── The differences that are meant ────────────────────────────────────────────────────────────────


def test_wrong_checksum_that_stays_is_no_answer(server: Server) -> None:
    """boto3 hands the damaged answer on."""
    theirs, ours = both(server, "get", Reply(200, GOOD["get"].body, checksum=False))

    assert (theirs, ours) == ((("answer", ITEM), 3), (("unanswered",), 3))


@pytest.mark.parametrize("name", ["send", "secret"])
def test_answer_that_is_cut_is_asked_for_again(server: Server, name: str) -> None:
    """boto3 takes it for an empty one, that is, a message for sent and a secret for empty."""
    headers = {"x-amz-crc32": "none"}
    cut = Reply(200, GOOD[name].body, headers, does="cut")
    theirs, ours = both(server, name, cut, GOOD[name])

    assert theirs == (("answer", None), 1)
    assert ours[1] == 2
    assert ours[0][1] is not None


@pytest.mark.parametrize("name", ["send", "secret"])
def test_refusal_that_is_cut_is_asked_for_again(server: Server, name: str) -> None:
    """boto3 takes it for a refusal, of an unknown kind."""
    cut = Reply(400, b'{"__type": "x#ThrottlingException"}', {"x-amz-crc32": "none"}, does="cut")
    theirs, ours = both(server, name, cut, GOOD[name])

    assert (theirs[0][0], theirs[1]) == ("refused", 1)
    assert (ours[0][0], ours[1]) == ("answer", 2)


def test_code_in_a_header_counts(server: Server) -> None:
    """boto3 has the status for a code, where the body has none."""
    headers = {"x-amzn-errortype": "OddException:http://x"}
    theirs, ours = both(server, "get", Reply(400, b'{"message": "no"}', headers))

    assert [seen[0][1]["Error"]["Code"] for seen in (theirs, ours)] == ["400", "OddException"]


@pytest.mark.parametrize(
    ("body", "code"), [(b"\xff\xfe no", "400"), (b'{"__type": "x#Odd", "message": null}', "Odd")]
)
def test_refusal_in_no_words_has_a_text_for_a_message(
    server: Server, body: bytes, code: str
) -> None:
    """boto3 trips over the one, and has None for the other."""
    server.replies = [Reply(400, body)]
    kind, said, _ = outcome(CALLS["get"][1], aws.client("dynamodb", PATIENCE))

    assert (kind, said["Error"]["Code"], len(server.requests)) == ("refused", code, 1)
    assert isinstance(said["Error"]["Message"], str)


@pytest.mark.parametrize("page", [b"<html>hello</html>", b"[]", b"null"])
def test_answer_that_is_no_document_is_none(server: Server, page: bytes) -> None:
    server.replies = [Reply(200, page)]

    assert outcome(CALLS["get"][1], aws.client("dynamodb", PATIENCE)) == ("unanswered",)
    assert len(server.requests) == 3


@pytest.mark.parametrize("hours", [-5, 5])
@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "InvalidSignatureException"])
def test_wrong_clock_is_put_right_by_the_answer(server: Server, code: str, hours: int) -> None:
    """boto3 fails for as long as the clock is wrong."""
    date = formatdate(clock.now_ms() / 1000 + hours * 3600, usegmt=True)
    reply = says(403, {"__type": code, "message": "no"}, date=date)
    client = aws.client("dynamodb", PATIENCE)
    server.replies = [reply, GOOD["get"]]

    assert outcome(CALLS["get"][1], client) == ("answer", ITEM)
    assert outcome(CALLS["get"][1], client) == ("answer", ITEM)
    first, second, third = (headers["x-amz-date"] for headers, _ in server.requests)
    assert abs(_seconds(second) - _seconds(first) - hours * 3600) < 60
    assert abs(_seconds(third) - _seconds(second)) < 60
    assert both(server, "get", reply, GOOD["get"])[0][0][0] == "refused"


def _seconds(stamp: str) -> float:
    return time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))


# ── On the wire ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", CALLS)
def test_request_is_the_same(server: Server, name: str) -> None:
    service, call = CALLS[name]
    make: Any = boto3.client
    server.replies = [GOOD[name]]
    call(make(service, config=THEIRS))
    call(aws.client(service, PATIENCE))
    (their_headers, their_body), (our_headers, our_body) = server.requests
    for body in (their_body, our_body):
        if name == "transact":  # of each sending its own
            assert len(body.pop("ClientRequestToken")) == 36

    assert our_body == their_body
    for header in ("x-amz-target", "content-type", "host", "accept-encoding"):
        assert our_headers[header] == their_headers[header]


def test_transaction_that_is_sent_again_is_the_same_one(server: Server) -> None:
    server.replies = [FAULTS["a reset"], FAULTS["500"], GOOD["transact"]]
    CALLS["transact"][1](aws.client("dynamodb", PATIENCE))

    tokens = [body["ClientRequestToken"] for _, body in server.requests]
    assert (len(tokens), len(set(tokens))) == (3, 1)


def test_connection_is_kept(server: Server) -> None:
    server.replies = [GOOD["get"]]
    client = aws.client("dynamodb", PATIENCE)
    for _ in range(5):
        CALLS["get"][1](client)

    assert len(server.ports) == 1


def test_connection_that_was_closed_meanwhile_costs_no_try(server: Server) -> None:
    once = aws.Config(connect_timeout=1, read_timeout=5, attempts=1)
    client = aws.client("dynamodb", once)
    server.replies = [Reply(200, GOOD["get"].body, does="close after"), GOOD["get"]]
    CALLS["get"][1](client)
    idle = client._pool._idle[0].sock
    idle.settimeout(60)
    assert idle.recv(1, socket.MSG_PEEK) == b""  # the end has arrived

    assert CALLS["get"][1](client) == ITEM
    assert len(server.ports) == 2


def test_connection_that_was_reset_meanwhile_costs_no_try(server: Server) -> None:
    once = aws.Config(connect_timeout=1, read_timeout=5, attempts=1)
    client = aws.client("dynamodb", once)
    server.replies = [Reply(200, GOOD["get"].body, does="reset after"), GOOD["get"]]
    CALLS["get"][1](client)
    idle = client._pool._idle[0].sock
    ready = select.poll()
    ready.register(idle, select.POLLIN)
    assert ready.poll(60_000)  # the reset has arrived

    assert CALLS["get"][1](client) == ITEM


def test_nobody_at_the_address_is_unanswered_in_all_tries(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{bound.getsockname()[1]}")
        theirs, ours = both(server, "get", GOOD["get"])

    assert ours == theirs == (("unanswered",), 0)


def test_request_goes_out_in_one_piece(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Head and body in two are two packets, and a delayed acknowledgement between them."""
    client = aws.client("dynamodb", PATIENCE)
    server.replies = [GOOD["get"]]
    CALLS["get"][1](client)
    kept = client._pool._idle[0]
    sent: list[bytes] = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def sendall(self, data: bytes) -> None:
            sent.append(data)
            real.sendall(data)

    real, kept.sock = kept.sock, Watched()
    CALLS["get"][1](client)

    assert len(sent) == 1


def test_threads_share_a_client_and_no_connection(server: Server) -> None:
    server.replies = [GOOD["get"]]
    client = aws.client("dynamodb", PATIENCE)
    wrong = []

    def many() -> None:
        wrong.extend([1 for _ in range(20) if CALLS["get"][1](client) != ITEM])

    threads = [threading.Thread(target=many) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, len(server.requests)) == ([], 200)
    assert len(server.ports) <= 10


def test_pauses_are_at_random_and_longer_for_throttles(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest: list[float] = []

    def uniform(_: float, high: float) -> float:
        longest.append(high)
        return high

    monkeypatch.setattr("simmer.aws.random.uniform", uniform)
    for fault in ("500", "ThrottlingException"):
        server.replies = [FAULTS[fault]]
        outcome(CALLS["get"][1], aws.client("dynamodb", PATIENCE))

    assert longest == [0.05, 0.1, 1.0, 2.0]


def test_frame_goes_to_the_address_of_its_connection(server: Server) -> None:
    server.replies = [Reply(200, b"")]
    client = aws.client("execute-api", PATIENCE, f"{server.url}/prod")
    client.post_to_connection(ConnectionId="ab/c=", Data=b"{}")
    server.replies = [Reply(410, b"", {"x-amzn-errortype": "GoneException:http://x"})]
    with pytest.raises(aws.ClientError) as refused:
        client.post_to_connection(ConnectionId="ab/c=", Data=b"{}")

    assert refused.value.response["Error"]["Code"] == "GoneException"


def test_trace_of_the_invocation_goes_along(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2;Sampled=1")
    server.replies = [GOOD["get"]]
    CALLS["get"][1](aws.client("dynamodb", PATIENCE))

    assert server.requests[0][0]["x-amzn-trace-id"] == "Root=1-2;Sampled=1"
