"""A stack to attack: deployed from the template, with its policies and its authorizer on.

`ATTACKS` multiplies what each attack tries: 1 in the gate, more in `make attack`.
"""

import os
from collections.abc import Iterator

import pytest

from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from tests.integration.api import Api
from tests.integration.conftest import deploy
from tests.leaks import SAID, leaks

ATTACKS = int(os.environ.get("ATTACKS", "1"))
QUOTA = 2000  # of jobs a day, for all that is tried
IN_FLIGHT = 5


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with Emulator(lambda_concurrency=24) as emulator:
        yield emulator
        assert leaks(emulator, SAID) == []


@pytest.fixture(scope="session")
def model() -> Iterator[StandIn]:
    with StandIn(delay_seconds=0.2) as model:
        yield model


@pytest.fixture(scope="session")
def deployment(emulator: Emulator, model: StandIn) -> Deployment:
    return deploy(
        emulator, model, "attacked", WorkerMaximumConcurrency=4,
        DailyJobQuota=QUOTA, UserJobsInFlight=IN_FLIGHT,
    )  # fmt: skip


@pytest.fixture
def alice(deployment: Deployment) -> Api:
    return Api(deployment.api_url, deployment.token("alice"))


@pytest.fixture
def mallory(deployment: Deployment) -> Api:
    """Who has a token of his own, and wants more."""
    return Api(deployment.api_url, deployment.token("mallory"))
