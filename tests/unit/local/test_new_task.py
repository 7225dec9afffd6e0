"""What `make new-task` writes works as it is, and it writes over nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local.tasks.new_task import Refused, write
from local.toolchain import REPOSITORY
from tests.unit.local.copied import layer_in


def test_a_new_tasks_own_test_passes_and_its_evals_are_requests(tmp_path: Path) -> None:
    layer = layer_in(tmp_path)

    files = write("short_news", tmp_path)

    assert [str(file.relative_to(tmp_path)) for file in files] == [
        "layers/common/simmer/tasks/short_news.py",
        "tests/tasks/test_short_news.py",
        "evals/short_news.jsonl",
    ]
    ran = _python(layer, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(files[1]))
    assert ran.returncode == 0, ran.stdout
    assert " passed" in ran.stdout or "[100%]" in ran.stdout
    checks = f"""
import json
from simmer.task import find_task
task = find_task("short_news")
for line in open({str(files[2])!r}):
    task.wire_model.model_validate_json(line)
print(task.request_model.__name__)
"""
    assert _python(layer, "-c", checks).stdout.strip() == "ShortNewsRequest"
    assert len(files[2].read_text().splitlines()) >= 3
    assert all(json.loads(line) for line in files[2].read_text().splitlines())


@pytest.mark.parametrize("name", ["short_news", "a" * 40])
def test_a_new_task_is_formatted_linted_and_typed(tmp_path: Path, name: str) -> None:
    layer = layer_in(tmp_path)
    task, test, _ = write(name, tmp_path)

    config = ["--config", str(REPOSITORY / "pyproject.toml")]
    for command in (["ruff", "format", "--check", *config], ["ruff", "check", *config]):
        ran = _python(layer, "-m", *command, str(task), str(test))
        assert ran.returncode == 0, ran.stdout
    ran = _python(layer, "-m", "mypy", "--strict", str(task))
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    "name",
    ["", "Poem", "my-task", "my task", "../evil", "1st", "_hidden", "class", "dev", "a" * 41, "a_"],
)
def test_a_bad_name_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused):
        write(name, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_an_existing_task_test_or_eval_is_left_alone(tmp_path: Path) -> None:
    eval_file = tmp_path / "evals" / "poem.jsonl"
    eval_file.parent.mkdir()
    eval_file.write_text("mine\n")

    with pytest.raises(Refused, match=r"evals/poem\.jsonl is there already"):
        write("poem", tmp_path)

    assert eval_file.read_text() == "mine\n"
    assert [path.name for path in tmp_path.iterdir()] == ["evals"]


def _python(layer: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=layer.parents[1],
        env={"PYTHONPATH": str(layer), "MYPYPATH": str(layer), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
