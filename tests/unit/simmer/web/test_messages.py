"""The texts that a user reads."""

import pytest

from simmer.jobs.job import ErrorCode
from simmer.web.messages import message


@pytest.mark.parametrize("code", ErrorCode)
@pytest.mark.parametrize("locale", ["ko", "en"])
def test_every_failure_has_a_sentence_in_every_language(code: ErrorCode, locale: str) -> None:
    assert message(f"failed.{code}", locale).endswith(".")


@pytest.mark.parametrize("locale", ["en-GB", "fr", "fr-CA", "", "../en", "zh-Hant-TW"])
def test_language_without_a_file_falls_back_to_english(locale: str) -> None:
    assert message("done", locale) == "Done"


def test_region_falls_back_to_its_language() -> None:
    assert message("done", "ko-KR") == message("done", "ko") == "완료"
