"""Whatever a client sends, the answer is one that openapi.json knows, and no server error."""

import json
import subprocess
from pathlib import Path

import pytest

from local.emulator.deployment import Deployment
from local.toolchain import REPOSITORY
from tests.attack.conftest import ATTACKS
from tests.tools import environment_of

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
CASES = 20  # for each operation and phase


def test_every_answer_is_a_known_one(deployment: Deployment, tmp_path: Path) -> None:
    said = subprocess.run(
        [
            *(environment_of("attack") / "bin" / "st", "run", REPOSITORY / "openapi.json"),
            *("--url", deployment.api_url, "--checks", ",".join(CHECKS)),
            *("-H", f"authorization: Bearer {deployment.token('fuzz')}"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(CASES * ATTACKS)),
            *("--seed", "1", "--workers", "2", "--request-timeout", "300", "--no-color"),
            *("--generation-database", "none", "--warnings", "off", "--no-shrink"),
            *("--report", "ndjson", "--report-ndjson-path", tmp_path / "events.ndjson"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 0, said.stdout[-6000:] + said.stderr[-2000:]
    assert _answers(tmp_path / "events.ndjson") > 100


def _answers(events: Path) -> int:
    """How many answers were looked at."""
    return sum(line.count('"status_code"') for line in events.read_text().splitlines())


def test_a_wrong_answer_is_seen(deployment: Deployment, tmp_path: Path) -> None:
    """Else the test above could not fail: a document that knows no 422."""
    document = json.loads((REPOSITORY / "openapi.json").read_text())
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    (tmp_path / "narrow.json").write_text(json.dumps(document))

    said = subprocess.run(
        [
            *(environment_of("attack") / "bin" / "st", "run", tmp_path / "narrow.json"),
            *("--url", deployment.api_url, "--checks", "status_code_conformance"),
            *("-H", f"authorization: Bearer {deployment.token('fuzz')}"),
            *("--phases", "coverage", "--seed", "1", "--warnings", "off", "--no-shrink"),
            *("--max-failures", "1", "--generation-database", "none"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 1
    assert "Undocumented HTTP status code" in said.stdout


@pytest.fixture(autouse=True)
def _quiet(model: object) -> None:
    """Its jobs are answered by the stand-in."""
