"""The functions as `sam build` makes them, and `sam local` with them in containers."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local.child import Child
from local.emulator.deployment import Deployment
from local.emulator.stack import REGION, Emulator
from local.sam_local.guarded_sam import KEY_VARIABLE
from local.serving import Failed
from local.toolchain import BUILD, TEMPLATE, run_tool

BUILT = BUILD / "sam-local"
API_FUNCTIONS = ("SubmitFunction", "StatusFunction", "CancelFunction")
LAYER = "CommonLayer"
WORKER = "WorkerFunction"
STOPS_WITHIN_SECONDS = 40

# Beside app.py in the build: what the gateway's authorizer hands to a function. The front looked
# whether it gave this token away; nobody else has the key of the port behind it.
AUTHORIZER = """\
import base64, json
import app

def handler(event, context):
    headers = {name.lower(): text for name, text in (event.get("headers") or {}).items()}
    middle = headers["authorization"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    event["requestContext"]["authorizer"] = {"jwt": {"claims": claims}}
    return app.handler(event, context)
"""
AUTHORIZER_MODULE = "sam_local_authorizer"


def host_for_containers() -> tuple[str, str]:
    """Where this machine listens for containers, and how they call it; Failed without Docker."""
    if not shutil.which("docker"):
        raise Failed("`sam local` runs the functions in Docker, which is not installed")
    asked = subprocess.run(
        ["docker", "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"],
        capture_output=True,
        text=True,
    )
    if asked.returncode:
        raise Failed(f"Docker does not answer: {asked.stderr.strip()}")
    if not sys.platform.startswith("linux"):
        return "127.0.0.1", "host.docker.internal"  # Docker Desktop leads that name here
    (network, *_) = json.loads(asked.stdout)
    # Older daemons name the gateway only where somebody chose it: else it is the first address.
    gateway = network.get("Gateway") or str(ip_network(network["Subnet"])[1])
    return gateway, gateway  # this machine's end of the bridge, which no network leads to


def sam_build(architecture: str) -> None:
    """`sam build` into a folder of its own, with layer and authorizer beside the handlers."""
    run_tool(
        *(Path(sys.executable).with_name("sam"), "build"),
        *("--template", TEMPLATE, "--build-dir", BUILT),
        *("--cached", "--parallel", "--cache-dir", BUILD / "sam-local-cache"),
        *("--parameter-overrides", f"Architecture={architecture}"),
        env={**os.environ, "SAM_CLI_TELEMETRY": "0"},
    )
    for function in (*API_FUNCTIONS, WORKER):
        # Not as a layer: for each change of one SAM builds an image anew, which takes minutes.
        shutil.copytree(BUILT / LAYER / "python", BUILT / function, dirs_exist_ok=True)
    for function in API_FUNCTIONS:
        (BUILT / function / f"{AUTHORIZER_MODULE}.py").write_text(AUTHORIZER)


def write_template(architecture: str, variables: dict[str, str]) -> Path:
    """The functions of the template alone, with their routes, as they were built; where it is.

    SAM resolves no resource of the emulator's, so all variables are written out."""
    built: dict[str, Any] = yaml_parse((BUILT / "template.yaml").read_text("utf-8"))
    resources: dict[str, Any] = {"Api": {"Type": "AWS::Serverless::HttpApi"}}
    for name in (*API_FUNCTIONS, WORKER):
        about = built["Resources"][name]["Properties"]
        names = about["Environment"]["Variables"].keys()
        resources[name] = {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "CodeUri": str(BUILT / name),
                "Handler": "app.handler" if name == WORKER else f"{AUTHORIZER_MODULE}.handler",
                "Runtime": "python3.13",
                "Architectures": [architecture],
                "MemorySize": 512,
                "Timeout": about.get("Timeout", 29),
                "Environment": {
                    "Variables": {
                        **{each: variables[each] for each in names if each in variables},
                        "AWS_ENDPOINT_URL": variables["AWS_ENDPOINT_URL"],
                    }
                },
                "Events": {} if name == WORKER else about["Events"],
            },
        }
    path = BUILT / "local.json"
    document = {"Transform": "AWS::Serverless-2016-10-31", "Resources": resources}
    path.write_text(json.dumps(document, indent=1))
    return path


def variables_of(deployment: Deployment, aws: str, ladder: list[dict[str, str]]) -> dict[str, str]:
    """The functions' environment. What is not here keeps the code's own default."""
    queue = deployment.outputs["JobsQueueUrl"]
    return {
        "AWS_ENDPOINT_URL": aws,
        "JOBS_TABLE": deployment.outputs["JobsTableName"],
        "JOBS_QUEUE_URL": queue.replace(deployment.emulator.endpoint, aws),
        "MODEL_KEYS_SECRET": deployment.outputs["ModelKeysSecretArn"],
        "PUSH_URL": "",
        "PUSH_KEY_SECRET": deployment.physical_id("PushKeySecret"),
        "MODEL_LADDER": json.dumps(ladder),
    }


def start_sam(
    emulator: Emulator,
    template: Path,
    command: str,
    port: int,
    key: str,
    cleanup: ExitStack,
    *more: str,
) -> Child:
    """`sam local …`, which answers whoever knows `key`, as a child that is interrupted at the end,
    for it to stop its containers."""
    passed = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "TMPDIR")
    child = Child(
        Path(sys.executable),
        str(Path(__file__).with_name("guarded_sam.py")),
        *("local", command, "--template", str(template)),
        *("--host", "127.0.0.1", "--port", str(port), "--region", REGION, *more),
        *shlex.split(os.environ.get("SAM_FLAGS", "")),
        environment={
            **{name: os.environ[name] for name in passed if name in os.environ},
            **emulator.credentials,
            "AWS_DEFAULT_REGION": REGION,
            KEY_VARIABLE: key,
            "SAM_CLI_TELEMETRY": "0",
            "PYTHONUNBUFFERED": "1",
        },
        log=BUILD / "logs" / f"sam-{command}-{port}.log",
    )

    def stop() -> None:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGINT)
        give_up = time.monotonic() + STOPS_WITHIN_SECONDS
        while child.exit_code is None and time.monotonic() < give_up:
            time.sleep(0.1)
        child.stop()

    cleanup.callback(stop)
    return child
