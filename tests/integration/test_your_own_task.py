"""docs/your-own-task.md: its commands, run in their order in a copy of the repository."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from local.toolchain import REPOSITORY
from tests.integration.copies import NOT_COPIED, tasks

_PAGE = (REPOSITORY / "docs" / "your-own-task.md").read_text("utf-8")
_BLOCK = re.compile(
    r"((?:^[^\n]+\n)*)\n^```(console|sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_NOT_RUN = "No test runs this"
# What serves until it is stopped, asks what is served, downloads a model, or needs AWS.
_MAY_NOT_BE_RUN = re.compile(r"make (run|deploy|smoke)\b|.* MODEL=local|.*SIMMER_|.*simmer run")


def _steps() -> list[tuple[str, str]]:
    """The blocks that are run, in their order: their language and text."""
    return [
        (language, text)
        for before, language, text in _BLOCK.findall(_PAGE)
        if _NOT_RUN not in before
    ]


def _commands(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the output that is shown."""
    commands: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append((line.removeprefix("$ "), []))
        else:
            commands[-1][1].append(line.rstrip())
    return commands


def test_only_what_cannot_run_here_is_not_run() -> None:
    left_out = [text for before, _, text in _BLOCK.findall(_PAGE) if _NOT_RUN in before]

    assert len(left_out) == _PAGE.count(f"{_NOT_RUN}:") + _PAGE.count(f"{_NOT_RUN}, for")
    for text in left_out:
        for command, _ in _commands(text):
            assert _MAY_NOT_BE_RUN.match(command), command
    for _, text in _steps():
        for line in text.splitlines():
            assert not _MAY_NOT_BE_RUN.match(line.removeprefix("$ ")), line


def test_the_file_that_the_page_shows_is_the_one_in_the_repository() -> None:
    [shown] = [text for language, text in _steps() if language == "python"]

    assert shown == tasks(REPOSITORY, "workout").read_text("utf-8")


def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    copy = tmp_path / "repository"
    shutil.copytree(REPOSITORY, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
    (copy / ".venv").symlink_to(REPOSITORY / ".venv")

    for language, text in _steps():
        if language == "python":
            tasks(copy, "workout").write_text(text, "utf-8")
            continue
        for command, shown in _commands(text):
            _run(copy, command, shown)

    for name in ("evals/workout.jsonl", "tests/tasks/test_workout.py", "openapi.json"):
        assert (copy / name).read_bytes() == (REPOSITORY / name).read_bytes()
    assert not tasks(copy, "workout").with_name("workout.py.good").exists()


def _run(copy: Path, command: str, shown: list[str]) -> None:
    # What `setup` would install is here already, and belongs to the repository itself.
    process = subprocess.run(
        ["sh", "-c", re.sub(r"^make ", "make --no-print-directory -o setup ", command)],
        cwd=copy,
        env={name: text for name, text in os.environ.items() if not _changes_make(name)},
        capture_output=True,
        text=True,
        check=False,
    )
    output = process.stdout + process.stderr
    refused = any(line.startswith(("make new-task: ", "simmer/tasks/")) for line in shown)
    assert (process.returncode != 0) == refused, f"{command}\n{output}"
    said = [line.rstrip() for line in output.splitlines()]
    if command.startswith("make eval"):
        assert not shown or _labels(said) >= _labels(shown), output
    elif command.startswith("make") or not command.startswith(".venv"):
        assert [line for line in said if not line.startswith("make: ***")] == shown


def _labels(lines: list[str]) -> set[str]:
    """The first column of a table; the figures are another machine's."""
    rows = (re.match(r"  (\S.*?)  +\S", line) for line in lines)
    return {row[1] for row in rows if row}


def _changes_make(name: str) -> bool:
    return name.startswith(("OPENAI", "MAKE", "MODEL", "MFLAGS", "PYTHONPATH")) or name in (
        "TASK",
        "BUDGET",
        "FLOOR",
    )
