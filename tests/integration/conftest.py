"""The template, deployed to the emulator with its policies and its authorizer on."""

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from tests.integration.api import Api
from tests.leaks import SAID, leaks

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with Emulator(lambda_concurrency=32) as emulator:
        yield emulator
        assert leaks(emulator, SAID) == []


@pytest.fixture(scope="session")
def model() -> Iterator[StandIn]:
    with StandIn(delay_seconds=0.5) as model:
        yield model


def deploy(
    emulator: Emulator,
    model: StandIn,
    stack_name: str,
    template: Path = TEMPLATE,
    **parameters: object,
) -> Deployment:
    """The template (or a changed copy of it) with the stand-in model behind it."""
    deployment = emulator.deploy(
        template,
        {"ModelLadder": model.ladder, "Architecture": ARCHITECTURE, **parameters},
        stack_name=stack_name,
    )
    deployment.put_model_key("stand-in-key")
    return deployment


def changed_template(folder: Path, old: str, new: str, *, times: int | None = 1) -> Path:
    """A copy of the template in that folder with `old`, which stands so many times (None: any
    number), replaced; what it names beside itself is still found."""
    text = TEMPLATE.read_text()
    assert old in text if times is None else text.count(old) == times
    for name in ("functions/", "layers/", "monitoring.yaml"):
        text = text.replace(f" {name}", f" {TEMPLATE.parent}/{name}")
    path = folder / "template.yaml"
    path.write_text(text.replace(old, new))
    return path


@pytest.fixture(scope="session")
def deployment(emulator: Emulator, model: StandIn) -> Deployment:
    return deploy(emulator, model, "simmer", WorkerMaximumConcurrency=4)


@pytest.fixture
def alice(deployment: Deployment) -> Api:
    return Api(deployment.api_url, deployment.token("alice"))


@pytest.fixture
def bob(deployment: Deployment) -> Api:
    return Api(deployment.api_url, deployment.token("bob"))


@pytest.fixture
def nobody(deployment: Deployment) -> Api:
    return Api(deployment.api_url)
