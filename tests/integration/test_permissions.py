"""The emulator holds the functions to the template's own policies: without one, nothing works."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from tests.integration.api import Api
from tests.integration.conftest import changed_template, deploy

WithoutAction = Callable[[str], Path]


@pytest.fixture
def template_without(tmp_path: Path) -> WithoutAction:
    """A copy of the template in which an action is misspelt, so that nobody has it."""

    def write(action: str) -> Path:
        return changed_template(tmp_path, action, action.replace(":", ":List"), times=None)

    return write


def test_without_the_right_to_send_a_submit_is_not_accepted(
    emulator: Emulator, model: StandIn, template_without: WithoutAction
) -> None:
    changed = template_without("sqs:SendMessage")
    deployment = deploy(emulator, model, "no-send", template=changed)
    alice = Api(deployment.api_url, deployment.token("alice"))

    answer = alice.submit("egg")

    assert (answer.status_code, answer.json()["code"]) == (503, "dependency_unavailable")
    assert "retry-after" in answer.headers


def test_without_the_right_to_read_the_key_no_model_is_asked(
    emulator: Emulator, model: StandIn, template_without: WithoutAction
) -> None:
    changed = template_without("secretsmanager:GetSecretValue")
    deployment = deploy(emulator, model, "no-key", template=changed)
    alice = Api(deployment.api_url, deployment.token("alice"))

    assert alice.run("an egg without a key")["errorCode"] == "model_unavailable"
    assert model.calls("an egg without a key") == []
