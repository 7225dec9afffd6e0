"""A good answer in a wrapper is a good answer: what is taken off before it is looked at.

- blocks of reasoning before it: `<think>…</think>`, `<reasoning>…</reasoning>`, `[THINK]…[/THINK]`
  and their like; where a chat template has swallowed the opening tag, everything up to the closing
  one; where gpt-oss's own format shows through, everything up to its final channel;
- a Markdown fence around pure JSON.

Nothing within the answer is touched, and nothing around it but this: prose is no wrapper.
"""

import re

_TAGS = r"(?:seed:)?(?:think|thinking|thought|reasoning|reflection|analysis)"
_OPENING = re.compile(rf"\s*[<\[◁]({_TAGS})[>\]▷]", re.IGNORECASE)
_CLOSING = re.compile(rf"[<\[◁]/{_TAGS}[>\]▷]\s*", re.IGNORECASE)
_FINAL = re.compile(r"<\|channel\|>final[^<]*<\|message\|>")
_FENCE = re.compile(r"\A```(?:json)?[ \t]*\r?\n(.*)\r?\n```\Z", re.DOTALL)


def without_reasoning(text: str) -> str:
    """The text without what the model thought before it wrote; nothing if it wrote nothing."""
    start = 0
    while opening := _OPENING.match(text, start):
        closing = _CLOSING.search(text, opening.end())
        if not closing:
            return ""
        start = closing.end()
    text = text[start:]
    # An answer begins with a brace, or with its fence: what ends in a closing tag is none.
    if not start and not text.lstrip().startswith(("{", "[", "`")):
        for end in (_FINAL.search(text), _CLOSING.search(text)):
            if end:
                return text[end.end() :]
    return text


def unwrapped(text: str) -> str:
    """The text without reasoning, white space and a fence around it."""
    text = without_reasoning(text).strip()
    fenced = _FENCE.match(text)
    return fenced.group(1).strip() if fenced else text
