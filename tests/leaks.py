"""What must stand in no log and no file of an emulator: marked texts, tokens, keys."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from local.emulator.stack import Emulator

# Whatever the tests were about: a signed token, a ticket or a push token, a key of a provider's.
SECRETS = re.compile(
    r"\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.|\bticket=[\w.-]{20,}|\bsk-[A-Za-z0-9]{12,}|whsec_[\w+/]{20,}"
    r"|\bstand-in-key\b"
)


def texts_of(emulator: Emulator) -> Iterator[tuple[str, str]]:
    """Where, and what stands there: its own log, the functions' lines, the log groups, and every
    file that it keeps beside the code that it runs."""
    for file in (emulator.log, emulator.functions_log):
        yield file.name, file.read_text(errors="replace")
    logs = emulator.client("logs")
    for group in logs.get_paginator("describe_log_groups").paginate().search("logGroups[]"):
        name = group["logGroupName"]
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name)
        yield name, "\n".join(each["message"] for each in pages.search("events[]") if each)
    for file in emulator.files():
        yield str(file), _read(file)


def leaks(emulator: Emulator, marks: Iterable[str] = ()) -> list[str]:
    """The places that hold a mark, or what looks like a token or a key; not the secret itself."""
    named = list(marks)
    return [
        where
        for where, text in texts_of(emulator)
        if SECRETS.search(text) or any(mark in text for mark in named)
    ]


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("latin-1")
    except OSError:  # it was there for a moment
        return ""
