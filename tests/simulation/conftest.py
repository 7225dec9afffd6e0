"""The references of the stand-ins: moto in this process, and the emulator over HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.emulator.stack import Emulator

# Makes a client of the named service.
type Connect = Callable[[str], Any]


@pytest.fixture(scope="module", params=["moto", "emulator"])
def reference(request: pytest.FixtureRequest) -> Iterator[tuple[str, Connect]]:
    """The name of another implementation of AWS, and how to get clients of it."""
    if request.param == "emulator":
        with Emulator() as emulator:
            emulator.wait_until_healthy()
            yield "emulator", emulator.client
        return
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        session: Any = boto3.Session(region_name="us-east-1")  # the stubs want literal names
        yield "moto", session.client
