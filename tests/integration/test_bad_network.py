"""Every client behind a bad network, on the deployed template: `make bad-network JOBS=500`.

A submit that got no answer in all its tries is sent again, as a user does who taps once more.

Portals, redirects, resets, lost answers, cut answers, silence and wrong dates stand between the
three clients and the API (tests/bad_network.py). Each follower ends with what the server itself
says, once, before it gives up; and no job is paid twice.
"""

import asyncio
import json
import os
import sys
from itertools import chain

from local.emulator.deployment import Deployment
from local.model.stand_in import StandIn
from simmer_client import AsyncClient, Client, SimmerError
from tests.bad_network import FATES, BadNetwork
from tests.integration import test_kotlin_client
from tests.integration.test_web_client import CLIENT, NODE

# Fixtures of the Kotlin client's own tests.
compiler, class_path = test_kotlin_client.compiler, test_kotlin_client.class_path

JOBS = int(os.environ.get("BAD_NETWORK_JOBS", "15"))
SEED = int(os.environ.get("BAD_NETWORK_SEED", "15"))
AT_ONCE = 8
JOBS_OF_A_USER = 8
TAPS = 5  # many.js and Many.kt have the same
LANGUAGES = ("python", "web", "kotlin")

type Ended = dict[str, object]


def user_of(language: str, number: int) -> str:
    """Users have few jobs each: there are bounds for one."""
    return f"{language}-{number // JOBS_OF_A_USER}"


def requests_of(deployment: Deployment, language: str) -> list[dict[str, object]]:
    """This language's share of the jobs: a token and a body each."""
    numbers = range(LANGUAGES.index(language), JOBS, len(LANGUAGES))
    users = {number: user_of(language, number) for number in numbers}
    tokens = {user: deployment.token(user) for user in set(users.values())}
    return [
        {
            "token": tokens[user],
            "body": {"ingredients": [f"{language} leek {number}"], "count": 1, "locale": "en"},
        }
        for number, user in users.items()
    ]


async def in_python(url: str, requests: list[dict[str, object]]) -> list[Ended]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def follow(token: str, body: dict[str, list[str]]) -> Ended:
        async with turn, AsyncClient(url, token) as client:
            said: Ended = {"name": body["ingredients"][0]}
            for _ in range(TAPS):
                job, ends = client.job("recipe", body), 0
                try:
                    async for update in job.updates():
                        ends += update.state.is_terminal
                    said["result"] = job.last.result
                except SimmerError as error:
                    said |= {"code": type(error).__name__, "message": str(error)}
                if job.job_id is not None:
                    break
            return said | {"jobId": job.job_id, "ends": ends}

    return await asyncio.gather(*(follow(**each) for each in requests))  # type: ignore[arg-type]


async def in_a_program(
    requests: list[dict[str, object]], *command: object, url: str
) -> list[Ended]:
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=CLIENT,
        env={"PATH": os.environ["PATH"], "SIMMER_URL": url},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    lines = "\n".join(json.dumps(each) for each in requests)
    said, _ = await process.communicate(lines.encode())
    assert process.returncode == 0
    return [json.loads(line) for line in said.decode().splitlines()]


async def followed(deployment: Deployment, class_path: str) -> tuple[list[Ended], BadNetwork]:
    python, web, kotlin = (requests_of(deployment, language) for language in LANGUAGES)
    async with BadNetwork(deployment.api_url, SEED) as network:
        url = network.url
        java = ("java", "-Xmx256m", "-cp", class_path, "Many", url)
        ended = await asyncio.gather(
            in_python(url, python),
            in_a_program(web, NODE, "--experimental-websocket", "test/many.js", url=url),
            in_a_program(kotlin, *java, url=url),
        )
    return list(chain(*ended)), network


def test_each_follower_ends_with_the_servers_own_truth_and_nothing_is_paid_twice(
    deployment: Deployment, model: StandIn, class_path: str
) -> None:
    ended, network = asyncio.run(followed(deployment, class_path))

    sys.stdout.write(f"{JOBS} jobs, seed {SEED}: {dict(network.fates.most_common())}\n")
    assert len({each["name"] for each in ended}) == len(ended) == JOBS
    assert network.caught == [], "a redirect was followed"
    assert JOBS < 100 or network.fates.keys() >= FATES.keys()
    wrong = [each for each in ended if each["ends"] != 1 or each.get("result") is None]
    assert wrong == []
    for each in ended:
        language, _, number = str(each["name"]).split()
        with Client(deployment.api_url, deployment.token(user_of(language, int(number)))) as client:
            assert client.get("recipe", str(each["jobId"])).result == each["result"]
    calls = {str(each["name"]): len(model.calls(f'{each["name"]}"')) for each in ended}
    assert {name: count for name, count in calls.items() if count != 1} == {}
