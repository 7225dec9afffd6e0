"""The choice of a user's language."""

import pytest

from simmer.text.languages import preferred_language


@pytest.mark.parametrize(
    ("accept_language", "locale"),
    [
        (None, "ko"),
        ("", "ko"),
        ("ko", "ko"),
        ("en", "en"),
        ("EN", "en"),
        ("en-US", "en"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("ko;q=0.5,en", "en"),
        ("ko;q=0.5, en;q=0.6", "en"),
        ("ko; q=0.5 , en ; q=0.6", "en"),
        ("ko;Q=0.5,en;Q=0.6", "en"),
        ("en;q=0.8,ko;q=0.8", "en"),
        ("en;q=0", "ko"),
        ("fr-FR", "ko"),
        ("fr,en;q=0.1", "en"),
        ("*", "ko"),
        ("eng", "ko"),
        ("en;q=high,ko;q=0.1", "ko"),
        ("en;q=nan", "ko"),
        (";;q=,,=", "ko"),
    ],
)
def test_locale_is_the_preferred_one_of_ours(accept_language: str | None, locale: str) -> None:
    assert preferred_language(accept_language, ("ko", "en")) == locale
