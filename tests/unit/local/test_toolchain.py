"""Several processes may work on one folder at the same time."""

import os
import sys
from pathlib import Path

from local.toolchain import REPOSITORY, keep_newest, run_tool


def test_the_newest_are_kept_whatever_another_process_has_removed_meanwhile(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("oldest", "old", "new", "newest")]
    for age, file in enumerate(files):
        file.touch()
        os.utime(file, (age, age))
    gone = tmp_path / "gone"

    keep_newest(2, [gone, *files])

    assert sorted(file.name for file in tmp_path.iterdir()) == ["new", "newest"]


def test_what_make_run_starts_needs_nothing_of_the_layer() -> None:
    """It has no `simmer` on its path: what it knows of tasks it asks a process of its own."""
    code = "import sys, local.serving; print([m for m in sys.modules if m.startswith('simmer')])"

    said = run_tool(sys.executable, "-c", code, env={"PYTHONPATH": str(REPOSITORY)})

    assert said.strip() == "[]"
