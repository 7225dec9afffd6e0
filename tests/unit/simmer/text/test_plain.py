"""Two spellings may be one text, some texts may not be shown, and none of them costs much time."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simmer.text import plain
from simmer.text.plain import (
    MAX_MARKS_IN_A_ROW,
    flaws,
    folded,
    has_markup,
    has_too_many_marks,
    tidied,
)
from tests.unit.unicode_work import CountingUnicode

# --- The same text --------------------------------------------------------------------------------

SAME = [
    ("shepherd’s pie", "shepherd's pie"),
    ("shepherdʼs pie", "shepherd`s pie"),
    ("„Bauernbrot“", '"Bauernbrot"'),
    ("«crème»", '"crème"'),
    ("돼지\u00a0고기", "돼지 고기"),
    ("돼지\u2009\u3000고기", "돼지  고기"),
    ("돼지\t고기\n", " 돼지 고기"),
    ("soy\u2011free", "soy-free"),
    ("soy\u2010free", "soy‒free"),
    ("salt—pepper", "salt-pepper"),
    ("−5 °C", "-5 °C"),
    ("so\u00adja", "soja"),
    ("❤️ beets", "❤ beets"),
    ("green\u200bonion", "greenonion"),
    ("\u2068tofu\u2069", "tofu"),
    ("tofu\u200f", "tofu"),
    ("to\ufefffu", "tofu"),
    ("ko\u2060chujang", "kochujang"),
    ("ﾏﾖﾈｰｽﾞ", "マヨネーズ"),
    ("Ｔｏｆｕ　１２", "tofu 12"),
    ("ﬁsh", "fish"),
    ("①", "1"),
    ("㎏", "kg"),
    ("m²", "m2"),
    ("H₂O", "h2o"),
    ("¾ leek", "3/4 leek"),
    ("1½ cups", "1 1/2 cups"),
    ("3\u20444 leek", "3/4 leek"),
    ("소금ㆍ후추", "소금・후추"),
    ("1〜2", "1~2"),
    ("가지", "\u1100\u1161\u110c\u1175"),
    ("Maß", "MASS"),
    ("…", "..."),
]
DIFFERENT = [
    ("1\u20442", "12"),
    ("1½", "11/2"),
    ("½1", "1/21"),
    ("10²", "102"),
    ("2³¹", "231"),
    ("1①", "11"),
    ("7㏠", "71日"),
    ("ㄱㅏ", "가"),
    ("ı", "i"),
    ("İ", "i"),
    ("é", "e"),
    ("ñ", "n"),
    ("c+", "c-"),
    ("+5", "-5"),
    ("5+", "5"),
    ("a b", "ab"),
    ("0", "o"),
    ("バス", "ハス"),
    ("👨\u200d🍳", "👨🍳"),
    ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"),
    ("ab", "ba"),
    ("Kim", "김"),
    ("а", "a"),  # the first is Cyrillic
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_a_reader_takes_for_one_text_is_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_a_reader_tells_apart_stays_apart(one: str, other: str) -> None:
    assert folded(one) != folded(other)


# Of every kind that is treated in a way of its own, and the letters around it.
ODD = st.text(
    st.sampled_from(
        "aAbß İı’'`“\"‑-–−+½⁄/1²³₂①.㎏㏠ㄱㅏ가한\u1100\u1161\u11abée\u0301\u0316ﾊﾞＡ，…ﬁſ"
        "\u00a0\u3000\u2028\u200b\u200d\u200e\u2066\ufeff\ufe0f\u034f\u00ad\u3164\u2800"
        "👨🍳❤🏽\U000e0041ㆍ・〜~∼\u0338´¨\u1ffd"
    ),
    max_size=12,
)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.one_of(ODD, ANY))
def test_what_is_folded_stays_folded_in_every_composition(text: str) -> None:
    key = folded(text)
    assert folded(key) == key
    for form in ("NFC", "NFD"):
        assert folded(unicodedata.normalize(form, text)) == key


# Without what the compatible form itself runs together, or spells with an accent on a blank.
_COMPATIBLE = ANY.filter(
    lambda text: (
        not any(
            "\u3131" <= char <= "\u318e"
            or "\uffa0" <= char <= "\uffdc"
            or char in "\u00b4\u1ffd\u2033\u2036"
            or (unicodedata.decomposition(char).startswith("<") and _has_digit(char))
            for char in text
        )
    )
)


def _has_digit(char: str) -> bool:
    return any(each.isdigit() for each in unicodedata.normalize("NFKC", char))


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(_COMPATIBLE)
def test_the_compatible_form_is_the_same_text(text: str) -> None:
    for form in ("NFKC", "NFKD"):
        assert folded(unicodedata.normalize(form, text)) == folded(text)


_PLAIN = st.text("abAB01xX", min_size=1, max_size=6)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.lists(_PLAIN, max_size=4), st.lists(_PLAIN, max_size=4))
def test_words_of_letters_and_digits_are_merged_by_case_and_blanks_alone(
    one: list[str], other: list[str]
) -> None:
    are_same = [word.lower() for word in one] == [word.lower() for word in other]
    assert (folded("  ".join(one)) == folded(" ".join(other))) is are_same


# --- A field's text -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "around", ["{}", " {}\t", "\ufeff{}", "\u2068{}\u2069", "\u200e \u200f{}\u200b\n", "\u2067 {}"]
)
def test_what_comes_along_with_copied_text_is_taken_off_its_ends(around: str) -> None:
    assert tidied(around.replace("{}", "soy sauce"), 60) == "soy sauce"


def test_a_text_is_composed_and_otherwise_stays_as_it_was_written() -> None:
    assert tidied("\u1103\u116e\u1107\u116e’s  ½", 60) == "두부’s  ½"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("e\u2066gg", "U+2066, an invisible mark that directs text; leave it out"),
        ("e\u061cgg", "U+061C, an invisible mark that directs text; leave it out"),
        ("e\ufeffgg", "U+FEFF, an invisible byte order mark; leave it out"),
        ("e\u206egg", "U+206E, an invisible mark that directs text; leave it out"),
        ("egg\U000e0041", "U+E0041, an invisible tag; leave it out"),
        ("🏴\U000e0067\U000e0062", "U+E0067, an invisible tag; leave it out"),
        ("🏴\U000e007a\U000e007a\U000e007a\U000e007f", "U+E007A, an invisible tag; leave it out"),
        ("egg\U000e0fff", "U+E0FFF, an invisible tag; leave it out"),
        ("e\u2065gg", "U+2065, an invisible mark that directs text; leave it out"),
        ("e\ufff9gg\ufffasalt\ufffb", "U+FFF9, an invisible control; leave it out"),
        ("e\U0001bca0gg", "U+1BCA0, an invisible control; leave it out"),
        ("e\U0001d173gg", "U+1D173, an invisible control; leave it out"),
        ("e\ufffegg", "U+FFFE, an invisible control; leave it out"),
        ("e\ufdd0gg", "U+FDD0, an invisible control; leave it out"),
        ("e\x07gg", "U+0007"),
    ],
)
def test_what_cannot_be_seen_is_named_in_words(text: str, said: str) -> None:
    assert list(flaws(text)) == [f"holds control characters: {said}"]


@pytest.mark.parametrize(
    "hidden",
    [
        *(
            "\u200b\u200c\u200d",
            "\ufe01\ufe0e\ufe02\ufe00",
            "\U000e0101\U000e0150\u2060",
            "\u00ad" * 9,
        ),
        # One behind each letter, and those that no letter and no picture has.
        *("\u200ba\u200cb\u200dc\u200b", "\ufe0fa\ufe0eb\ufe0fc\ufe0e", "\ufe05", "\U000e0168"),
        *("😀\U000e0168\U000e0169", "葛\U000e0100\U000e0101"),
    ],
)
def test_what_spells_a_hidden_text_is_a_flaw(hidden: str) -> None:
    assert list(flaws(f"e{hidden}gg")) == ["holds invisible characters in a row; leave them out"]


@pytest.mark.parametrize("text", ["\u200b", "\ufe0f", "\u2800 \u3164", "\u034f"])
def test_a_text_of_which_nothing_can_be_seen_is_empty(text: str) -> None:
    assert list(flaws(text)) == ["must not be empty"]


@pytest.mark.parametrize(
    "text",
    [
        "👨\u200d🍳 달걀",
        "🏴󠁧󠁢󠁷󠁬󠁳󠁿 leek",
        "❤️",
        "a\tb\r\nc",
        "ph\u1edf bo\u0300",
        "می\u200cخواهم",
        "ไข่ดาว",
        "🏳️\u200d🌈 葛\U000e0100城 rice\u200b\u200bcake",
        "葛\U000e0100葛\U000e0100葛\U000e0100葛\U000e0100",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿🏴󠁧󠁢󠁳󠁣󠁴󠁿 🇰🇷 👨\u200d👩\u200d👧\u200d👦 👩🏽\u200d🍳 ❤️\u200d🔥 👁️\u200d🗨️",
        "1️⃣2️⃣3️⃣4️⃣ #️⃣ ™️ ♨️",
        "برنج آب\u200cکش\u200cشده را دم می\u200cکنیم",
        "श्री\u200dलंका ශ්\u200dරී क्\u200dष क्\u200cष",
        "ខ្ញុំ\u200bចង់\u200bញ៉ាំ\u200bបាយ",
        "Donau\u00addampf\u00adschiff",
        "tofu \ufe0f",
        "🫩",
    ],
)
def test_living_text_has_no_flaws(text: str) -> None:
    assert list(flaws(text)) == []


# --- Markup ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "see [this](https://x.example)",
        "[x](JavaScript:alert(1))",
        "[x](//x.example)",
        "[x](/path)",
        "[x](#top)",
        "[x](www.x.example)",
        "[x](x.example/a)",
        "[x]( <a b>)",
        "![](x)",
        "![a picture](data)",
        "[x]: https://x.example",
        "[x]: //x.example",
        "javascript:alert(1)",
        "vbscript :x",
        "data:text/html,x",
        "<https://x.example>",
        "&lt;b&gt;",
        "&ltb",
        "&#60b",
        "&#x3cb",
        "&AMP",
    ],
)
def test_what_a_view_would_act_on_is_markup(text: str) -> None:
    assert has_markup(text)


@pytest.mark.parametrize(
    "text",
    [
        "[소스](간장 2큰술, 설탕 1/2큰술)을 섞는다",
        "[sauce](1.5 tbsp soy)",
        "[Tip]: 10:30 is early",
        "[1] fry [2] serve",
        "1. Fry! (2 min) [3]",
        "R&D, salt&pepper, 1 < 2 > 0, <3",
        "shop.example, www.shop.example, https://shop.example/r?id=7",
        "Total data: 3 / 4",
        "a*b*c _d_ `e` # f",
        "3 &# 4",
    ],
)
def test_real_recipes_and_receipts_are_none(text: str) -> None:
    assert not has_markup(text)


# --- Time -----------------------------------------------------------------------------------------

MARKS = "\u0301\u0316"  # in this order they have to be sorted


@pytest.mark.parametrize(
    "text",
    [
        MARKS * 10_000,
        "a" + MARKS * 10_000,
        "\u200b".join(["\u0301\u0316" * 15] * 500),  # without what cannot be seen, one run
        "\u034f".join(["\u0301\u0316" * 15] * 500),
        "\u3164".join(["\u0301\u0316" * 15] * 500),
        "\uff9e\u0301" * 5000,  # the first becomes a mark
        "\u0f73\u0316" * 5000,  # the first is two of them
    ],
)
def test_no_run_of_marks_is_ever_sorted_that_is_longer_than_any_language_needs(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = CountingUnicode()
    monkeypatch.setattr(plain, "unicodedata", counting)
    assert has_too_many_marks(text)
    assert folded(text) == text
    assert tidied(text, len(text)) == text
    assert [flaw for flaw in flaws(text) if "combining marks" in flaw]
    assert counting.longest <= MAX_MARKS_IN_A_ROW


def test_a_text_that_cannot_fit_its_field_is_not_looked_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counting = CountingUnicode()
    monkeypatch.setattr(plain, "unicodedata", counting)
    assert tidied("é" * 16_000, 60) == "é" * 16_000
    assert counting.characters == 0
    assert tidied("e\u0301" * 60, 60) == "é" * 60


def test_as_many_marks_as_unicode_allows_are_normalised() -> None:
    assert not has_too_many_marks("a" + "\u0316" * MAX_MARKS_IN_A_ROW)
    assert has_too_many_marks("a" + "\u0316" * (MAX_MARKS_IN_A_ROW + 1))


def test_every_character_that_may_begin_with_a_mark_counts_as_one() -> None:
    for code in range(0x110000):
        char = chr(code)
        if unicodedata.combining(unicodedata.normalize("NFKD", char)[0]):
            assert has_too_many_marks(char * (MAX_MARKS_IN_A_ROW + 1)), hex(code)
