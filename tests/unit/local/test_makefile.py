"""`make` tells a newcomer what there is, and what is missing."""

import os
import re
import subprocess

from local.toolchain import REPOSITORY


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=REPOSITORY,
        # Not as a part of the make that runs the tests.
        env={name: value for name, value in os.environ.items() if "MAKE" not in name} | environment,
        capture_output=True,
        text=True,
    )


def test_a_missing_python_is_told_in_one_sentence() -> None:
    done = make("setup", "PYTHON=/nowhere/python", UV_PYTHON="/nowhere/python3.13")

    assert done.returncode != 0
    sentence, *rest = done.stderr.splitlines()
    assert sentence.startswith("Python 3.13 is missing and uv cannot download it here: install it")
    assert len(rest) == 1, "make's own line"
    assert rest[0].startswith("make: ***")
    assert done.stdout == ""


def test_the_columns_of_help_line_up() -> None:
    lines = make("help").stdout.splitlines()

    assert len(lines) > 10
    assert len({re.match(r"\S+ +", line).end() for line in lines}) == 1  # type: ignore[union-attr]


def test_help_names_the_defaults() -> None:
    shown = dict(line.split(maxsplit=1) for line in make("help").stdout.splitlines())
    [fuzz] = re.findall(r"N=(\d+)", shown["fuzz"])
    [simulate] = re.findall(r"N=(\d+)", shown["simulate"])
    [default] = re.findall(r"^N \?= (\d+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)

    assert fuzz == simulate == default


def test_only_who_says_so_binds_to_more_than_this_machine() -> None:
    """Some shells export a HOST of their own."""

    def bound(*arguments: str, **environment: str) -> list[str]:
        said = make("--dry-run", "run", *arguments, **environment).stdout
        return re.findall(r"--bind '(\S*)'", said)

    assert bound() == bound(HOST="my-laptop") == ["127.0.0.1"]
    assert bound("HOST=0.0.0.0") == ["0.0.0.0"]
