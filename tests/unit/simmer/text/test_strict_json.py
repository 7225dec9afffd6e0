"""JSON as RFC 8259 has it, and nothing more lenient."""

from typing import Any

import pytest

from simmer.text.strict_json import NotStrictJson, loads


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        (" \t\r\n[ ] ", []),
        ('{"a": {"a": 1}}', {"a": {"a": 1}}),
        ('[{"a": 1}, {"a": 1}]', [{"a": 1}, {"a": 1}]),
        (r'"\ud83c\udf73"', "🍳"),
        (r'"\u0000"', "\0"),
        ("2", 2),
        ("2.0", 2),
        ("2e1", 20),
        ("-0.0", 0),
        ("2.5", 2.5),
        ("9007199254740991", 2**53 - 1),
        ("1e400", float("inf")),
    ],
)
def test_strict_json_is_parsed(text: str, value: Any) -> None:
    parsed = loads(text)

    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        '{"a": 1,}',
        "[1,]",
        "[1] [2]",
        "{} thanks",
        "```json\n{}\n```",
        "{'a': 1}",
        "{a: 1}",
        "NaN",
        "[Infinity]",
        '{"a": -Infinity}',
        '{"a": 1, "a": 1}',
        r'{"a": 1, "\u0061": 2}',
        '{"x": [{"a": 1, "a": 2}]}',
        "01",
        "+1",
        ".5",
        "1.",
        "0x10",
        "1_000",
        "True",
        '"\t"',
        '"\x00"',
        r'"\x41"',
        r'"\u12"',
        "\ufeff{}",
        "// comment\n{}",
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_anything_more_lenient_is_refused(text: str) -> None:
    with pytest.raises(NotStrictJson):
        loads(text)


@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 5000, "1" + "0" * 400 + ".5"])
def test_number_of_thousands_of_digits_is_no_int_and_no_crash(text: str) -> None:
    assert isinstance(loads(text), float)


def test_complaint_never_quotes_the_text() -> None:
    with pytest.raises(NotStrictJson) as refusal:
        loads('{"hunter2": 1, "hunter2": hunter2}')

    assert "hunter2" not in str(refusal.value)
