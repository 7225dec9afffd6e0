"""The errors of a boto3 client, as the light client's callers expect them."""

from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from simmer import aws


def as_ours[E: Exception](error: E) -> E:
    """The same error; one of boto3's is an `AwsError` from now on, too."""
    if isinstance(error, BOTO3_ERRORS):
        ours = aws.ClientError if isinstance(error, ClientError) else aws.Unanswered
        kind: Any = type(error)
        both: Any = _both(kind, ours)
        if vars(error).get("response", "") is None:  # of a call without an answer
            del vars(error)["response"]
        error.__class__ = both
    return error


BOTO3_ERRORS = (BotoCoreError, ClientError)


@cache
def _both(theirs: Any, ours: Any) -> Any:
    return theirs if issubclass(theirs, ours) else type(theirs.__name__, (theirs, ours), {})
