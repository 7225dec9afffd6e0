"""Bugs seeded into what tells replies apart, one at a time: each must be caught by its table."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from providers import error_bodies, kinds, replies
from tests.unit.worker.test_kinds import SAID, wrong_kinds
from tests.unit.worker.test_replies import unknown_ends


@dataclass(frozen=True, slots=True)
class Bug:
    """`old`, which stands once in the module, becomes `new`; `caught` finds what is wrong then."""

    name: str
    module: ModuleType
    old: str
    new: str
    caught: Callable[[Any], list[str]]


def _kinds(module: Any) -> list[str]:
    return wrong_kinds(tell=module.kind_of)


def _readings(module: Any) -> list[str]:
    return wrong_kinds(read=module.read)


def _ends(module: Any) -> list[str]:
    return unknown_ends(module.read)


BUGS = (
    Bug(
        "a refusal taken for misconfiguration, by its code",
        kinds,
        'Kind.REFUSED,\n        "OpenAI, Azure',
        'Kind.MISCONFIGURED,\n        "OpenAI, Azure',
        _kinds,
    ),
    Bug(
        "a refusal taken for misconfiguration, by its words",
        kinds,
        'Kind.REFUSED,\n        "xAI 403',
        'Kind.MISCONFIGURED,\n        "xAI 403',
        _kinds,
    ),
    Bug(
        "an unknown end taken for a clean one",
        replies,
        'raise Down("unknown end", usage)',
        'return "stop"',
        _ends,
    ),
    Bug(
        "an account without credit taken for a busy provider",
        kinds,
        'codes="insufficient_quota billing',
        'codes="billing',
        _kinds,
    ),
    Bug(
        "a limit a minute taken for an account without credit",
        kinds,
        'text=r"allocated quota exceeded|per',
        'text=r"per',
        _kinds,
    ),
    Bug(
        "an error inside a 200 that has no status",
        error_bodies,
        "if status == 200:",
        "if status == 201:",
        _readings,
    ),
    Bug(
        "only a code is looked for, not a type",
        error_bodies,
        '_CODES = (\n    *("code", "type",',
        '_CODES = (\n    *("code",',
        _readings,
    ),
    Bug(
        "a list is no body",
        error_bodies,
        "        case list():\n",
        "        case tuple():\n",
        _readings,
    ),
)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_seeded_bug_is_caught(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bug.caught(bug.module) == [], "as it is, nothing is wrong"
    path = Path(str(bug.module.__file__))
    source = path.read_text()
    assert source.count(bug.old) == 1, "its source stands exactly once"
    name = f"{bug.module.__name__}_mutated"
    mutated = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, mutated)  # where dataclasses look themselves up
    exec(compile(source.replace(bug.old, bug.new), path, "exec"), mutated.__dict__)
    if bug.module is kinds:  # both speak of the same kinds
        told = mutated.kind_of
        mutated.kind_of = lambda said: kinds.Kind(told(said))  # type: ignore[attr-defined]
    found = bug.caught(mutated)
    assert found != []
    assert len(found) < len(SAID), "and not because nothing works any more"


def test_the_modules_are_the_ones_that_ship() -> None:
    for bug in BUGS:
        assert importlib.import_module(bug.module.__name__) is bug.module
