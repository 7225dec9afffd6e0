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
    # Behind a host that is as it should be, the rest of its name; or the name goes on in letters
    # that look like others.
    "https://www.good.example\u3002evil.example/", "https://www.gооd.example/x",
    "https://www.shop.gооd.example", "https://good.example,.evil.example/",
    "https://good.example!.evil.example", "https://good.example).evil.example/",
    "https://good.example'.evil.example/",
    # A tag that looks like an address, with a script in it.
    "<https://x.example/contenteditable/autofocus/onfocus=location=name>", "<https://x.example/a>",
    # Images, however their address is given: nobody taps them.
    "![a\nb](https://x.example/a.png)", "![a [b] c](https://x.example/a.png)",
    "![a][r]\n\n[r]: https://x.example/a.png", "![r]\n\n[r]: https://x.example/a.png",
    "[![a](https://x.example/a)](https://x.example/b)",
    # What phones and views dial, open or write to.
    "telprompt:110", "facetime-audio:eve", "skype:eve?call", "magnet:?xt=urn:btih:0",
    "ms-settings:network", "itms-services:?action=x", "tg:resolve?domain=eve",
    "market:details?id=x", "bitcoin:1Boat?amount=1", "upi:pay?pa=eve",
    "eve@evil.de", "문의: eve@evil.co.kr", "xmpp:eve@evil.de", "eve.x+y@sub.evil.travel",
    "bit.ly/x", "see t.me/eve", "wa.me/4930", "evil.de/login", "evil.co.uk", "пример.рф",
    "evil\u3002com", "192.168.0.1/admin", "10.0.0.1:8080",
    "<@U123>", "<#C1|x>", "a &frac12; cup",
]  # fmt: skip
HARMLESS = [
    "shop.example", "10:30", "a//b", "1://2", "Total data: 3 / 4", "Tel: 030 123", "R&D", "[1] fry",
    "and/or", "version: 1.2.3", "www", "java script: easy", "a@b.example",
    "Stir.Common salt", "2.5kg/person", "approx.tsp/tbsp", "e.g. 1.5 l", "intents: 3", "hotel:3",
    "[양념](간장 2큰술)", "[sauce](soy (dark))", "[Tip]: 10:30 is early", "[x]()", "a <3 b> c",
    "2026.11.26",
    "H&M; AT&T; P&L; Q&A", "Dr.Oetker 8g", "E.coli", "St.Pauli", "ca.2 EL, max.5 min", "3 @ 1.50",
    "2@3.50kg", "z.B. 2 EL, d.h. 30ml", "i.e. salt", "No.1/No.2", "U.S.A.", "и т.д.", "ул.Ленина",
    "Add salt.In a pan, fry it.", "소금을 넣는다.그리고 볶는다", "1.2.3.4 is a chapter", "km/h",
    "Note:hot", "salt:pepper=1:1", "Is it done?Yes:no", "10:30?", "ratio 1:2, w/o salt", "½ cup",
    "Wow![팁] 간장", "24/7", "18.30 Uhr", "a/b.c", "« 1,5 l »", "盐：5克；糖：10克。",
    "<5 °C, 5 < 6",
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
        *("http:", "x.com/", "\u200b", "\ufe0f", "![", "![a", "a@", "a@b.", "@b.c", "ab:", "ab:c?"),
        *("1.1.1.1", "aa.bb/", "https://a.bb,", "https://a.bb.", "a\u200b", "가\ufe0f", "&a1"),
    ],
)
def test_no_text_takes_long(unit: str) -> None:
    text = unit * (MAX_RESULT_BYTES // len(unit))

    addresses(text)
    without_https(text)
    complaints(PLAIN, text[:-100])
