"""DynamoDB, SQS, Secrets Manager and a model on a port of this machine, in memory.

The state is real: the stand-ins of the simulation, which the tests hold against an emulator.
"""

import json
import re
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from botocore.exceptions import ClientError
from multidict import CIMultiDict

from local.guarded import refusal
from simmer.jobs.item import item_of
from simmer.jobs.job import Job
from tests.simulation.services.dynamodb import DynamoDb
from tests.simulation.services.sqs import Sqs
from tests.unit.simmer.certificates import Authority
from tests.unit.worker.fakes import VALID

USAGE = {"prompt_tokens": 400, "completion_tokens": 300, "total_tokens": 700}


class Services:
    """What the functions call. `url` is where; `answer` is the text that the model writes.
    `on_call` sees each call of AWS, and `on_question` each question to the model, before it is
    answered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tls_url, self.authority = "", Path()  # the same over TLS, and who signs for it
        self.dynamodb = DynamoDb({"jobs": {"pk": "S"}}, now=time.time)
        self.sqs = Sqs(now=time.time)
        self.queue_url = self.sqs.create_queue("jobs", visibility_seconds=3600)
        self.answer = VALID
        self.lock = threading.Lock()
        self.on_call: Callable[[str, dict[str, Any]], None] = lambda _target, _body: None
        self.on_question: Callable[[], None] = lambda: None

    def store(self, job: Job) -> None:
        self.dynamodb.put_item(TableName="jobs", Item=item_of(job))

    def store_like(self, job: Job, **changes: Any) -> None:
        self.store(replace(job, **changes))

    def messages(self) -> list[dict[str, Any]]:
        """Those that wait, as the worker gets them."""
        found = []
        while some := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            found += some
        return [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
            }
            for each in found
        ]

    def call(self, target: str, body: dict[str, Any]) -> Any:
        self.on_call(target, body)
        service, _, operation = target.partition(".")
        if service == "secretsmanager":
            return {"SecretString": json.dumps({"default": "key"})}
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()
        client: Any = self.sqs if service == "AmazonSQS" else self.dynamodb
        self._wait(body.get("QueueUrl", ""), body.get("WaitTimeSeconds", 0))
        with self.lock:
            return getattr(client, name)(**body)

    def _wait(self, queue_url: str, seconds: float) -> None:
        """A long poll's wait for a message."""
        ends_at = time.time() + seconds
        while time.time() < ends_at:
            next_at = self.sqs.next_visible_at(queue_url)
            if next_at is not None and next_at <= time.time():
                return
            time.sleep(0.05)

    def complete(self) -> Any:
        """A model's answer in OpenAI's form."""
        self.on_question()
        message = {"role": "assistant", "content": self.answer}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        about = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
        return {**about, "choices": [choice], "usage": USAGE}


def _binary(value: dict[str, Any]) -> dict[str, Any]:
    """A binary value of DynamoDB's, out of JSON."""
    return {"B": b64decode(value["B"])} if value.keys() == {"B"} else value


@contextmanager
def serving() -> Iterator[Services]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer is one packet

        def do_POST(self) -> None:
            if why := refusal(CIMultiDict(self.headers.items())):
                self.send_error(403, why)
                return
            body = json.loads(
                self.rfile.read(int(self.headers["content-length"])), object_hook=_binary
            )
            target = self.headers.get("x-amz-target")
            status = 200
            try:
                answer = services.call(target, body) if target else services.complete()
            except ClientError as error:
                status, answer = 400, dict(error.response)
                said = answer.pop("Error")
                answer |= {"__type": f"x#{said['Code']}", "message": said["Message"]}
            text = json.dumps(answer, default=lambda each: b64encode(each).decode()).encode()
            self.send_response_only(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # a batch connects all at once

    plain, secured = (Server(("127.0.0.1", 0), Handler) for _ in range(2))
    services = Services(f"http://127.0.0.1:{plain.server_port}")
    with TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        secured.socket = authority.context("localhost").wrap_socket(
            secured.socket, server_side=True
        )
        services.tls_url = f"https://localhost:{secured.server_port}"
        services.authority = authority.file
        for server in (plain, secured):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield services
        finally:
            for server in (plain, secured):
                server.shutdown()
                server.server_close()
