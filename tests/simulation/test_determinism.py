"""The same seed is the same schedule."""

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.simulation.remote import FaultyClient
from tests.simulation.services.dynamodb import DynamoDb
from tests.simulation.services.sqs import Sqs
from tests.simulation.world import World

pytestmark = pytest.mark.filterwarnings("error")

REPOSITORY = Path(__file__).parents[2]


PATH = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "layers" / "common")])
_SCENARIO = """
from tests.simulation.test_determinism import busy_schedule
print([busy_schedule(seed) for seed in range(20)])
"""


def busy_schedule(seed: int) -> str:
    """Five workers and three senders in a faulty world; return what happened as a hash."""
    with World(seed) as world:
        sqs = Sqs(now=world.clock, random=world.random)
        dynamodb = DynamoDb({"jobs": {"pk": "S"}}, now=world.clock)
        url = sqs.create_queue("jobs", visibility_seconds=20)

        async def work() -> None:
            client = FaultyClient(world, sqs, "sqs")
            table = FaultyClient(world, dynamodb, "dynamodb")
            while True:
                received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3)
                try:
                    async with asyncio.TaskGroup() as group:
                        for message in received.get("Messages", []):
                            group.create_task(one(client, table, message))
                except* (ClientError, BotoCoreError):
                    pass
                await asyncio.sleep(1)

        async def one(client: FaultyClient, table: FaultyClient, message: dict[str, Any]) -> None:
            await asyncio.to_thread(
                table.update_item,
                TableName="jobs",
                Key={"pk": {"S": message["Body"]}},
                UpdateExpression="ADD n :one, who :me",
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":me": {"SS": [world.current.name]},
                },
            )
            receipt = message["ReceiptHandle"]
            await asyncio.to_thread(client.delete_message, QueueUrl=url, ReceiptHandle=receipt)

        async def main() -> None:
            for name in ("worker-1", "worker-2", "worker-3", "worker-4", "worker-5"):
                world.start(world.process(name, may_crash=name != "worker-1"), work)
            await asyncio.gather(
                *(
                    world.start(world.process(name), send, FaultyClient(world, sqs, "sqs"), url)
                    for name in ("phone-1", "phone-2", "phone-3")
                )
            )
            await asyncio.sleep(300)

        world.run(main())
        world.record("items", dynamodb.items("jobs"))
        return world.trace_hash()


def send(client: FaultyClient, url: str) -> None:
    for number in range(3):
        with suppress(ClientError, BotoCoreError):
            client.send_message(QueueUrl=url, MessageBody=str(number))


def test_the_same_seed_is_the_same_schedule_in_any_interpreter() -> None:
    answers = {
        subprocess.run(
            [sys.executable, "-c", _SCENARIO],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": PATH},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert answers == {str([busy_schedule(seed) for seed in range(20)])}
    assert len({busy_schedule(seed) for seed in range(20)}) == 20
