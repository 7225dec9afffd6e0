"""Rules for texts: a phone may show them; two spellings are the same text.

Requests and answers share the rules, because an answer may copy words of its request. A text that
no answer may hold is refused in the request, before it costs anything. Every rule takes linear
time.
"""

import re
import unicodedata
from collections.abc import Iterator

# Unicode's own bound for a stream-safe text (UAX #15). Far above any language's need, and what
# keeps normalisation, which sorts such a run, from taking minutes.
MAX_MARKS_IN_A_ROW = 30
# So many characters may become one when a text is composed.
_MOST_COMPOSED = 4

# `re` compiles these three when they are first asked for: a submit needs none of them.
# A tag, a comment or a character reference: what a view that takes HTML would act on. A tag that
# is left open counts: the page around it closes it. And what a view that takes Markdown turns into
# a link, an image or the target of one, as CommonMark has them; "[sauce](1/2 cup)" is none.
_MARKUP = (
    r"<[a-z/!?@#]|&(?:#\d|#x[0-9a-f]|[a-z][a-z0-9]+;|lt|gt|amp|quot)"
    r"|\]\(\s*(?:<|[\w.+-]+:|/|\#|www\.|[\w.-]+\.[a-z]{2,}[/)\s]"
    r"|[^ \t\r\n)]{1,400}+(?:\n\n"  # what a text without its addresses has in place of one
    r"|(?:[ \t\r\n]+(?:\"[^\"\n]{0,400}\"|'[^'\n]{0,400}'))?[ \t\r\n]*\)))"
    r"|\]:\s*(?:<|[a-z][a-z0-9.+-]*://|//|www\.|mailto:)"
    r"|\]:(?:[ \t]*\n)?[ \t]*[^ \t\r\n]{1,400}+[ \t]*+(?:[\"'(].*)?$"
    r"|(?<![a-z])(?:(?:javascript|vbscript)\s*:|data:(?:[a-z]+/[a-z]|[;,]))"
)
# What a view may turn into a link by itself, whatever stands before it; and a tag, for a text whose
# spelling hid it. Names of hosts count by the endings that nearly all have, and no word has; with a
# path behind them by two letters. A mail address counts by any but the name that is no one's.
_ADDRESS = (
    r"[a-z][a-z0-9+.-]{0,30}://\S*|(?<![a-z])www[.。]\w\S*|</?[a-z][^<>]{0,400}>"
    r"|(?<![a-z])(?:(?:mailto|javascript|vbscript)\s?:\s?\S+"
    r"|(?:https?|ftp|tel|telprompt|sms|smsto|mms|mmsto|callto|facetime|facetime-audio|intent|geo"
    r"|file(?=:/)|skype|viber|magnet|itms-\w+|ms-[a-z-]+):\S+|[a-z0-9+.-]{2,30}:[^\s?]{0,99}\?\w+=\S*)"
    r"|[\w-]{1,63}[.。](?:com|net|org|info|biz|edu|gov|io|co|ai|app|dev|xyz|site|online|shop|ru|cn|kr"
    r"|uk|jp|eu|fr|nl|tk|рф)(?![a-z0-9-])(?:[/?#:]\S*)?|[\w-]{1,63}\.[a-z]{2}/\w\S*"
    r"|(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}[:/]\w\S*"
    r"|(?<![^\s@<>])[^\s@<>]+@[\w-]+(?:\.[\w-]+)*\.(?!example\b)[a-z]{2,}"
)
# One whose host is what it seems to be: of plain letters, no name of a user before it, and no more
# of it behind what looks like its end, as in "https://good.example,.evil.example". Nor is it a tag.
_HTTPS = (
    r"(?<![a-z0-9+.<-])https://(?![^\s/?#]*[@\\])(?>(?:[a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{1,62})"
    r"(?![^\s/?#]*(?:[.。]\w|https?:))"
    r"(?::\d{1,5})?(?:[/?#][^\s<>()\[\]\"'`\\]*|(?=:?(?:[\s)\].,;!?\"']|$)))"
)
_FILLING = "\u115f\u1160\u3164\uffa0"
_BRAILLE_BLANK = "\u2800"
# What says, unseen, in which direction text runs: it comes with what is copied from a chat.
_DIRECTING = "".join(
    map(chr, [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2065, 0x2070)])
)
_BYTE_ORDER_MARK = "\ufeff"
_UNSEEN = {
    **dict.fromkeys(_DIRECTING, "mark that directs text"),
    _BYTE_ORDER_MARK: "byte order mark",
    # Of annotations, of shorthand and of scores; and what Unicode keeps from every text.
    **dict.fromkeys(map(chr, (*range(0xFFF0, 0xFFFC), *range(0x1BCA0, 0x1BCA4))), "control"),
    **dict.fromkeys(map(chr, (*range(0x1D173, 0x1D17B), *range(0xFDD0, 0xFDF0))), "control"),
    **dict.fromkeys("\ufffe\uffff", "control"),
}
# Taken off the ends of a text, as white space is.
_AT_THE_ENDS = "\u200b\u2060" + _BYTE_ORDER_MARK + _DIRECTING
_SELECTORS = re.compile("[\u034f\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_WIDTHLESS = "\u00ad\u180e\u200b-\u200d\u2060-\u2064"
# A picture has two in a row ("\ufe0f\u200d"). More of them spell a hidden text; so do one behind
# each of four letters, selectors that nothing is written with, and an ideograph's elsewhere.
_HIDDEN = (
    f"(?:{_SELECTORS.pattern}|[{_WIDTHLESS}]){{3}}"
    f"|(?:[^\\W\\d_][{_WIDTHLESS}\u034f\ufe00-\ufe0f]{{1,2}}){{4}}|[\ufe03-\ufe0d]"
    "|(?<![\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef]"
)
# The only use of tag characters: the flags of England, Scotland and Wales.
_FLAG = re.compile(
    "\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067"
    "|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
)


def flaws(text: str) -> Iterator[str]:
    """The flaw of a text, as a message. The empty text has none: lengths are checked elsewhere."""
    seen = text if text.isascii() else _without_invisible(text)
    if text and not seen.replace(_BRAILLE_BLANK, " ").strip():
        yield "must not be empty"
    elif seen != text and re.search(_HIDDEN, text):
        yield "holds invisible characters in a row; leave them out"
    unprintable = next(filter(None, map(_unprintable, _FLAG.sub("", text))), None)
    if unprintable:
        yield f"holds control characters: {unprintable}"
    if has_too_many_marks(text):
        yield f"holds more than {MAX_MARKS_IN_A_ROW} combining marks in a row"


def has_markup(text: str) -> bool:
    return "](" in text.partition("![")[2] or bool(re.search(_MARKUP, text, re.I | re.MULTILINE))


def addresses(text: str) -> list[str]:
    """The addresses in a text of `folded`."""
    return [found.rstrip(".,;:!?)]}\"'") for found in re.findall(_ADDRESS, text, re.IGNORECASE)]


def without_https(text: str) -> str:
    """The text without its https addresses, for where such links are wanted."""
    # A gap in their place, so that a reference does not go on in the next line. An image is fetched
    # without a tap, however its address is given: where one may begin, no address is let in.
    return text if "![" in text else re.sub(_HTTPS, "\n\n", text, flags=re.IGNORECASE)


def has_too_many_marks(text: str) -> bool:
    """True if a text is too dear to normalise: no language puts so many marks on one letter."""
    in_a_row = 0
    for char in "" if text.isascii() else text:
        if _is_mark(char):
            in_a_row += 1
            if in_a_row > MAX_MARKS_IN_A_ROW:
                return True
        elif not _is_dropped(char):  # for what stands behind it may come to stand beside them
            in_a_row = 0
    return False


def tidied(text: str, max_length: int) -> str:
    """For a field of so many characters: composed (a phone may send decomposed Hangul), and without
    white space and invisible marks at its ends. What cannot fit, or is too odd, is left as it is.
    """
    if len(text) > _MOST_COMPOSED * max_length or has_too_many_marks(text):
        return text
    before, text = "", unicodedata.normalize("NFC", text)
    while text != before:
        before, text = text, text.strip().strip(_AT_THE_ENDS)
    return text


def _unprintable(char: str) -> str | None:
    """The name of a character that no phone should show; none for tabs and line ends."""
    name, kind = f"U+{ord(char):04X}", "tag" if _is_tag(char) else _UNSEEN.get(char)
    if kind:
        return f"{name}, an invisible {kind}; leave it out"
    is_control = char not in "\n\r\t" and unicodedata.category(char) in ("Cc", "Cs")
    return name if is_control else None


def _is_tag(char: str) -> bool:
    return char >= "\U000e0000" and not _SELECTORS.match(char) and char < "\U000e1000"


def _is_mark(char: str) -> bool:
    """Also the half-width voice marks of katakana: composed they are combining ones."""
    return unicodedata.category(char)[0] == "M" or char in "\uff9e\uff9f"


def _is_dropped(char: str) -> bool:
    return char in _FILLING or (unicodedata.category(char) == "Cf" and not _is_tag(char))


# ── The same text ─────────────────────────────────────────────────────────────────────────────────

_SAME = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′‵ʹʻʼʽˈ`´‹›", "'"),
        **dict.fromkeys("“”„‟″‶«»〝〞〟", '"'),
        **dict.fromkeys("‐‑‒–—―−⁃﹘", "-"),
        **dict.fromkeys("〜∼", "~"),
        **dict.fromkeys("⁄∕", "/"),
        **dict.fromkeys("ㆍ・･‧", "·"),
        _BRAILLE_BLANK: " ",
    }
)
# Letters on their own: Unicode's compatible form would put ㄱㅏ together to 가.
_JAMO = re.compile("[\u3131-\u318e\uffa1-\uffdc]")


def folded(text: str) -> str:
    """The common form of a text's spellings: equal for texts that a reader takes for one.

    Letter case, blanks around and repeated, kinds of blanks, quotes and dashes, full width,
    ligatures and invisible marks do not count. Accents, `+` and `-`, and the digits do: `1½` is
    `1 1/2`, not `11/2`, and `10²` is not `102`. A text of too many marks is like no other.
    """
    if has_too_many_marks(text):
        return text
    for _ in range(3):  # a letter that was folded may make another with its neighbour
        before, text = text, _folded_once(text)
        if text == before:
            break
    return text


def _folded_once(text: str) -> str:
    if not text.isascii():
        text = _without_invisible(unicodedata.normalize("NFC", text))
        text = unicodedata.normalize("NFC", _spelled_out(text))
    return " ".join(text.translate(_SAME).casefold().split())


def _without_invisible(text: str) -> str:
    """Without what cannot be seen; but a joiner between two pictures makes them a third."""
    text = _SELECTORS.sub("", text)
    return "".join(
        char
        for before, char, after in zip(" " + text, text, text[1:] + " ", strict=False)
        if not _is_dropped(char)
        or (char == "\u200d" and _is_picture(before) and _is_picture(after))
    )


def _is_picture(char: str) -> bool:
    return unicodedata.category(char) in ("So", "Sk")


def _spelled_out(text: str) -> str:
    """Each character in Unicode's compatible form, but two numbers never run into one."""
    spelled, was_number = "", False
    for char in text.translate(_SAME):
        plain = char if _JAMO.match(char) else unicodedata.normalize("NFKC", char)
        kind = unicodedata.decomposition(char).partition(" ")[0]
        is_number = kind.startswith("<") and kind not in ("<wide>", "<font>")
        if (is_number or was_number) and spelled[-1:].isdigit() and plain[:1].isdigit():
            spelled += "^" if kind == "<super>" else " "
        spelled, was_number = spelled + plain, is_number
    return spelled
