"""The texts that a user reads, in the job's language: one file for each language in `words/`.

A language without a file, and a text that its file lacks, fall back to English.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_WORDS = Path(__file__).with_name("words")
_FALLBACK = "en"


def message(name: str, locale: str) -> str:
    """The text called `name`, such as `queued` or `failed.refused`, for a BCP 47 tag."""
    return _words(locale)[name]


@cache
def _words(locale: str) -> Mapping[str, str]:
    words: dict[str, str] = {}
    for tag in (_FALLBACK, locale.partition("-")[0], locale):
        file = _WORDS / f"{tag}.json"
        if file.parent == _WORDS and file.exists():  # a tag comes from a stored job
            words |= json.loads(file.read_text("utf-8"))
    return words
