"""The Python client and its command against the deployed template."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulator.deployment import Deployment
from local.model.stand_in import StandIn
from simmer_client import ApiProblem, AsyncClient, Client, JobFailed, State, Timing, Update
from simmer_client.recipe import recipes
from tests.patience import HANG_SECONDS

SIMMER = Path(sys.executable).with_name("simmer")


def unique(name: str) -> str:
    """An ingredient nobody else asks for, so that scripts and counts are this test's own."""
    return f"{name} {uuid.uuid4().hex[:8]}"


def asking_for(*ingredients: str) -> dict[str, object]:
    return {"ingredients": list(ingredients), "count": 1, "locale": "en"}


@pytest.fixture(params=["push", "polling"])
def client(deployment: Deployment, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(
        deployment.api_url, lambda: deployment.token("alice"), push=request.param == "push"
    ) as client:
        yield client


def test_a_job_ends_with_its_recipes_and_is_cached_then(client: Client, model: StandIn) -> None:
    body = asking_for(unique("tofu"), "rice")
    seen: list[Update] = []

    ended = client.submit("recipe", body).wait(on_update=seen.append)
    again = client.submit("recipe", body)

    assert [len(recipe.instructions) > 0 for recipe in recipes(ended)] == [True]
    assert sorted(seen, key=lambda update: update.progress) == seen
    assert [update for update in seen if update.state.is_terminal] == [ended]
    assert (again.state, again.last.cached) == (State.COMPLETED, True)
    assert again.wait().result == ended.result
    assert client.get("recipe", ended.job_id or "").result == ended.result


def test_the_asynchronous_client_does_the_same(deployment: Deployment) -> None:
    async def main() -> list[Update]:
        async with AsyncClient(deployment.api_url, deployment.token("alice")) as client:
            jobs = [client.job("recipe", asking_for(unique("leek"))) for _ in range(3)]
            return await asyncio.gather(*(job.wait() for job in jobs))

    assert [len(recipes(ended)) for ended in asyncio.run(main())] == [1, 1, 1]


def test_a_failure_is_raised_with_its_name(client: Client, model: StandIn) -> None:
    ingredient = unique("egg")
    model.script(*["refusal"] * 4, match=ingredient)

    with pytest.raises(JobFailed) as caught:
        client.submit("recipe", asking_for(ingredient)).wait()

    assert (caught.value.error_code, caught.value.retryable) == ("refused", False)


def test_refusals_carry_the_servers_words(client: Client, deployment: Deployment) -> None:
    with pytest.raises(ApiProblem) as caught:
        client.submit("recipe", {"ingredients": [7]})
    assert (caught.value.status, caught.value.code) == (422, "invalid_request")
    assert [error["field"] for error in caught.value.errors] == ["ingredients.0"]

    with pytest.raises(ApiProblem) as caught:
        client.get("recipe", "0" * 32)
    assert (caught.value.status, caught.value.code) == (404, "job_not_found")

    with Client(deployment.api_url, "no-token") as nobody, pytest.raises(ApiProblem) as caught:
        nobody.submit("recipe", asking_for("egg"))
    assert caught.value.status == 401


def test_a_restarted_program_goes_on_with_its_job(client: Client) -> None:
    job = client.submit("recipe", asking_for(unique("carrot")))

    assert len(recipes(client.resume("recipe", job.job_id or "").wait())) == 1


def test_a_cancelled_job_is_cancelled_for_whoever_follows_it(
    client: Client, model: StandIn
) -> None:
    ingredient = unique("slow egg")
    model.script("hang", match=ingredient)
    job = client.submit("recipe", asking_for(ingredient))
    updates = []
    for update in job.updates():
        updates.append(update)
        if update.job_id and not update.state.is_terminal:
            job.cancel()

    assert updates[-1].state is State.CANCELLED
    assert client.get("recipe", job.job_id or "").state is State.CANCELLED


def test_while_push_works_the_status_is_not_asked_for(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    # The machine is shared: a function that starts slowly must not look like a dead socket.
    patient = Timing(answer_within=60)
    with Client(deployment.api_url, deployment.token("alice"), timing=patient) as client:
        send = client._http.send

        def counted(request, **options):  # type: ignore[no-untyped-def]
            asked.append(request.method)
            return send(request, **options)

        monkeypatch.setattr(client._http, "send", counted)
        ended = client.submit("recipe", asking_for(unique("pepper"))).wait()

    assert ended.state is State.COMPLETED
    assert asked == ["POST"]


# ── The command ───────────────────────────────────────────────────────────────────────────────────


def start(deployment: Deployment, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [SIMMER, *arguments],
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "SIMMER_URL": deployment.api_url,
            "SIMMER_TOKEN": deployment.token("alice"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_shows_cards_and_json(deployment: Deployment) -> None:
    arguments = ("recipe", unique("egg"), "kimchi", "--count", "1", "--locale", "en")

    cards = start(deployment, *arguments)
    out, err = cards.communicate(timeout=HANG_SECONDS)
    assert (cards.returncode, err) == (0, "")
    assert "kimchi" in out

    program = start(deployment, *arguments, "--json")
    out, err = program.communicate(timeout=HANG_SECONDS)
    assert (program.returncode, err) == (0, "")
    assert len(json.loads(out)["recipes"]) == 1


def test_the_command_names_a_failure(deployment: Deployment, model: StandIn) -> None:
    ingredient = unique("egg")
    model.script(*["refusal"] * 4, match=ingredient)

    process = start(deployment, "recipe", ingredient, "--json")
    out, err = process.communicate(timeout=HANG_SECONDS)

    assert (process.returncode, out) == (1, "")
    assert json.loads(err)["errorCode"] == "refused"


def test_ctrl_c_cancels_at_the_server(deployment: Deployment, model: StandIn) -> None:
    ingredient = unique("slow leek")
    model.script("hang", match=ingredient)
    process = start(deployment, "recipe", ingredient, "--json")
    wait_for_call(model, ingredient)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=HANG_SECONDS)

    assert process.returncode == 130
    with Client(deployment.api_url, deployment.token("alice")) as client:
        job_id = json.loads(err)["jobId"]
        assert client.get("recipe", job_id).state is State.CANCELLED


def wait_for_call(model: StandIn, ingredient: str, within_seconds: float = HANG_SECONDS) -> None:
    give_up = time.monotonic() + within_seconds
    while not model.calls(ingredient):
        assert time.monotonic() < give_up, "the model was never asked"
        time.sleep(0.1)
