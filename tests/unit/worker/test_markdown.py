"""What passes as plain text, judged by a parser of CommonMark of another hand."""

import random
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from simmer.text import plain

TEXTS = 15_000
JUDGE = MarkdownIt("commonmark", {"html": True})

# What Markdown, HTML and addresses are made of, in pieces and whole.
PIECES = (
    *("[", "]", "(", ")", "!", "<", ">", "a", "b", "url", " ", "\n", ":", "/", '"', "'", "\\", "#"),
    *("&", "lt", ";", "1", "javascript", "^", "`", "*", "\t", "=", "-", "](", "]:", "[a]", "[a]: "),
    *("![", "?", ".", "x", "|", "한", "\u00a0", "(b)", "<b", "onclick=x", "&amp", "#60"),
)
ADDRESSES = (
    *("https://a.example/x", "https://a.example", "https://", "@evil.test", ".evil.test", ","),
    *("javascript:", "\u043e", "%2e", "http://a.example", "//a.example", "www.a.example"),
)
WHOLE = (
    *("[a](https://a.example/x)", "[a](https://a.example)", "[a]: https://a.example/x\n", "[a]"),
    *("[a](", "https://a.example/x)", "https://a.example", ")", " ", "\n", "!", "<", ">", "[", "]"),
    *("@evil.test", ".evil.test", ",", "'x'", '"x"', "\u043e", "/onfocus=x", "javascript:x"),
)
PLAIN_HOST = re.compile(r"([a-z0-9-]+\.)+[a-z0-9-]{2,}:?\d*")


def _acted_on(tokens: Sequence[Token]) -> Iterator[tuple[str, Any]]:
    """What a view would do more with than show it; a link to nowhere is nothing."""
    for token in tokens:
        match token.type:
            case "html_block" | "html_inline":
                yield "html", token.content
            case "image":
                yield "image", token.attrs.get("src")
            case "link_open" if token.attrs.get("href"):
                yield "link", token.attrs.get("href")
        yield from _acted_on(token.children or [])


def _texts(seed: int, pieces: Sequence[str]) -> Iterator[str]:
    chance = random.Random(seed)
    for _ in range(TEXTS):
        yield "".join(chance.choice(pieces) for _ in range(chance.randint(2, 14)))


def _passes(text: str, shown: str) -> bool:
    return not (plain.has_markup(shown) or plain.addresses(plain.folded(shown)))


@pytest.mark.parametrize("pieces", [PIECES, PIECES + ADDRESSES], ids=["marks", "addresses"])
def test_of_what_passes_a_markdown_view_makes_nothing(pieces: Sequence[str]) -> None:
    passed = [text for text in _texts(1, pieces) if _passes(text, text)]

    assert len(passed) > TEXTS / 20
    found = {text: acts for text in passed if (acts := list(_acted_on(JUDGE.parse(text))))}
    assert found == {}


def test_where_links_are_wanted_it_makes_links_to_plain_hosts_and_nothing_else() -> None:
    texts = _texts(2, WHOLE)
    passed = [text for text in texts if _passes(text, plain.without_https(text))]
    acts = [(text, act) for text in passed for act in _acted_on(JUDGE.parse(text))]

    assert len(acts) > 20
    for text, (kind, target) in acts:
        address = urlsplit(str(target))
        assert (kind, address.scheme) == ("link", "https"), text
        assert PLAIN_HOST.fullmatch(address.netloc), text
