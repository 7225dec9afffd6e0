"""Imports point one way, and a light function stays light."""

import ast
import io
import json
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "common"
SIMMER = sorted((LAYER / "simmer").rglob("*.py"))
FUNCTIONS = sorted((ROOT / "functions").rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in _imports(path)}


def test_there_is_something_to_look_at() -> None:
    assert len(SIMMER) > 10
    found = {path.parent.name for path in FUNCTIONS}
    assert found >= {"submit", "status", "cancel", "push", "worker", "events", "webhook"}


# ── What a cold start loads ───────────────────────────────────────────────────────────────────────

_IMPORT_LIKE_LAMBDA = """
import json, sys
import app
print(json.dumps({name: getattr(m, "__file__", None) for name, m in sys.modules.items()}))
"""


# With a few to spare. Each module is read, and run, at each cold start: `make bench-poll` counts.
LARGEST_MODULES = {"submit": 345, "status": 245, "cancel": 245, "push": 340, "worker": 1080}


@cache
def _loaded(function: str) -> dict[str, str | None]:
    """The modules of a function, each with its file, in a process of its own, with the function's
    folder and the layer as Lambda has them."""
    code = ROOT / "functions" / function
    output = subprocess.run(
        [sys.executable, "-c", _IMPORT_LIKE_LAMBDA],
        cwd=code,
        env={"PYTHONPATH": f"{code}:{LAYER}", "POWERTOOLS_TRACE_DISABLED": "1"},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    modules: dict[str, str | None] = json.loads(output)
    return modules


@pytest.mark.parametrize("function", LARGEST_MODULES)
def test_function_imports_no_more_than_its_budget(function: str) -> None:
    loaded = _loaded(function)

    assert len(loaded) <= LARGEST_MODULES[function]
    # Powertools looks whether botocore is there, and takes nothing of it.
    assert {"boto3", "urllib3", "botocore.session"} & set(loaded) == set()


@pytest.mark.parametrize("function", ["submit", "status", "cancel", "push", "events", "webhook"])
def test_light_function_loads_neither_the_model_sdk_nor_the_worker(function: str) -> None:
    code = ROOT / "functions" / function
    loaded = _loaded(function)

    assert loaded["app"] == str(code / "app.py")
    heavy = {"openai", "httpx", "httpx2", "httpcore", "httpcore2", "anyio", "asyncio"}
    heavy |= {"jsonschema_rs"}
    if function in ("status", "cancel", "events", "webhook"):
        # A poll reads an item and words; to load a task's models for it would double its start.
        heavy |= {"pydantic", "pydantic_core"}
    assert heavy & {name.partition(".")[0] for name in loaded} == set()
    worker = str(ROOT / "functions" / "worker")
    assert [name for name, file in loaded.items() if (file or "").startswith(worker)] == []


# ── Who may import whom ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", SIMMER, ids=_name)
def test_layer_imports_no_function(path: Path) -> None:
    siblings = {file.stem for file in FUNCTIONS} | {"functions", "local", "tests"}

    assert _roots(path) & siblings == set()


@pytest.mark.parametrize("path", FUNCTIONS, ids=_name)
def test_function_imports_no_sibling(path: Path) -> None:
    own = {file.stem for file in path.parent.glob("*.py")}
    others = {file.stem for file in FUNCTIONS if file.parent != path.parent} - own

    assert _roots(path) & (others | {"functions", "local", "tests"}) == set()


KNOW_AWS = {
    "layers/common/simmer/table.py",
    "layers/common/simmer/jobs/queue.py",
    "layers/common/simmer/web/push_tokens.py",  # the key
    "functions/push/connections.py",
    "functions/events/bus.py",
    "functions/webhook/app.py",  # the receiver's secret
    "functions/worker/provider.py",  # the models' keys
}


@pytest.mark.parametrize("path", SIMMER + FUNCTIONS, ids=_name)
def test_aws_is_known_to_few(path: Path) -> None:
    knows = {"simmer.aws"} & set(_imports(path))

    assert bool(knows) == (_name(path) in KNOW_AWS)


@pytest.mark.parametrize("path", SIMMER + FUNCTIONS, ids=_name)
def test_boto3_is_asked_for_a_rare_address_alone(path: Path) -> None:
    expected = {"botocore"} if path.name == "aws.py" else set()

    assert _roots(path) & {"boto3", "botocore"} == expected


@pytest.mark.parametrize("path", SIMMER + FUNCTIONS, ids=_name)
def test_environment_is_read_by_settings_alone(path: Path) -> None:
    reads = "os" in _roots(path)

    assert reads == (path.name == "settings.py")


@pytest.mark.parametrize("path", SIMMER, ids=_name)
def test_model_sdk_is_unknown_to_the_layer(path: Path) -> None:
    assert _roots(path) & {"openai", "httpx", "httpx2"} == set()


# The rooms of the layer, from the ground up: a room imports from those below it, never from those
# above. What stands in no folder is the ground.
ROOMS = ["ground", "text", "task", "jobs", "waiting", "books", "web"]
# Within a room, too, imports point one way: from the modules on the right to those on their left.
WITHIN = {
    "ground": [
        *("clock", "errors", "tasks", "settings"),
        *("signature", "credentials", "connection", "aws", "table", "valkey"),
    ],
    "text": ["plain", "strict_json", "languages"],
    "task": [
        *("schema", "models", "parts", "task", "registry", "__init__"),
        *("reading", "strict_schema", "answers"),
    ],
    "jobs": [
        *("job", "outline", "metrics", "story", "item", "cache"),
        *("queue", "leases", "store", "admission"),
    ],
    "waiting": ["durations", "polling", "progress"],
    "books": ["ledger", "history"],
    "web": ["http", "messages", "push_tokens", "view", "status"],
}


def _place(module: str) -> tuple[str, str]:
    """The room and the module in it: `simmer.jobs.store` is ("jobs", "store")."""
    _, *rest = module.split(".")
    return (
        (rest[0], rest[1] if len(rest) > 1 else "__init__")
        if rest[0] in ROOMS
        else ("ground", rest[0])
    )


def _modules(path: Path) -> Iterator[tuple[str, str]]:
    """The places of the modules of the layer that a file imports."""
    known = {str(each.relative_to(LAYER).with_suffix("")).replace("/", ".") for each in SIMMER}
    yield from (_place(name) for name in set(_imports(path)) & known)


@pytest.mark.parametrize("path", [path for path in SIMMER if path.stem != "__init__"], ids=_name)
def test_imports_within_the_layer_point_downward(path: Path) -> None:
    if path.parent.name == "tasks":
        # All that a task file needs, and all that it may know.
        assert {room for room, _ in _modules(path)} <= {"task", "text"}
        return
    room, module = _place(str(path.relative_to(LAYER).with_suffix("")).replace("/", "."))
    assert module in WITHIN[room], "a new module has its place in WITHIN"
    for other_room, other in _modules(path):
        if other_room == room:
            assert WITHIN[room].index(other) < WITHIN[room].index(module), other
        else:
            assert ROOMS.index(other_room) < ROOMS.index(room), f"{other_room}.{other}"


# What is there for every task: all that ships, and the tools around it. These benches measure the
# recipe task, whose numbers the README shows; the stand-in has a cook of that task's own.
AROUND = sorted(
    path
    for folder in ("local", "openapi", "bench")
    for path in (ROOT / folder).rglob("*.py")
    if path.name
    not in ("ladder.py", "small_model.py", "tokens.py", "try_provider.py", "workload.py")
)
OF_THE_RECIPE_TASK = "recipe.py"


@pytest.mark.parametrize(
    "path",
    [path for path in SIMMER + FUNCTIONS + AROUND if path.name != OF_THE_RECIPE_TASK],
    ids=_name,
)
def test_nothing_but_the_recipe_task_speaks_of_recipes(path: Path) -> None:
    """In code: a comment or a docstring may give an example."""
    code = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if token.type in (tokenize.NAME, tokenize.STRING, tokenize.FSTRING_MIDDLE)
        and not token.string.startswith('"""')
    ]

    assert [word for word in code if "recipe" in word.lower() or "ingredient" in word.lower()] == []
