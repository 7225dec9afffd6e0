"""The task files as a process of its own loads them: what they say, and what is wrong with them."""

from pathlib import Path

import pytest

from local.tasks.catalogue import Catalogue
from simmer.task import find_task
from simmer.tasks import task_names
from tests.unit.local.copied import layer_in

GOOD = '''
from simmer.task import Task, TaskRequest, TaskResult


class Wanted(TaskRequest):
    """What is wanted."""

    topic: str


class Poem(TaskResult):
    """What is made of it."""

    lines: list[str]


print("a task file may print")
TASK = Task(
    name="poem", version=1, request_model=Wanted, result_model=Poem, instructions="Write a poem.",
    example={"topic": "rain"}, answer={"lines": ["It falls."]}, languages=("de", "en"),
)
'''


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A copy of the layer, with a task file that works beside those that are there."""
    copy = layer_in(tmp_path)
    (copy / "simmer" / "tasks" / "poem.py").write_text(GOOD)
    return copy


def test_every_task_is_described() -> None:
    catalogue = Catalogue.read()

    assert catalogue.problems == []
    assert {each["name"] for each in catalogue.tasks} == task_names()
    for each in catalogue.tasks:
        task = find_task(each["name"])
        assert each["example"] == task.example
        assert each["languages"] == list(task.languages)
        assert set(task.example) <= set(each["request"]["properties"])
        assert set(task.answer) <= set(each["result"]["properties"])


def test_a_new_file_is_a_task(layer: Path) -> None:
    [poem] = [each for each in Catalogue.read(layer).tasks if each["name"] == "poem"]

    assert poem["languages"] == ["de", "en"]
    assert poem["request"]["properties"]["topic"]["type"] == "string"
    assert poem["result"]["properties"]["lines"]["type"] == "array"
    assert poem["words"] == {}


@pytest.mark.parametrize(
    ("broken", "line", "says"),
    [
        ("def (:\n", 1, "SyntaxError: "),
        ("\nimport no_such_package\n", 2, "ModuleNotFoundError: No module named 'no_such_package'"),
        ("\n\nimport boto5\n", 3, "boto5"),
        (GOOD.replace('"poem"', '"song"'), None, "name: is 'song'"),
        ("x = 1\n", None, "has no `TASK = Task(…)`"),
        ("\nraise SystemExit\n", 2, "SystemExit"),
        ("1 / 0\n", 1, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_the_others_are_served(
    layer: Path, broken: str, line: int | None, says: str
) -> None:
    (layer / "simmer" / "tasks" / "broken.py").write_text(broken.replace("poem", "broken"))
    if "song" in broken:
        (layer / "simmer" / "tasks" / "broken.py").write_text(broken)

    catalogue = Catalogue.read(layer)

    [problem] = catalogue.problems
    assert (problem.task, problem.file) == ("broken", "simmer/tasks/broken.py")
    assert problem.line == line
    assert says in problem.message
    assert {each["name"] for each in catalogue.tasks} == {"poem", *task_names()}
    place = "broken.py" if line is None else f"broken.py:{line}"
    assert str(problem).splitlines()[0].endswith(place)


def test_a_helper_beside_the_tasks_is_no_task_and_its_fault_is_found(layer: Path) -> None:
    tasks = layer / "simmer" / "tasks"
    (tasks / "_shared.py").write_text("\nLIMIT = 1 / 0\n")
    (tasks / "poem.py").write_text(f"from simmer.tasks._shared import LIMIT\n{GOOD}")

    [problem] = Catalogue.read(layer).problems

    assert (problem.task, problem.file, problem.line) == ("poem", "simmer/tasks/_shared.py", 2)


def test_a_file_that_ends_the_process_is_a_problem_not_a_crash(layer: Path) -> None:
    (layer / "simmer" / "tasks" / "broken.py").write_text("import os\nos._exit(3)\n")

    catalogue = Catalogue.read(layer)

    assert catalogue.tasks == []
    assert "ended while it was loaded" in str(catalogue.problems[0])
