"""What the user reads, in the language of the request. A task adds its own stage messages."""

from collections.abc import Mapping

from simmer.job import ErrorCode
from simmer.task import DEFAULT_LOCALE, Locale

SUBMITTED: Mapping[Locale, str] = {
    "ko": "요청을 접수했습니다.",
    "en": "Your request was accepted.",
}
QUEUED: Mapping[Locale, str] = {
    "ko": "순서를 기다리는 중...",
    "en": "Waiting for its turn...",
}
AWAITING_CAPACITY: Mapping[Locale, str] = {
    "ko": "이용자가 많아 잠시 기다리는 중...",
    "en": "The model is busy, waiting for room...",
}
SLOW: Mapping[Locale, str] = {
    "ko": "평소보다 오래 걸리고 있습니다. 조금만 더 기다려 주세요...",
    "en": "This is taking longer than usual, still working on it...",
}
DONE: Mapping[Locale, str] = {"ko": "완료", "en": "Done"}
CANCELLED: Mapping[Locale, str] = {"ko": "취소되었습니다.", "en": "Cancelled."}
FAILED: Mapping[ErrorCode, Mapping[Locale, str]] = {
    ErrorCode.INVALID_OUTPUT: {
        "ko": "쓸 수 있는 답을 만들지 못했습니다. 다시 시도해 주세요.",
        "en": "No usable answer came out. Please try again.",
    },
    ErrorCode.REFUSED: {
        "ko": "이 요청에는 답할 수 없습니다. 내용을 바꿔 주세요.",
        "en": "This request cannot be answered. Please change it.",
    },
    ErrorCode.MODEL_UNAVAILABLE: {
        "ko": "지금은 답을 만들 수 없습니다. 잠시 후 다시 시도해 주세요.",
        "en": "No answer can be made right now. Please try again in a moment.",
    },
    ErrorCode.DEADLINE_EXCEEDED: {
        "ko": "시간이 너무 오래 걸렸습니다. 다시 시도해 주세요.",
        "en": "This took too long. Please try again.",
    },
    ErrorCode.BUDGET_EXCEEDED: {
        "ko": "오늘 사용할 수 있는 양을 모두 썼습니다. 내일 다시 시도해 주세요.",
        "en": "Today's budget is used up. Please try again tomorrow.",
    },
    ErrorCode.INTERNAL: {
        "ko": "문제가 생겼습니다. 다시 시도해 주세요.",
        "en": "Something went wrong. Please try again.",
    },
}


def preferred_locale(accept_language: str | None) -> Locale:
    """The language an `Accept-Language` header (RFC 9110, 12.5.4) prefers among ours."""
    best: tuple[float, Locale] = (0.0, DEFAULT_LOCALE)
    for part in (accept_language or "").split(","):
        tag, _, weight = part.strip().partition(";")
        try:
            quality = float(weight.strip().lower().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        language = tag.strip().lower().partition("-")[0]
        for locale in ("ko", "en"):
            if language == locale and quality > best[0]:
                best = (quality, locale)
    return best[1]
