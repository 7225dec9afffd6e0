"""The output of `sam build` runs under Lambda's real runtime interface client.

The interpreter has nothing but what Lambda's own has (the client and boto3), so a dependency that
the build forgot is missed here.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import samcli

from bench import built as sam_build
from deploy import artifacts
from local.child import free_port
from local.emulator.deployment import Deployment
from local.emulator.stack import REGION
from local.model.stand_in import StandIn
from local.toolchain import REPOSITORY, run_tool
from tests.integration.conftest import ARCHITECTURE
from tests.patience import HANG_SECONDS

RIE = Path(samcli.__file__).parent / f"local/rapid/aws-lambda-rie-{ARCHITECTURE}"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the runtime interface emulator is a Linux program"
)

Invoke = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def built() -> Path:
    return sam_build.built()


@pytest.fixture(scope="module")
def lambda_python() -> Path:
    """An interpreter with what Lambda's python3.13 has."""
    return sam_build.lambda_python()


@pytest.fixture
def function(
    built: Path, lambda_python: Path, deployment: Deployment, model: StandIn
) -> Callable[[str], Any]:
    """Start a built function in its runtime; gives how to invoke it."""
    queue = deployment.emulator.client("sqs").create_queue(QueueName="built-artifacts")
    environment = {
        "PATH": os.environ["PATH"],
        **deployment.emulator.credentials,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": deployment.emulator.endpoint,
        "JOBS_TABLE": deployment.outputs["JobsTableName"],
        # A queue of its own: the deployed worker must not take the job.
        "JOBS_QUEUE_URL": queue["QueueUrl"],
        "MODEL_LADDER": json.dumps(model.ladder),
        "MODEL_KEYS_SECRET": deployment.outputs["ModelKeysSecretArn"],
    }

    @contextmanager
    def started(name: str) -> Iterator[Invoke]:
        address, runtime_api = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        process = subprocess.Popen(
            [
                *(RIE, "--log-level", "error"),
                *("--runtime-interface-emulator-address", address),
                *("--runtime-api-address", runtime_api),
                *(lambda_python, "-m", "awslambdaric", "app.handler"),
            ],
            cwd=built / name,
            env={
                **environment,
                "PYTHONPATH": str(built / "CommonLayer" / "python"),
                "LAMBDA_TASK_ROOT": str(built / name),
                "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
            },
            start_new_session=True,
        )
        url = f"http://{address}/2015-03-31/functions/function/invocations"

        def invoke(event: dict[str, Any]) -> dict[str, Any]:
            give_up = time.monotonic() + HANG_SECONDS
            while True:
                with suppress(httpx2.ConnectError):
                    answer = httpx2.post(url, json=event, timeout=HANG_SECONDS, trust_env=False)
                    return dict(answer.json())
                assert time.monotonic() < give_up, "the runtime does not listen"
                time.sleep(0.05)

        try:
            yield invoke
        finally:
            os.killpg(process.pid, 9)
            process.wait()

    return started


def http_event(route: str, body: object = None, **path: str) -> dict[str, Any]:
    """An event of API Gateway (payload format 2.0), as far as Simmer reads it."""
    return {
        "version": "2.0",
        "routeKey": route,
        "headers": {"content-type": "application/json"},
        "pathParameters": {"task": "recipe", **path},
        "requestContext": {"requestId": "r", "authorizer": {"jwt": {"claims": {"sub": "alice"}}}},
        "isBase64Encoded": False,
        **({} if body is None else {"body": json.dumps(body)}),
    }


def test_the_built_submit_worker_and_status_run_a_job(
    function: Callable[[str], Any], deployment: Deployment
) -> None:
    with function("SubmitFunction") as submit:
        accepted = submit(http_event("POST /{task}/generate", {"ingredients": ["built egg"]}))
    assert accepted["statusCode"] == 202, accepted
    job_id = json.loads(accepted["body"])["jobId"]

    sqs: Any = deployment.emulator.client("sqs")
    queue_url = sqs.get_queue_url(QueueName="built-artifacts")["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=2)["Messages"]
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
    }
    with function("WorkerFunction") as worker:
        assert worker({"Records": [record]}) == {"batchItemFailures": []}

    with function("StatusFunction") as status:
        answer = status(http_event("GET /{task}/status/{jobId}", jobId=job_id))
    document = json.loads(answer["body"])
    assert (document["status"], len(document["result"]["recipes"])) == ("completed", 3)


# What an interpreter that starts from what is uploaded compiles by itself, that is, at each start.
WITHOUT_BYTE_CODE = """
import asyncio, contextlib, os, sys
import app

async def ask():
    rung = app.Ladder.parse('[{"model": "m", "baseUrl": "http://127.0.0.1:9/v1", "key": ""}]')
    with contextlib.suppress(provider.ProviderFailure):
        await app.Provider("", None).ask(
            list(rung)[0], [], None, max_output_tokens=1, timeout_seconds=5
        )

if provider := sys.modules.get("provider"):  # the worker's: a call imports what the start does not
    asyncio.run(ask())
for module in list(sys.modules.values()):
    spec = getattr(module, "__spec__", None)
    if spec and (spec.origin or "").startswith(os.environ["BUILD"]) and spec.cached:
        if not os.path.exists(spec.cached):
            print(spec.origin)
"""


@pytest.mark.parametrize("name", ["SubmitFunction", "StatusFunction", "WorkerFunction"])
def test_the_built_function_starts_from_byte_code_alone(
    built: Path, lambda_python: Path, name: str
) -> None:
    compiles = run_tool(
        *(lambda_python, "-B", "-c", WITHOUT_BYTE_CODE),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{built / name}:{built / 'CommonLayer' / 'python'}",
            "BUILD": str(built),
            "AWS_DEFAULT_REGION": REGION,
        },
    )

    assert compiles.split() == []
    assert artifacts.faults(built, ARCHITECTURE) == []


def test_the_worker_reads_whatever_a_model_says_with_what_is_left_of_the_sdk(built: Path) -> None:
    """The tests of the provider, with the built SDK in the place of the whole one."""
    environment = {**os.environ, "PYTHONPATH": str(built / "WorkerFunction")}
    place = run_tool(sys.executable, "-c", "print(__import__('openai').__file__)", env=environment)
    assert Path(place).is_relative_to(built)
    tests = REPOSITORY / "tests" / "unit" / "worker"
    modules = ("provider", "rungs", "vendors", "replies", "bounds", "kinds", "silence")
    run_tool(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *(tests / f"test_{module}.py" for module in modules),
        env=environment,
    )


def test_the_default_architecture_builds_everywhere() -> None:
    """arm64 is what a deployment gets; its wheels are fetched, not compiled."""
    folder = sam_build.built("arm64")

    (compiled,) = (folder / "CommonLayer").rglob("_pydantic_core*.so")
    machine = int.from_bytes(compiled.read_bytes()[18:20], "little")
    assert machine == 183, "an ELF file for AArch64"  # e_machine, System V ABI
    assert artifacts.faults(folder, "arm64") == []
    assert len(artifacts.faults(folder, "x86_64")) >= 2  # made for each other, or not at all
    assert (folder / "WorkerFunction" / "openai").is_dir()
    assert not (folder / "StatusFunction" / "openai").exists()
