"""The work of normalisation, counted and not timed."""

import unicodedata
from typing import Any


class CountingUnicode:
    """`unicodedata`, which notes the longest run of marks, and all, that it was given to sort."""

    def __init__(self) -> None:
        self.longest = self.characters = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(unicodedata, name)

    def normalize(self, form: Any, text: str) -> str:
        self._note(text)
        return unicodedata.normalize(form, text)

    def is_normalized(self, form: Any, text: str) -> bool:
        self._note(text)
        return unicodedata.is_normalized(form, text)

    def _note(self, text: str) -> None:
        run = 0
        for char in text:
            run = run + 1 if unicodedata.combining(char) else 0
            self.longest = max(self.longest, run)
        self.characters += len(text)
