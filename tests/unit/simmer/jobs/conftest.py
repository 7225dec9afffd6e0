"""The store, and one job to walk through it."""

import pytest

from simmer.jobs.store import JobStore
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, table_of
from tests.unit.simmer.jobs.walk import Walk


@pytest.fixture
def store(cloud: Cloud) -> JobStore:
    return JobStore(table_of(cloud.dynamodb))


@pytest.fixture
def walk(store: JobStore, cloud: Cloud, clock: Clock) -> Walk:
    return Walk(store, cloud, clock)
