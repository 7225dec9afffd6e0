"""A world in which only scripted faults happen, for tests of the simulation itself."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from tests.simulation.faults import FaultPlan
from tests.simulation.remote import FaultyClient
from tests.simulation.services.dynamodb import DynamoDb
from tests.simulation.world import World

KEY = {"pk": {"S": "a"}}


def quiet_world(seed: int = 0) -> World:
    return World(seed, faults=FaultPlan(Random(seed)))


def run[T](main: Callable[[World], Awaitable[T]], seed: int = 0) -> T:
    """Run a coroutine function in a world where only scripted faults happen."""
    with quiet_world(seed) as world:

        async def whole() -> T:
            return await main(world)

        return world.run(whole())  # type: ignore[no-any-return]


def counting(world: World) -> tuple[DynamoDb, FaultyClient, Callable[[], dict[str, Any]]]:
    """A table, a client that reaches it over the network, and a plain handler that counts."""
    dynamodb = DynamoDb({"jobs": {"pk": "S"}}, now=world.clock)
    client = FaultyClient(world, dynamodb, "dynamodb", timeout_seconds=4.0)

    def count() -> dict[str, Any]:
        answer = client.update_item(
            TableName="jobs",
            Key=KEY,
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="ALL_NEW",
        )
        attributes: dict[str, Any] = answer["Attributes"]
        return attributes

    return dynamodb, client, count
