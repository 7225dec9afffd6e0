"""A job as DynamoDB stores it, and the parts of a conditional write, as boto3 takes them."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from simmer.job import ErrorCode, Job, JobStatus, Lease, Usage

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def job_key(job_id: str) -> str:
    """The value of a job's `pk`."""
    return f"job#{job_id}"


def key(pk: str) -> dict[str, Any]:
    """The key of an item, as calls take it."""
    return {"pk": {"S": pk}}


def item_of(job: Job) -> dict[str, Any]:
    """The job's item."""
    attributes = {
        "pk": job_key(job.job_id),
        **{
            name: value
            for name, value in asdict(job).items()
            if value not in (None, frozenset()) and name not in ("lease", "usage")
        },
        **asdict(job.usage),
    }
    return {name: _serialize(_plain(value)) for name, value in attributes.items()}


def job_of(item: Mapping[str, Any]) -> Job:
    """The job in an item, as a read, a refused write or the table's stream brings it."""
    stored: dict[str, Any] = {name: _deserialize(value) for name, value in item.items()}
    stored = {
        name: int(value) if name.endswith(_NUMBERS) else value for name, value in stored.items()
    }
    stored |= {name: frozenset(stored.get(name, ())) for name in ("wanted_by", "subscribers")}
    lease = None
    if "lease_token" in stored:
        lease = Lease(
            token=stored["lease_token"],
            expires_at_ms=stored["lease_expires_at_ms"],
            message_id=stored["lease_message_id"],
        )
    error_code = stored.get("error_code")
    return Job(
        lease=lease,
        usage=Usage(**{name: stored[name] for name in asdict(Usage()) if name in stored}),
        status=JobStatus(stored["status"]),
        error_code=ErrorCode(error_code) if error_code else None,
        **{name: stored[name] for name in _SAME if name in stored},
    )


_NUMBERS = ("_ms", "_seconds", "_tokens", "calls", "_microusd", "_rung")
_SAME = frozenset(Job.__dataclass_fields__) - {"lease", "usage", "status", "error_code"}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value  # a StrEnum is no DynamoDB type


def conditional(condition: str, **values: Any) -> dict[str, Any]:
    """The arguments of a put; every attribute stands as `#name`, every value as `:name`."""
    return {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": _names(condition),
        "ExpressionAttributeValues": _values(values),
    }


def conditional_update(expression: str, condition: str, **values: Any) -> dict[str, Any]:
    """The arguments of an update."""
    return {
        "UpdateExpression": expression,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": _names(expression + condition),
        "ExpressionAttributeValues": _values(values),
    }


def _names(expressions: str) -> dict[str, str]:
    """Every attribute is written `#name`, so that no name can be one of DynamoDB's 573 words."""
    return {f"#{name}": name for name in re.findall(r"#(\w+)", expressions)}


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f":{name}": _serialize(_plain(value)) for name, value in values.items()}
