"""A client for Simmer: submit a slow job, follow it, receive JSON that is valid.

    with Client("https://…", token) as client:
        job = client.job("recipe", {"ingredients": ["egg", "rice"]})
        for update in job.updates():
            print(update.progress, update.message)

An answer may come in parts: `update.outline` has a title for each, `update.partial_result` has
those that are there, and `for part in job.parts()` gives each once, when it comes.

`AsyncClient` is the same for asyncio. What can go wrong is drawn in `simmer_client.errors`.
"""

from simmer_client.aio import AsyncClient, AsyncJob
from simmer_client.client import Client, Job
from simmer_client.errors import (
    ApiProblem,
    FieldError,
    JobCancelled,
    JobFailed,
    ProtocolError,
    SetupError,
    SimmerError,
    Unreachable,
    WaitTimeout,
)
from simmer_client.parts import OutlineEntry, Part
from simmer_client.rules import Timing
from simmer_client.update import State, Update

__all__ = [
    "ApiProblem",
    "AsyncClient",
    "AsyncJob",
    "Client",
    "FieldError",
    "Job",
    "JobCancelled",
    "JobFailed",
    "OutlineEntry",
    "Part",
    "ProtocolError",
    "SetupError",
    "SimmerError",
    "State",
    "Timing",
    "Unreachable",
    "Update",
    "WaitTimeout",
]
