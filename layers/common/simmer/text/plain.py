"""Which texts a phone may be given. Shared by requests and answers, for an answer may copy what was
asked with: what it must not hold is refused before it has cost anything.
"""

import re
import unicodedata
from collections.abc import Iterator

# A tag, a comment or a character reference: what a view that takes HTML would act on. A tag that
# is left open counts: the page around it closes it.
_MARKUP = re.compile(r"<[a-zA-Z/!?]|&(?:#\d+|#x[0-9a-fA-F]+|[a-zA-Z]+);|\]\(\s*\w+:")
_FILLING = "\u115f\u1160\u2800\u3164\uffa0"
_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"


def flaws(text: str) -> Iterator[str]:
    """What is wrong with it, as a message. The empty text is left to who asks for a length."""
    if text and all(_is_invisible(char) for char in text):
        yield "must not be empty"
    if any(_is_unprintable(char) for char in text):
        yield "holds control characters"


def has_markup(text: str) -> bool:
    return bool(_MARKUP.search(text))


def _is_unprintable(char: str) -> bool:
    """Controls but for tabs and line ends, lone surrogates, and marks that turn text around."""
    if char in "\n\r\t":
        return False
    return unicodedata.category(char) in ("Cc", "Cs") or char in _TURNING


def _is_invisible(char: str) -> bool:
    """White space, zero-width marks, and the letters that Unicode has for filling a place."""
    return unicodedata.category(char)[0] in "ZC" or char in _FILLING
