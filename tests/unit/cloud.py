"""The AWS services of the functions, in-process, with calls that fail on demand."""

import json
import zlib
from collections import defaultdict
from threading import Lock
from typing import Any, Literal

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError, ReadTimeoutError

from simmer.jobs.job import Job, Lease, Usage
from simmer.jobs.leases import LeaseStore
from simmer.table import Table
from tests.as_ours import BOTO3_ERRORS, as_ours

TABLE = "jobs"
QUEUE = "jobs-queue"
PUSH_KEY_SECRET = "push-key"
PUSH_KEY = "the-key-nobody-may-log-0123456789"

RETENTION_SECONDS = 24 * 3600

# Valid JSON, spaced and escaped as no printer of ours would.
RESULT = '{ "recipes" :[ {"name" : "김치\\u00e9" ,\n "cookingTime": 2.0e1 } ]  }'

LOST_ANSWER = ReadTimeoutError(endpoint_url="https://aws.example")


def refused(code: str, **details: Any) -> ClientError:
    """The exception of a call that AWS answered with this error code."""
    response: Any = {"Error": {"Code": code, "Message": code}, **details}
    return ClientError(response, "Operation")


def table_of(client: Any) -> Table:
    """The jobs table, through that client."""
    return Table(client, TABLE)


class OneAtATime:
    """A client of moto's, one call at a time: moto's tables know no lock, and a worker writes from
    several threads. Two calls at once lost writes, or failed on a dictionary that changed."""

    _lock = Lock()

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return method

        def call(*args: Any, **arguments: Any) -> Any:
            with self._lock:
                return method(*args, **arguments)

        return call


class FlakyClient:
    """A client that records its calls and raises the errors it was told to, once each."""

    def __init__(self, client: Any, calls: list[str]) -> None:
        self._client = client
        self._calls = calls
        self._failures: dict[str, list[tuple[Exception, bool, str]]] = defaultdict(list)
        self._stale: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def fail(self, operation: str, error: Exception, *, times: int = 1, about: str = "") -> None:
        """The next calls fail, of those in whose arguments this stands."""
        self._failures[operation] += [(error, False, about)] * times

    def lose_answer(self, operation: str) -> None:
        """The next call takes effect, and its caller gets a time-out."""
        self._failures[operation].append((LOST_ANSWER, True, ""))

    def answer_next(self, operation: str, item: dict[str, Any]) -> None:
        """The next call reads this item, as one that was a moment too early."""
        self._stale[operation].append(
            {"Item": {name: TypeSerializer().serialize(value) for name, value in item.items()}}
        )

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._client, operation)

        def call(**arguments: Any) -> Any:
            self._calls.append(operation)
            if self._stale[operation]:
                return self._stale[operation].pop(0)
            for failure in self._failures[operation]:
                error, takes_effect, about = failure
                if about in str(arguments):
                    self._failures[operation].remove(failure)
                    if takes_effect:
                        method(**arguments)
                    raise as_ours(error)
            try:
                return method(**arguments)
            except BOTO3_ERRORS as error:
                raise as_ours(error) from None

        return call


class Sockets:
    """API Gateway's side of the WebSockets: what each open connection was sent."""

    def __init__(self) -> None:
        self.frames: dict[str, list[str]] = {}

    def open(self, *connection_ids: str) -> None:
        self.frames |= {each: [] for each in connection_ids}

    def close(self, connection_id: str) -> None:
        del self.frames[connection_id]

    def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> None:  # noqa: N803
        if ConnectionId not in self.frames:
            raise refused("GoneException")
        self.frames[ConnectionId].append(Data.decode())


class Cloud:
    """The services that the functions use; tests look at them through clients of their own."""

    def __init__(self, dynamodb: Any, sqs: Any, secretsmanager: Any) -> None:
        self.calls: list[str] = []  # of the code under test, over both services
        self._dynamodb, self._sqs = dynamodb, sqs
        dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        self.queue_url: str = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        self.dynamodb = FlakyClient(dynamodb, self.calls)
        self.sqs = FlakyClient(sqs, self.calls)
        self._secretsmanager = secretsmanager
        secretsmanager.create_secret(Name=PUSH_KEY_SECRET, SecretString=PUSH_KEY)
        self.secrets = FlakyClient(secretsmanager, self.calls)
        self.sockets = Sockets()
        self.connections = FlakyClient(self.sockets, self.calls)

    def client(
        self,
        service: Literal["dynamodb", "sqs", "secretsmanager", "execute-api"],
        *_: Any,
    ) -> FlakyClient:
        """Stands in for `aws.client`."""
        return {
            "dynamodb": self.dynamodb,
            "sqs": self.sqs,
            "secretsmanager": self.secrets,
            "execute-api": self.connections,
        }[service]

    def image(self, job_id: str) -> dict[str, Any]:
        """The job item as the table's stream has it."""
        found: dict[str, Any] = self._dynamodb.get_item(
            TableName=TABLE, Key={"pk": {"S": f"job#{job_id}"}}
        )["Item"]
        return found

    def jobs(self) -> list[dict[str, Any]]:
        """Every job item, as it is stored."""
        return [item for item in self._items() if item["pk"].startswith("job#")]

    def job(self, job_id: str) -> dict[str, Any]:
        [item] = [item for item in self.jobs() if item["pk"] == f"job#{job_id}"]
        return item

    def quota_counts(self) -> dict[str, int]:
        """By user and day."""
        return {
            item["pk"].removeprefix("quota#"): int(item["jobs"])
            for item in self._items()
            if item["pk"].startswith("quota#")
        }

    def messages(self) -> list[dict[str, str]]:
        """The messages that were sent since the last look."""
        bodies = []
        while received := self._sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=3600
        ).get("Messages"):
            bodies += [json.loads(message["Body"]) for message in received]
        return bodies

    def message_groups(self) -> list[str]:
        """The groups of the messages that were sent since the last look."""
        groups = []
        while received := self._sqs.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=3600,
            MessageSystemAttributeNames=["MessageGroupId"],
        ).get("Messages"):
            groups += [message["Attributes"]["MessageGroupId"] for message in received]
        return groups

    def put_push_key(self, key: str | bytes) -> None:
        content = {"SecretBinary" if isinstance(key, bytes) else "SecretString": key}
        self._secretsmanager.put_secret_value(SecretId=PUSH_KEY_SECRET, **content)

    def delete_job(self, job_id: str) -> None:
        self._dynamodb.delete_item(TableName=TABLE, Key={"pk": {"S": f"job#{job_id}"}})

    def edit_job(self, job_id: str, **attributes: Any) -> None:
        """Overwrite attributes of the stored job; None removes one."""
        item = self.job(job_id) | attributes
        self._dynamodb.put_item(
            TableName=TABLE,
            Item={
                name: TypeSerializer().serialize(value)
                for name, value in item.items()
                if value is not None
            },
        )

    def _items(self) -> list[dict[str, Any]]:
        found = self._dynamodb.scan(TableName=TABLE, ConsistentRead=True)["Items"]
        return [
            {name: _plain(TypeDeserializer().deserialize(value)) for name, value in item.items()}
            for item in found
        ]


def _plain(value: Any) -> Any:
    """A long text as it was before it was stored."""
    return zlib.decompress(value.value).decode() if isinstance(value, Binary) else value  # type: ignore[attr-defined]


class WorkerSide:
    """A worker's steps on a job, through the real store."""

    def __init__(self, cloud: Cloud, clock: Any) -> None:
        self._cloud = cloud
        self._clock = clock
        self.leases = LeaseStore(table_of(cloud.dynamodb))

    def claim(self, job_id: str, *, token: str = "lease-1", lease_seconds: int = 30) -> Job:
        return self.leases.claim(
            job_id,
            self._cloud.job(job_id)["run_id"],
            Lease(
                token=token,
                expires_at_ms=self._clock.now_ms + lease_seconds * 1000,
                message_id="message-1",
            ),
            self._clock.now_ms,
        )

    def complete(self, job_id: str, result: str = RESULT) -> Job:
        return self.leases.complete(
            self.claim(job_id),
            result,
            Usage(calls=1),
            retention_seconds=RETENTION_SECONDS,
            now_ms=self._clock.now_ms,
        )

    def fail(self, job_id: str, error_code: Any) -> Job:
        return self.leases.fail(
            self.claim(job_id),
            error_code,
            Usage(calls=1),
            retention_seconds=RETENTION_SECONDS,
            now_ms=self._clock.now_ms,
        )
