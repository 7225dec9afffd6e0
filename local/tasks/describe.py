"""Loads every task file and prints what it says of itself, or what is wrong with it, as JSON.

`python describe.py` runs in the functions' own interpreter, with the packages of the layer: what
loads here loads there. Standard library and `simmer` only.

    {"tasks": [{"name", "languages", "request", "result", "example", "words"}],
     "problems": [{"task", "file", "line", "message"}]}

`request` and `result` are JSON schemas. `line` is null where no line is to blame.
"""

import json
import pkgutil
import sys
import traceback
from pathlib import Path
from typing import Any

type Json = dict[str, Any]


def main() -> None:
    answer, sys.stdout = sys.stdout, sys.stderr  # a task file may print
    tasks: list[Json] = []
    problems: list[Json] = []
    for name in _names():
        try:
            tasks.append(_description(name))
        except BaseException as error:  # whatever a module may raise, SystemExit too
            # A task that cannot be loaded is told by what happened in its file.
            problems.append({"task": name, **_problem(name, error.__cause__ or error)})
    json.dump({"tasks": tasks, "problems": problems}, answer)


def _names() -> list[str]:
    """As `simmer.tasks.task_names` has them, but without running anything of the layer's."""
    folder = _tasks_folder()
    names = (module.name for module in pkgutil.iter_modules([str(folder)]))
    return sorted(name for name in names if not name.startswith("_"))


def _tasks_folder() -> Path:
    return next(folder for entry in sys.path if (folder := Path(entry, "simmer", "tasks")).is_dir())


def _description(name: str) -> Json:
    from simmer.task import find_task

    task = find_task(name)
    return {
        "name": task.name,
        "languages": list(task.languages),
        "request": task.wire_model.model_json_schema(),
        "result": task.result_model.model_json_schema(),
        "example": dict(task.example),
        "words": {language: dict(words) for language, words in task.words.items()},
    }


def _problem(name: str, error: BaseException) -> Json:
    root = _tasks_folder().parents[1]
    if isinstance(error, SyntaxError) and error.filename:
        return {
            "file": _relative(error.filename, root),
            "line": error.lineno,
            "message": f"{type(error).__name__}: {error.msg}",
        }
    # The deepest line that a task file has to do with; else the file as a whole.
    places = [
        (frame.filename, frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(root / "simmer" / "tasks")
    ]
    file, line = places[-1] if places else (str(root / "simmer" / "tasks" / f"{name}.py"), None)
    message = str(error) or "it says no more"
    if type(error).__name__ != "TaskError":
        message = f"{type(error).__name__}: {message}"
    return {"file": _relative(file, root), "line": line, "message": message}


def _relative(file: str, root: Path) -> str:
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else file


if __name__ == "__main__":
    main()
