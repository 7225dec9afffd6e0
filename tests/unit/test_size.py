"""What ships stays small: how much each module is, and all of them."""

import ast
import io
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*(ROOT / "layers").rglob("*.py"), *(ROOT / "functions").rglob("*.py")])

MOST_LINES_OF_A_MODULE = 350
# It only falls: who adds code takes some away. docs/decisions.md says where it is, and why.
MOST_LINES_OF_CODE = 6556

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def lines_of_code(path: Path) -> int:
    """The lines that are neither blank nor comment nor docstring."""
    text = path.read_text()
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())) as said, *_]:
                    lines -= set(range(said.lineno, (said.end_lineno or said.lineno) + 1))
    return len(lines)


def test_lines_are_counted_as_said(tmp_path: Path) -> None:
    module = tmp_path / "some.py"
    module.write_text(
        '"""Some\n\nmodule."""\n\n# A reason.\nx = """\n1"""\n\n\ndef f():\n    """It."""\n'
    )
    assert lines_of_code(module) == 3


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES_OF_A_MODULE


def test_what_ships_grows_no_more() -> None:
    assert sum(map(lines_of_code, SHIPPED)) <= MOST_LINES_OF_CODE
