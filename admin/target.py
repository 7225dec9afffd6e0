"""The stack that is looked after, and what Simmer's own code makes of its table and queues."""

import os
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from deploy.inside import Stack
from deploy.parameters import environment
from simmer.books.ledger import Ledger
from simmer.jobs.item import JobItems, job_of
from simmer.jobs.job import Job
from simmer.jobs.leases import LeaseStore
from simmer.jobs.queue import JobQueue
from simmer.jobs.store import JobStore
from simmer.table import Table

REPOSITORY = Path(__file__).parents[1]
# As `make run` writes it, for as long as it runs.
LOCAL = Path(os.environ.get("SIMMER_LOCAL", REPOSITORY / ".build" / "aws.env"))
MOST_LEDGER_SHARDS = 8  # that the template takes
SEGMENTS = 8  # of the table, read side by side


class Target:
    """The stack of an environment: `local` is what `make run` serves; else of samconfig.toml."""

    def __init__(self, name: str) -> None:
        if name == "local":
            if not LOCAL.exists():
                raise LookupError("nothing runs here: start it with `make run`")
            for line in LOCAL.read_text().splitlines():
                key, _, value = line.removeprefix("export ").partition("=")
                os.environ[key] = shlex.split(value)[0]
            stack_name = os.environ["SIMMER_STACK"]
        else:
            stack_name = environment(name)[0]
        make_client: Any = boto3.client
        self.aws = make_client
        self.stack = Stack(make_client, stack_name)

    def output(self, name: str) -> str:
        """An output of the stack, or LookupError."""
        if name not in self.stack.outputs:
            raise LookupError(f"the stack has no {name}: its users are another issuer's")
        return self.stack.outputs[name]

    @property
    def logs(self) -> list[str]:
        """The log groups of all functions that there are."""
        ids = self.stack.ids
        names = [each.replace("Function", "LogGroup") for each in self.stack.functions]
        return [ids[name] for name in names]

    @cached_property
    def dynamodb(self) -> Any:
        return self.aws("dynamodb")

    @cached_property
    def sqs(self) -> Any:
        return self.aws("sqs")

    @cached_property
    def table_name(self) -> str:
        return self.output("JobsTableName")

    @cached_property
    def table(self) -> Table:
        return Table(self.dynamodb, self.table_name)

    @cached_property
    def items(self) -> JobItems:
        return JobItems(self.table)

    @cached_property
    def store(self) -> JobStore:
        return JobStore(self.table)

    @cached_property
    def leases(self) -> LeaseStore:
        return LeaseStore(self.table)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.table, MOST_LEDGER_SHARDS)

    @cached_property
    def queue(self) -> JobQueue:
        return JobQueue(self.sqs, self.output("JobsQueueUrl"))

    def job(self, job_id: str) -> Job:
        """The job, or LookupError."""
        job = self.items.read(job_id)
        if job is None:
            raise LookupError(f"there is no job {job_id}")
        return job

    def jobs(self) -> Iterator[Job]:
        """Every job, read off the whole table: half a unit for each 4 KB of it."""
        for item in self.scan("job#"):
            yield job_of(item)

    def scan(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Every item whose key begins like that."""

        def read(segment: int) -> list[dict[str, Any]]:
            pages = self.dynamodb.get_paginator("scan").paginate(
                TableName=self.table_name,
                Segment=segment,
                TotalSegments=SEGMENTS,
                FilterExpression="begins_with(pk, :prefix)",
                ExpressionAttributeValues={":prefix": {"S": prefix}},
            )
            return [item for page in pages for item in page["Items"]]

        with ThreadPoolExecutor(SEGMENTS) as threads:
            for items in threads.map(read, range(SEGMENTS)):
                yield from items

    def sub(self, user: str) -> str:
        """A user as jobs name him: his `sub` in the stack's own pool, or what is given."""
        if "UserPoolId" not in self.stack.outputs:
            return user
        cognito = self.aws("cognito-idp")
        try:
            found = cognito.admin_get_user(UserPoolId=self.output("UserPoolId"), Username=user)
        except cognito.exceptions.UserNotFoundException:
            return user
        return next(str(a["Value"]) for a in found["UserAttributes"] if a["Name"] == "sub")

    @cached_property
    def models(self) -> list[str]:
        """The models of the worker's ladder, and of those of the versions before."""
        import json

        pages = self.aws("lambda").get_paginator("list_versions_by_function")
        found: dict[str, None] = {}
        for page in pages.paginate(FunctionName=self.stack.ids["WorkerFunction"]):
            for version in reversed(page["Versions"]):
                ladder = version["Environment"]["Variables"].get("MODEL_LADDER", "[]")
                found |= dict.fromkeys(rung["model"] for rung in json.loads(ladder))
        return list(found)
