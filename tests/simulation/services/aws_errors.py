"""The errors that the stand-ins raise: real botocore ones, with AWS's codes and shapes."""

from functools import cache
from typing import Any

from botocore.exceptions import ClientError

# SQS answers these two codes under class names of their own.
_CODE_OF_CLASS = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
}


@cache
def _error_class(code: str) -> type[ClientError]:
    return type(code.rpartition(".")[2], (ClientError,), {})


class Exceptions:
    """`client.exceptions` of a client: a ClientError class for each error's name."""

    def __getattr__(self, name: str) -> type[ClientError]:
        if name.startswith("__"):
            raise AttributeError(name)
        return (
            ClientError if name == "ClientError" else _error_class(_CODE_OF_CLASS.get(name, name))
        )


def client_error(operation: str, code: str, message: str, **fields: Any) -> ClientError:
    """Build the error that boto3 raises; `fields` stand beside "Error" in its response."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RetryAttempts": 0},
        **fields,
    }
    return _error_class(code)(response, operation)
