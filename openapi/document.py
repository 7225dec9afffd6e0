"""openapi.json, made from the code: `python -m openapi.document` writes it.

Paths come from the registered tasks, requests and results from their models, errors from the tree
in `simmer.errors`, examples from the views that answer a client. What OpenAPI cannot say, above
all push, is said in words.

It is written for those who generate clients from it: every object and enum has a name, both
answers of a submit are one type, and answers are open, so that a client of today takes the fields
of tomorrow. (`tests/contract` closes them, and holds them against what the handlers answer.)
"""

import json
import tomllib
from typing import Any

from local.toolchain import REPOSITORY
from openapi.headers import HEADERS
from openapi.paths import task_paths
from openapi.problems import PUSH, errors_at
from openapi.schemas import COMMON_SCHEMAS, hoist_enums, hoist_unions, task_schemas
from openapi.words import pascal
from simmer.task import find_task
from simmer.tasks import task_names

type Json = dict[str, Any]

FILE = REPOSITORY / "openapi.json"

_DESCRIPTION = """\
Slow LLM calls as jobs: submit, get a job id at once, poll a bar that moves honestly, and receive
JSON that is valid, or a failure that has a name.

**Submit** answers `202` with a `jobId`, or `200` with the `result` if the same request was answered
before. The same request sent again is the same job, so a lost answer is harmless: send it again.

**Poll** the status until it is `completed`, `failed` or `cancelled`, each time `pollAfterMs` after
the last. Every job ends by its deadline. Fields and codes may be added: ignore what you do not
know.

**Push** is an option; polling always works. A `202` may carry `push`: open a WebSocket at exactly
`push.url` and send one text frame, `{"action": "subscribe", "jobId": "...", "token": "..."}` with
`push.token`. The answer is the status document, as a poll would give it; one more comes when the
job has ended, and others when its turn or a part has come. If one is longer than 32 KB it comes
without `result`: then poll once. While the job is open such a frame has two more fields.
`askAfterMs`: subscribe again so long after it, on the same connection, to notice a dead one.
`ahead`: a list of what the status document would say until then if nothing new comes, each entry
with `afterMs`, `progress`, `estimatedSecondsRemaining`, and `stage` and `message` where they are
new; show each at its time, until the next frame. A frame with a `code` is a problem document
(PUSH_CODES): poll instead. The server may close the connection at any time.

**Errors** are `application/problem+json` (RFC 9457) with a stable `code`. What never reached Simmer
is answered by API Gateway in words of its own, `{"message": "..."}`: a request without a valid
token (`401`), and possibly a `429`, `500` or `503`.
"""


def document() -> Json:
    """The whole OpenAPI document."""
    before = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    names_before = before.get("components", {}).get("schemas", {})
    schemas = dict(COMMON_SCHEMAS)
    paths: dict[str, Json] = {}
    # A new task must not take a name away from one whose clients have it.
    for name in sorted(
        task_names(), key=lambda one: (f"{pascal(one)}Job" not in names_before, one)
    ):
        task = find_task(name)
        names, described = task_schemas(task, schemas, names_before)
        schemas |= described
        paths[name] = task_paths(task, names)
    tags = [
        {"name": pascal(name), "description": f"Jobs of the task `{name}`."}
        for name in sorted(paths)
    ]
    made: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Simmer",
            "version": _version(),
            "description": _description(),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "https://api.example.com", "description": "Yours: output ApiUrl"}],
        "security": [{"jwt": []}],
        "tags": tags,
        "paths": {path: each for name in sorted(paths) for path, each in paths[name].items()},
        "components": {
            "securitySchemes": {
                "jwt": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of your issuer, for the deployment's audience.",
                }
            },
            "headers": HEADERS,
            "schemas": schemas,
        },
    }
    hoist_enums(made, names_before)
    hoist_unions(made)
    made["components"]["schemas"] = dict(sorted(made["components"]["schemas"].items()))
    return made


def text() -> str:
    """The document as openapi.json has it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _description() -> str:
    codes = ", ".join(f"`{error.code}`" for error in errors_at(PUSH))
    paragraphs = _DESCRIPTION.replace("PUSH_CODES", codes).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _version() -> str:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def main() -> None:
    FILE.write_text(text(), "utf-8")


if __name__ == "__main__":
    main()
