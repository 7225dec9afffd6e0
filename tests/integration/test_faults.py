"""Crashes, throttles, refusals and silence, with real processes on the emulator."""

import json
import re
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from tests.integration.api import Api
from tests.integration.conftest import changed_template, deploy
from tests.integration.refusing import RefusingProxy
from tests.patience import until


def unique(name: str) -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


def messages(deployment: Deployment, output: str) -> int:
    """The number of messages in a queue, hidden messages included."""
    attributes = deployment.emulator.client("sqs").get_queue_attributes(
        QueueUrl=deployment.outputs[output], AttributeNames=["All"]
    )["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]) + int(
        attributes["ApproximateNumberOfMessagesNotVisible"]
    )


def set_workers(deployment: Deployment, *, enabled: bool) -> None:
    """Connect the workers to the queue, or take them all away."""
    client = deployment.emulator.client("lambda")
    (mapping,) = client.list_event_source_mappings(
        FunctionName=deployment.physical_id("WorkerFunction")
    )["EventSourceMappings"]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)


def test_a_job_whose_worker_is_killed_in_mid_call_completes_on_another(
    emulator: Emulator, model: StandIn
) -> None:
    deployment = deploy(emulator, model, "killed")
    alice = Api(deployment.api_url, deployment.token("alice"))
    ingredient = unique("survivor")
    model.script("slow:20", match=ingredient)
    job_id = alice.submit(ingredient).json()["jobId"]
    until(lambda: model.calls(ingredient))

    killed_at = time.monotonic()
    assert deployment.kill_lambda("WorkerFunction") == 1
    ended = alice.wait(job_id)

    assert ended["status"] == "completed"
    assert time.monotonic() - killed_at < 45
    assert len(model.calls(ingredient)) == 2
    until(lambda: messages(deployment, "JobsQueueUrl") == 0)
    assert messages(deployment, "JobsDeadLetterQueueUrl") == 0


def test_a_job_in_parts_whose_worker_is_killed_twice_goes_on_from_the_parts_that_stand(
    emulator: Emulator, model: StandIn
) -> None:
    deployment = deploy(emulator, model, "killed-twice")
    alice = Api(deployment.api_url, deployment.token("alice"))
    ingredient = unique("cat")
    outline, slow = "ok", "slow:100"
    model.script(outline, "ok", "ok", slow, slow, slow, "ok", slow, slow, match=ingredient)
    job_id = alice.submit(ingredient, count=5).json()["jobId"]
    seen: list[list[dict[str, object]]] = []

    def shown() -> int:
        document = alice.status(job_id).json()
        seen.append(document.get("partialResult", {"recipes": []})["recipes"])
        return len(seen[-1])

    for parts, calls in ((2, 6), (3, 9)):
        until(lambda parts=parts: shown() == parts)  # type: ignore[misc]
        until(lambda calls=calls: len(model.calls(ingredient)) == calls)  # type: ignore[misc]
        assert deployment.kill_lambda("WorkerFunction") == 1
    ended = alice.wait(job_id)

    assert ended["status"] == "completed"
    recipes = ended["result"]["recipes"]
    assert len({recipe["name"] for recipe in recipes}) == 5
    assert all(
        before == [each for each in after if each in before]
        for before, after in zip(seen, [*seen[1:], recipes], strict=True)
    )
    assert len(model.calls(ingredient)) == 1 + 5 + 3 + 2, "no part that stood was asked for again"


def test_without_any_worker_every_job_fails_at_its_deadline_and_stays_so(
    emulator: Emulator, model: StandIn
) -> None:
    deployment = deploy(emulator, model, "silent", JobDeadlineSeconds=30)
    alice = Api(deployment.api_url, deployment.token("alice"))
    set_workers(deployment, enabled=False)
    ingredients = [unique("silence") for _ in range(5)]
    jobs = [alice.submit(ingredient).json()["jobId"] for ingredient in ingredients]

    ended = [alice.wait(job_id) for job_id in jobs]
    assert {document["errorCode"] for document in ended} == {"deadline_exceeded"}

    set_workers(deployment, enabled=True)
    until(lambda: messages(deployment, "JobsQueueUrl") == 0)
    assert [alice.wait(job_id) for job_id in jobs] == ended
    assert not any(model.calls(ingredient) for ingredient in ingredients)


def test_two_hundred_jobs_under_a_failing_provider_all_end(emulator: Emulator) -> None:
    with StandIn(delay_seconds=0.2) as model:
        ladder = [{**rung, "timeoutSeconds": 15} for rung in model.ladder]
        deployment = deploy(
            emulator, model, "storm", ModelLadder=ladder, DailyJobQuota=1000,
            UserJobsInFlight=200, WorkerMaximumConcurrency=6,
            JobDeadlineSeconds=3600,  # no job ends because the machine is busy
        )  # fmt: skip
        alice = Api(deployment.api_url, deployment.token("alice"))
        model.mix({"429": 0.3, "500": 0.1, "hang": 0.05, "drop": 0.05}, seed=1)

        with ThreadPoolExecutor(8) as clients:
            accepted = list(clients.map(lambda i: alice.submit(f"storm {i}"), range(200)))
            jobs = [answer.json()["jobId"] for answer in accepted]
            ended = list(clients.map(lambda job_id: alice.wait(job_id, 3600), jobs))

        assert len(set(jobs)) == 200
        outcomes = Counter(document.get("errorCode", "completed") for document in ended)
        assert set(outcomes) <= {"completed", "model_unavailable"}, outcomes
        assert outcomes["completed"] > 150, outcomes
        until(lambda: messages(deployment, "JobsQueueUrl") == 0)
        assert messages(deployment, "JobsDeadLetterQueueUrl") == 0
    received = re.findall(r'"receiveCount":(\d+)', emulator.functions_log.read_text())
    assert len(received) >= 200
    assert max(map(int, received)) <= 5


def test_jobs_survive_some_seconds_without_dynamodb_and_sqs(
    emulator: Emulator, model: StandIn, tmp_path: Path
) -> None:
    with RefusingProxy(emulator.endpoint) as proxy:
        deployment = deploy(emulator, model, "refused", template=_behind(proxy, tmp_path))
        alice = Api(deployment.api_url, deployment.token("alice"))
        ingredients = [unique("patience") for _ in range(4)]
        model.script("slow:4", match=ingredients[0])
        model.script("slow:4", match=ingredients[1])
        jobs = [alice.submit(name).json()["jobId"] for name in ingredients[:2]]
        until(lambda: all(model.calls(name) for name in ingredients[:2]))

        proxy.refused |= {"dynamodb", "sqs"}
        refused = alice.submit(ingredients[2])
        assert (refused.status_code, refused.json()["code"]) == (503, "dependency_unavailable")
        refusals = proxy.refusals["dynamodb"]
        # The answers come, and cannot be stored: both jobs, and each once again.
        until(lambda: proxy.refusals["dynamodb"] >= refusals + 4)
        proxy.refused -= {"dynamodb"}
        refused = alice.submit(ingredients[3])  # admitted, but no message
        assert refused.status_code == 503
        proxy.refused.clear()

        jobs += [alice.submit(name).json()["jobId"] for name in ingredients[2:]]
        ended = [alice.wait(job_id) for job_id in jobs]

        assert [document["status"] for document in ended] == ["completed"] * 4
        assert all(len(model.calls(name)) == 1 for name in ingredients), "paid for twice"
        assert proxy.refusals["dynamodb"] > 0
        assert proxy.refusals["sqs"] > 0


def _behind(proxy: RefusingProxy, folder: Path) -> Path:
    """The template with the functions' AWS calls sent through the proxy."""
    anchor = "        METRICS: !Ref Metrics\n"
    environment = f"        AWS_ENDPOINT_URL: {json.dumps(proxy.url)}\n"
    return changed_template(folder, anchor, anchor + environment)
