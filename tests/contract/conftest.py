"""The handlers on the desk, as the unit tests have them, and the contract they are held to."""

import pytest

from tests.contract.contract import Contract
from tests.unit.conftest import (  # noqa: F401
    _aws_in_process,
    _clients,
    _no_aws_of_the_developer,
    api,
    clock,
    cloud,
    worker,
)


@pytest.fixture(scope="session")
def contract() -> Contract:
    return Contract()
