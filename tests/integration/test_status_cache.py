"""A deployment with the status cache on: a real server behind the functions, and then none."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from tests.integration.api import Api
from tests.integration.conftest import deploy
from tests.valkey import ValkeyServer, needs_a_server, running

pytestmark = needs_a_server


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    yield from running(tmp_path)


def test_users_who_share_a_job_are_told_by_the_cache_and_lose_nothing_without_it(
    emulator: Emulator, model: StandIn, valkey: ValkeyServer
) -> None:
    deployment = deploy(
        emulator,
        model,
        "cached",
        CacheScope="shared",
        StatusCacheUrl=valkey.url,
        StatusCacheSubnetIds="subnet-0123456789abcdef0",
        StatusCacheSecurityGroupIds="sg-0123456789abcdef0",
        StatusCacheWorkers="true",
    )
    alice, bob = (Api(deployment.api_url, deployment.token(name)) for name in ("alice", "bob"))
    ingredient = f"egg {uuid.uuid4().hex[:8]}"

    job_id = alice.submit(ingredient).json()["jobId"]
    assert bob.submit(ingredient).json()["jobId"] == job_id
    ends = [api.wait(job_id) for api in (alice, bob)]

    assert [end["status"] for end in ends] == ["completed", "completed"]
    assert valkey.ask("DBSIZE") != ":0"
    # What the table has lost, the cache still tells: so it is the cache that is asked.
    table = deployment.physical_id("JobsTable")
    key = {"pk": {"S": f"job#{job_id}"}}
    emulator.client("dynamodb").delete_item(TableName=table, Key=key)
    assert alice.status(job_id).json() == ends[0]

    valkey.kill()

    assert alice.status(job_id).status_code == 404
    assert alice.run(f"{ingredient} again")["status"] == "completed"
