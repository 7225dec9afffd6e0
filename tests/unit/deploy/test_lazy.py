"""A package that passes on names imports their modules when they are asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.lazy import lazy

PASSES_ON = """# A comment.

from __future__ import annotations

from .one import One as One, other as renamed
from .deeper.two import Two as Two
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    package = tmp_path / "some"
    (package / "deeper").mkdir(parents=True)
    (package / "__init__.py").write_text(lazy(PASSES_ON) or "")
    (package / "one.py").write_text("print('one')\nclass One: ...\nother = 1\n")
    (package / "deeper" / "__init__.py").write_text("")
    (package / "deeper" / "two.py").write_text("print('two')\nTwo = 2\n")
    (package / "broken.py").write_text("import nowhere_at_all\n")
    return tmp_path


def said(place: Path, code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import some", []),
        ("import some; some.One; some.One; some.renamed", ["one"]),
        ("from some import renamed; print(renamed)", ["one", "1"]),
        ("import some; print(some.deeper.two.Two)", ["two", "2"]),
        ("from some.deeper import two; import some; print(some.Two)", ["two", "2"]),
        ("from some import one", ["one"]),
        ("import some; print(hasattr(some, 'three'))", ["False"]),
        ("import some; print({'One', 'renamed', 'Two'} <= set(dir(some)))", ["True"]),
    ],
)
def test_name_imports_its_module_and_no_other(
    package: Path, code: str, expected: list[str]
) -> None:
    if "deeper.two.Two" in code:  # a module within is there once somebody has imported it
        code = code.replace("import some;", "import some, some.deeper.two;")
    assert said(package, code) == expected


def test_module_that_cannot_be_imported_says_why(package: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        said(package, "import some; some.broken")

    assert "No module named 'nowhere_at_all'" in failed.value.stderr


@pytest.mark.parametrize(
    "does_more",
    [
        "",
        "x = 1",
        "import os",
        "from . import one",
        "from ..up import x",
        "from .one import *",
        "from .one import One as One\nOne.x = 1",
        "if True:\n    from .one import One",
        '"""About it."""\nfrom .one import One',
    ],
)
def test_package_that_does_more_stays_as_it_is(does_more: str) -> None:
    assert lazy(does_more) is None


def test_late_package_is_none_that_is_made_late_again() -> None:
    assert lazy(lazy(PASSES_ON) or "") is None
