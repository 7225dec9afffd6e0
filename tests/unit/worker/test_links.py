"""Addresses in answers: none but the request's own, or, where a task wants links, plain https."""

import json
from dataclasses import replace

import pytest
from pydantic import BaseModel

from answer import MAX_RESULT_BYTES, InvalidAnswer, validated
from simmer.task import AnyTask, Task, TaskRequest
from simmer.text.plain import addresses, without_https


class Asked(TaskRequest):
    text: str = "hello"


class Said(BaseModel):
    text: str
    notes: dict[str, str] = {}


PLAIN: AnyTask = Task(
    name="said", version=1, request_model=Asked, result_model=Said, instructions="Say.",
    example={}, answer={"text": "x"},
)  # fmt: skip
LINKS = replace(PLAIN, links=True)


def complaints(task: AnyTask, text: str, asked: str = "hello", **notes: str) -> list[str]:
    said = {"text": text, **({"notes": notes} if notes else {})}
    try:
        validated(task, Asked(text=asked), json.dumps(said, ensure_ascii=False))
    except InvalidAnswer as invalid:
        return list(invalid.complaints)
    return []


HTTPS = [
    "https://shop.example", "see https://shop.example/r?id=7#top, it is good.", "(https://a.b.example)",
    "[the recipe](https://shop.example/a_b)", "HTTPS://SHOP.EXAMPLE/", "https://shop.example:8443/x",
    "https://xn--bcher-kva.example/", "[x]: https://x.example",
    "여기https://shop.example", "[x]: https://x.example\nNext", "https://shop.com/a",
]  # fmt: skip
OTHERS = [
    "http://shop.example", "ftp://x.example/a", "www.shop.example", "//", "file:///etc/passwd",
    "intent://scan/#Intent;scheme=zxing;end", "mailto:eve@evil.example", "javascript:alert(1)",
    "JaVaScRiPt : alert(1)", "vbscript:x", "data:text/html,<b>", "https://", "https://localhost/x",
    "https://10.0.0.1/", "https://good.example@evil.example/", "https://good.example\\@evil.example",
    "https://user:pass@evil.example", "https://gооd.example/", "https://good.example\u3002evil.example/",
    "https://good.example%2eevil.example/", "https://[::1]/", "https:/\u200b/evil.example",
    "ｈｔｔｐｓ://evil.example", "j\u200bavascript:alert(1)", "[x](http://x.example)",
    "[x](//x.example)", "[x](/settings)", "![x](https://x.example/1.gif)", "<https://x.example>",
    "<a href='https://x.example'>x</a>", "[x](https://x.example 'title')",
    "custom+app://x",
    # Whatever stands right before it, and without slashes or with the wrong ones.
    "여기http://evil.example", "1http://evil.example", "_http://evil.example",
    "여기www.evil.example", "www\u3002evil\u3002example", "http:evil.example",
    "http:\\\\evil.example",
    "tel:+4930123", "TEL:110", "sms:110?body=x", "intent:#Intent;scheme=http;end",
    "geo:1,2", "file:/etc/passwd",
    "callto:x", "facetime:eve",
    # Names of hosts, which phones make links of.
    "evil.com", "evil.com/path", "see evil.co.kr.", "만개의레시피.com에서",
    "eve@evil.org", "evil.io:8080", "//evil.net",
    "ｅｖｉｌ．ｃｏｍ", "evil\uff0ecom", "e\u200bvil.com",
    # A tag in another spelling.
    "＜script＞", "<\u200bscript>x", "﹤b﹥",
    # Links of Markdown by reference, to a path, with a title.
    "[x][1]\n\n[1]: /path", "[x]\n\n[x]: evil.example/a", "> [x]: tel:110",
    "[x]:\n/path", "[x]: a 'title'",
    "[x](?q=1)", "[x](./a)", "[x](a/b)", "[x](a 'title')", "[x](a\n\"title\")",
    "[x](\\\\evil.example)",
    "data:,x", "data:;base64,eA==",
]  # fmt: skip
HARMLESS = [
    "shop.example", "10:30", "a//b", "1://2", "Total data: 3 / 4", "Tel: 030 123", "R&D", "[1] fry",
    "and/or", "version: 1.2.3", "www", "java script: easy", "a@b.example",
    "Stir.Common salt", "2.5kg/person", "approx.tsp/tbsp", "e.g. 1.5 l", "intents: 3", "hotel:3",
    "[양념](간장 2큰술)", "[sauce](soy (dark))", "[Tip]: 10:30 is early", "[x]()", "a <3 b> c",
    "2026.11.26",
]  # fmt: skip


@pytest.mark.parametrize("text", [*HTTPS, *(each for each in OTHERS if each != "//")])
def test_plain_text_holds_no_address(text: str) -> None:
    told = complaints(PLAIN, text)

    assert told
    assert all("must not hold a link" in each or "markup" in each for each in told)


@pytest.mark.parametrize("text", HTTPS)
def test_where_links_are_wanted_https_is_one(text: str) -> None:
    assert complaints(LINKS, text) == []


ALLOWED_EVEN_SO = {"//", "[x](https://x.example 'title')"}


@pytest.mark.parametrize("text", [each for each in OTHERS if each not in ALLOWED_EVEN_SO])
def test_where_links_are_wanted_no_other_address_is_one(text: str) -> None:
    assert complaints(LINKS, text)


@pytest.mark.parametrize("text", HARMLESS)
@pytest.mark.parametrize("task", [PLAIN, LINKS])
def test_text_that_only_looks_like_one_is_none(task: AnyTask, text: str) -> None:
    assert complaints(task, text) == []


@pytest.mark.parametrize(
    "asked",
    [
        "Thanks for shopping at www.shop.example!",
        "thanks · ＷＷＷ.Shop.Example",
        "<p>see www.shop.example</p>",
    ],
)
def test_what_the_request_says_may_be_copied_in_any_spelling(asked: str) -> None:
    assert complaints(PLAIN, "www.shop.example", asked) == []
    assert complaints(PLAIN, "at www.shop.example, in town", asked) == []
    assert complaints(PLAIN, "www.shop.example.evil.example", asked)
    assert complaints(PLAIN, "www.other.example", asked)


def test_name_that_the_model_chose_is_a_text() -> None:
    assert complaints(PLAIN, "x", **{"see www.x.example": "y"})
    assert complaints(PLAIN, "x", **{"<b>x</b>": "y"})
    assert complaints(PLAIN, "x", **{"a\u202eb": "y"})
    assert complaints(PLAIN, "x", fine="y") == []


@pytest.mark.parametrize(
    "unit",
    [
        *("a.", "a+", "https://", "http://a.", "www.", "javascript: ", "[x](", "&", "https://a@"),
        *("](", "]:", "](a ", "](a '", "]: a (", "<a", "</a ", "a-"),
        *("http:", "x.com/", "\u200b", "\ufe0f"),
    ],
)
def test_no_text_takes_long(unit: str) -> None:
    text = unit * (MAX_RESULT_BYTES // len(unit))

    addresses(text)
    without_https(text)
    complaints(PLAIN, text[:-100])
