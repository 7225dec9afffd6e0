"""The choice of a user's language."""

from collections.abc import Sequence


def preferred_language(accept_language: str | None, offered: Sequence[str]) -> str:
    """The one of `offered` (language tags) that an `Accept-Language` header (RFC 9110, 12.5.4)
    prefers; the first one when the header names none of them."""
    best_quality, best = 0.0, offered[0]
    for part in (accept_language or "").split(","):
        tag, _, weight = part.strip().partition(";")
        try:
            quality = float(weight.strip().lower().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        language = tag.strip().lower().partition("-")[0]
        for each in offered:
            if language == each.lower().partition("-")[0] and quality > best_quality:
                best_quality, best = quality, each
    return best
