"""What a shell offers for the words of a command line, by argcomplete.

A server that serves `/dev/tasks`, as `make run` does, tells the tasks and the fields of their
requests; of another server nothing is known, and nothing is offered.
"""

import argparse
import json
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

_WITHIN_SECONDS = 2


def offer(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and end the program, if it is a shell that asks."""
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)


def tasks(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """The tasks' names."""
    return [str(task["name"]) for task in _described(parsed_args.url)]


def fields(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """`name=` for each field of the request, and `name=value` where there are some to choose."""
    return [
        word
        for task in _described(parsed_args.url)
        if task["name"] == parsed_args.task
        for name, schema in task["request"]["properties"].items()
        for word in (_values(name, schema, task["request"]) if "=" in prefix else [f"{name}="])
    ]


def _values(name: str, schema: Any, request: Any) -> Iterator[str]:
    known = {f"#/$defs/{key}": each for key, each in request.get("$defs", {}).items()}
    schema = known.get(schema.get("$ref"), schema)
    values = [True, False] if schema.get("type") == "boolean" else schema.get("enum", [])
    yield from (f"{name}={v if isinstance(v, str) else json.dumps(v)}" for v in values)


def _described(url: str) -> list[Any]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(OSError, ValueError):
        with direct.open(f"{url}/dev/tasks", timeout=_WITHIN_SECONDS) as answer:
            told = json.load(answer)
        return told if isinstance(told, list) else []
    return []
