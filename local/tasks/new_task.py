"""`make new-task NAME=…`: a task that works, its test, and the requests that it is judged by.

layers/common/simmer/tasks/NAME.py    the task: the one file that the rest follows from
tests/tasks/test_NAME.py              its test
evals/NAME.jsonl                      requests, one a line, to try a model and a prompt on
"""

import argparse
import keyword
import re
import sys
from pathlib import Path

from local.toolchain import REPOSITORY, run_tool

_TEMPLATES = Path(__file__).with_name("new")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# Words that the paths of the API, or Python, have for something else.
_TAKEN = frozenset(("dev", "push", *keyword.kwlist))


class Refused(Exception):
    """It cannot be written; the message says why."""


def write(name: str, repository: Path = REPOSITORY) -> list[Path]:
    """Write the three files and return them, or `Refused`, and then nothing is written."""
    if not _NAME.fullmatch(name) or name.endswith("_"):
        raise Refused(
            f"{name!r} is no name for a task: use small letters, digits and _, a letter first, "
            "40 at the most; it is part of the task's addresses"
        )
    if name in _TAKEN:
        raise Refused(f"{name!r} has a meaning of its own: use another name")
    files = {
        "task.py.txt": repository / "layers" / "common" / "simmer" / "tasks" / f"{name}.py",
        "test.py.txt": repository / "tests" / "tasks" / f"test_{name}.py",
        "evals.jsonl.txt": repository / "evals" / f"{name}.jsonl",
    }
    for file in files.values():
        if file.exists():
            raise Refused(f"{file.relative_to(repository)} is there already")
    title = name.replace("_", " ").capitalize()
    for template, file in files.items():
        text = (_TEMPLATES / template).read_text("utf-8")
        text = text.replace("CLASS", title.title().replace(" ", "")).replace("NAME", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("TITLE", title), "utf-8")
    sources = [file for file in files.values() if file.suffix == ".py"]
    config = REPOSITORY / "pyproject.toml"  # a long name makes long lines
    run_tool(sys.executable, "-m", "ruff", "format", "--quiet", "--config", config, *sources)
    return list(files.values())


def main() -> int:
    parser = argparse.ArgumentParser(prog="make new-task", description="Begin a task.")
    parser.add_argument("name", metavar="NAME")
    name = parser.parse_args().name
    try:
        files = write(name)
    except Refused as refused:
        print(f"make new-task: {refused}", file=sys.stderr)
        return 1
    for file in files:
        print(file.relative_to(REPOSITORY))
    print(
        f"\nNow: make run (it serves {name} as soon as the file is saved),\n"
        f".venv/bin/python -m pytest tests/tasks/test_{name}.py, make openapi"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
