"""A package that only passes on names of its modules, made to import each when it is asked for.

The OpenAI SDK imports the types of all its endpoints at its start, some five hundred modules, of
which the worker needs a few. Python has a hook for it (PEP 562), so nothing of the SDK is known
here but that such a module does nothing else: one that does more stays as it is.
"""

import ast

_LAZY = '''\
"""Passes on names of its modules, each imported when it is asked for (deploy/lazy.py)."""

from importlib import import_module as _import_module

_PLACES = {places}


def __getattr__(name):
    try:
        place, there = _PLACES[name]
    except KeyError:
        own = f"{{__name__}}.{{name}}"
        try:
            return _import_module(own)
        except ModuleNotFoundError as error:
            if error.name != own:
                raise
            raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}") from None
    value = getattr(_import_module(place, __name__), there)
    globals()[name] = value
    return value


def __dir__():
    return sorted({{*globals(), *_PLACES}})
'''


def lazy(source: str) -> str | None:
    """The text of a package's `__init__` that imports late, or None if it does more than import
    from its own modules."""
    places: dict[str, tuple[str, str]] = {}
    for statement in ast.parse(source).body:
        match statement:
            case ast.ImportFrom(module="__future__"):
                pass
            case ast.ImportFrom(module=str(module), level=1, names=names):
                for each in names:
                    places[each.asname or each.name] = (f".{module}", each.name)
            case _:
                return None
    if not places or "*" in places:
        return None
    return _LAZY.format(places=repr(places))
