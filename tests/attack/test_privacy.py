"""No log, metric, event or file has a word of the user's, a token or a key, whatever goes wrong."""

import json
import uuid
from collections.abc import Iterator

import pytest

from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from local.trace import Trace
from tests.attack.conftest import IN_FLIGHT
from tests.integration.api import Api
from tests.integration.conftest import deploy
from tests.integration.test_push import subscriber
from tests.leaks import SAID, SECRETS, leaks
from tests.patience import until
from tests.receiver import TeamServer, team_server

# How an answer may go wrong, by the stand-in's own words for it.
ENDINGS = ("ok", "prose", "truncated", "refusal", "500", "429", "drop", "unfit")


@pytest.fixture(scope="module")
def team() -> Iterator[TeamServer]:
    with team_server() as team:
        yield team


@pytest.fixture(scope="module")
def told(emulator: Emulator, model: StandIn, team: TeamServer) -> Deployment:
    """With all that tells somebody: the bus, the webhook, metrics, push."""
    return deploy(
        emulator, model, "told", WebhookUrl=team.url, Metrics="true", UserJobsInFlight=IN_FLIGHT
    )


def test_no_log_holds_what_users_said_or_what_opens_doors(
    emulator: Emulator, told: Deployment, model: StandIn, team: TeamServer
) -> None:
    alice = Api(told.api_url, told.token("alice"))
    secrets = {told.token("alice"), told.webhook_secret(), *_other_secrets(told)}
    marks, job_ids = [], []
    for count in (1, 3):  # in one call; an outline, and parts
        for ending in ENDINGS:
            mark = f"mark{uuid.uuid4().hex}"
            marks.append(mark)
            model.script(*[ending] * (4 if count == 1 else 2), match=mark)
            headers = {"idempotency-key": f"key-{mark}"}
            answer = alice.submit(mark, f"{mark} <b>", headers=headers, count=count)
            assert answer.status_code == 202, answer.text
            accepted = answer.json()
            job_ids.append(accepted["jobId"])
            secrets |= {accepted["push"]["token"], f"key-{mark}"}
            with subscriber(accepted) as phone:
                assert accepted["jobId"] in phone.subscribe()
                phone.say(json.dumps({"action": mark, "token": mark}))
                alice.wait(accepted["jobId"])
            alice.submit(mark, colour=mark)  # 422 with the mark in it
            alice.request("POST", "/recipe/generate", content=f'{{"{mark}')  # no JSON
            alice.request("GET", f"/recipe/status/{mark}")
    model.reset()
    until(lambda: team.is_told(len(job_ids)))

    trace = Trace(emulator.functions_log)
    stories = json.dumps([trace.story(job_id) for job_id in job_ids])
    bodies = "\n".join(f"{each.headers} {each.body.decode()}" for each in team.deliveries)
    lines = emulator.functions_log.read_text()
    assert lines.count('"jobId"') > len(job_ids), "nothing was logged, so nothing was searched"
    assert '"_aws"' in lines, "no metric was written"
    assert "part stored" in stories
    for mark in (*marks, *secrets):
        assert mark not in stories
        assert mark not in bodies
    assert not SECRETS.search(stories)
    assert leaks(emulator, [*marks, *secrets, *emulator.credentials.values()]) == []


def _other_secrets(told: Deployment) -> set[str]:
    client = told.emulator.client("secretsmanager")
    names = [told.physical_id("PushKeySecret"), told.outputs["ModelKeysSecretArn"]]
    return {str(client.get_secret_value(SecretId=each)["SecretString"]) for each in names}


def test_what_is_logged_would_be_found(emulator: Emulator, told: Deployment) -> None:
    """Else no search could fail: a mark where a line of the log has the route."""
    mark = f"mark{uuid.uuid4().hex}"
    told.invoke("StatusFunction", {"requestContext": {}, "routeKey": mark})

    places = set(leaks(emulator, [mark]))
    assert emulator.functions_log.name in places
    assert told.physical_id("StatusLogGroup") in places


def test_what_is_said_and_heard_is_searched_for(told: Deployment) -> None:
    """Else the search at the end of all tests could not fail."""
    alice = Api(told.api_url, told.token("alice"))
    mark = f"mark{uuid.uuid4().hex}"

    answer = alice.submit(mark, headers={"idempotency-key": f"key-{mark}"})

    push = answer.json()["push"]
    texts = alice.wait(answer.json()["jobId"])["result"]["recipes"][0]["instructions"]
    told_of = {mark, f"key-{mark}", told.token("alice"), push["token"], texts}
    assert told_of <= SAID
    assert push["url"].partition("=")[2] in SAID
    assert SECRETS.search(f"x {push['token']} x")
    assert SECRETS.search(f"x {push['url']} x")
