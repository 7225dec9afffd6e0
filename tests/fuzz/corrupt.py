"""Valid answers, and the ways in which a model gets them wrong.

`corrupted(chance)` is one answer that was valid and then met one to three corruptions, each of
which may also turn out harmless. All randomness comes from `chance`: the same seed, the same
answer.
"""

import json
import random
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

type Json = dict[str, Any]

CASES = 300  # different requests, each with a valid answer, that corruption begins with


@dataclass(frozen=True, slots=True)
class Case:
    """A request and a valid answer to it, both as JSON text."""

    request: str
    answer: str


@dataclass(frozen=True, slots=True)
class Corrupted:
    case: Case
    said: str  # what the model says in place of the valid answer
    by: tuple[str, ...]  # the names of the corruptions


# --- Valid answers ----------------------------------------------------------------------------

_GIVEN = (
    ["두부", "대파", "돼지고기", "김치", "달걀", "감자", "Crème fraîche", "마늘", "고추장"],
    ["tofu", "Spring onion", "pork", "kimchi", "egg", "Jalapeño", "potato", "soy milk 2%", "rice"],
)
_EXTRA = (["소금", "참기름", "후추"], ["salt", "sesame oil", "black pepper"])
_NAMES = (
    ["두부 김치찌개", "감자볶음", "파전", "계란말이", "마파두부"],
    ["Kimchi stew", "Fried potatoes", "Pancakes \U0001f95e", "Egg rolls", "Mapo “tofu”"],
)
_STEPS = (
    ["재료를 썬다.", "센 불에 볶는다.", "10분 더 끓인다.", "접시에 담아 낸다."],
    ["Chop it all.", "Fry over high heat.", "Simmer at < 90 °C & stir.", 'Serve "hot".'],
)


@cache
def cases() -> tuple[Case, ...]:
    return tuple(_case(random.Random(seed)) for seed in range(CASES))


def _case(chance: random.Random) -> Case:
    language = chance.randrange(2)
    given = chance.sample(_GIVEN[language], chance.randint(1, 5))
    request: Json = {
        "ingredients": given,
        "servings": chance.randint(1, 20),
        "count": chance.randint(1, 4),
        "locale": ("ko", "en")[language],
    }
    if chance.random() < 0.5:
        request["maxCookingTime"] = chance.choice([5, 30, 480])
    names = chance.sample(_NAMES[language], request["count"])
    recipes = [_recipe(chance, name, request, language) for name in names]
    answer = json.dumps(
        {"recipes": recipes},
        ensure_ascii=chance.random() < 0.2,
        indent=chance.choice([None, None, 1]),
        separators=chance.choice([None, (",", ":"), (" , ", " : ")]),
    )
    return Case(json.dumps(request), answer)


def _recipe(chance: random.Random, name: str, request: Json, language: int) -> Json:
    given: list[str] = request["ingredients"]
    recipe: Json = {
        "name": name,
        "description": chance.choice(_STEPS[language]),
        "ingredients": chance.sample(given, chance.randint(1, len(given))),
        "additionalIngredients": chance.sample(_EXTRA[language], chance.randint(0, 3)),
        "instructions": "\n".join(chance.sample(_STEPS[language], chance.randint(1, 4))),
        "cookingTime": chance.randint(1, request.get("maxCookingTime", 1440)),
        "difficulty": chance.choice(["easy", "medium", "hard"]),
        "servings": request["servings"],
    }
    for optional in ("description", "additionalIngredients"):
        if chance.random() < 0.2:
            del recipe[optional]
    return recipe


# --- Corruptions of the document ----------------------------------------------------------------

type OfDocument = Callable[[random.Random, Json], None]

_KEYS: list[str] = [
    "name",
    "ingredients",
    "instructions",
    "cookingTime",
    "difficulty",
    "servings",
    "recipes",
]
_NASTY = [
    *("\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\u200b", "\u2028", "\u202e", "\u2067", "\ufeff"),
    *("\ufffd", "\ud83d", "\udc00", "e\u0301", "\u1112\u1161\u11ab", "\u212b", "\u037e", "\u3164"),
    *("<b>", "</b>", "<img src=x onerror=alert(1) ", "<!--", "<3", "&lt;", "&#x3c;", "&amp", "<?"),
    *("[x](javascript:alert(1))", "\\", '"', "{", "]", "\U0001f468\u200d\U0001f373", "```", "\t"),
    *(
        "\u00a0",
        "\u2011",
        "\u2019",
        "\u201d",
        "\ufe0f",
        "\u200e",
        "\u3000",
        "\uff11",
        "\u00bd",
        "\u00b2",
    ),
    *("\U000e0041", "![x](y)", "javascript:x", "https://x.example", "\u0316\u0301" * 40, "&#60"),
]
_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 3, 20, 21, 10**6, 10**30, 1.5, 2.0, 1e300, "", " ", "easy"),
    *("2", "15 minutes", "Hard", [], {}, [None], ["두부"], [[]], {"name": "x"}, ["", "tofu"], [1]),
]


def _recipe_of(chance: random.Random, document: Json) -> Json:
    recipe: Json = chance.choice(document["recipes"])
    return recipe


def _drop_key(chance: random.Random, document: Json) -> None:
    recipe = _recipe_of(chance, document)
    del recipe[chance.choice(list(recipe))]


def _rename_key(chance: random.Random, document: Json) -> None:
    recipe = _recipe_of(chance, document)
    key = chance.choice(list(recipe))
    renamed: str = chance.choice(
        [
            key.upper(),
            key + " ",
            key[:-1],
            re.sub("([A-Z])", lambda found: "_" + found[0].lower(), key),
            key.replace("e", "\u0435"),
            chance.choice(_KEYS),
            chance.choice(_NASTY),
        ]
    )
    recipe[renamed] = recipe.pop(key)


def _change_value(chance: random.Random, document: Json) -> None:
    recipe = _recipe_of(chance, document)
    recipe[chance.choice(list(recipe))] = chance.choice(_VALUES)


def _add_key(chance: random.Random, document: Json) -> None:
    where = chance.choice([document, _recipe_of(chance, document)])
    key = chance.choice(["calories", "", "__proto__", "thumbnail_url", chance.choice(_NASTY)])
    where[key] = chance.choice(_VALUES)


def _add_thumbnail(chance: random.Random, document: Json) -> None:
    _recipe_of(chance, document)["thumbnailUrl"] = chance.choice(["https://x.example/1.jpg", None])


def _add_category(chance: random.Random, document: Json) -> None:
    _recipe_of(chance, document)["categoryId"] = chance.choice(["stews", "", 7, None])


def _nest(chance: random.Random, document: Json) -> None:
    recipe = _recipe_of(chance, document)
    key = chance.choice(list(recipe))
    for _ in range(chance.choice([1, 2, 13, 40])):
        recipe[key] = chance.choice([[recipe[key]], {key: recipe[key]}])


def _drop_recipe(chance: random.Random, document: Json) -> None:
    document["recipes"].pop(chance.randrange(len(document["recipes"])))


def _double_recipe(chance: random.Random, document: Json) -> None:
    recipe = dict(_recipe_of(chance, document))
    name = str(recipe.get("name"))
    recipe["name"] = chance.choice([name, f" {name}", name.upper(), name + " (2)", "\u200b" + name])
    if chance.random() < 0.5 and len(document["recipes"]) > 1:
        document["recipes"][chance.randrange(len(document["recipes"]))] = recipe
    else:
        document["recipes"].append(recipe)


def _change_number(chance: random.Random, document: Json) -> None:
    recipe = _recipe_of(chance, document)
    key = chance.choice(["servings", "cookingTime"])
    if isinstance(recipe.get(key), int):
        recipe[key] += chance.choice([-recipe[key], -1, 1, 5, 475, 1440])


def _number_as_float(chance: random.Random, document: Json) -> None:
    recipe = _recipe_of(chance, document)
    key = chance.choice(["servings", "cookingTime"])
    if isinstance(recipe.get(key), int):
        recipe[key] = float(recipe[key])


def _change_ingredient(chance: random.Random, document: Json) -> None:
    recipe = _recipe_of(chance, document)
    listed = recipe.get("ingredients")
    if isinstance(listed, list) and listed:
        place = chance.randrange(len(listed))
        text = str(listed[place])
        changed = chance.choice(
            [
                text.upper(),
                f" {text} ",
                text + " 200g",
                text[:-1],
                unicodedata.normalize("NFD", text),
                text.replace(" ", "\u00a0"),
                "unicorn",
            ]
        )
        recipe["ingredients"] = [*listed[:place], changed, *listed[place + 1 :]]


def _empty_text(chance: random.Random, document: Json) -> None:
    recipe = _recipe_of(chance, document)
    key = chance.choice(list(recipe))
    blank = chance.choice(["", " ", "\n\t", "\u3000", "\u200b", "\u3164 ", "\u00ad"])
    recipe[key] = [blank] if isinstance(recipe[key], list) else blank


def _nasty_text(chance: random.Random, document: Json) -> None:
    recipe = _recipe_of(chance, document)
    key = chance.choice(list(recipe))
    if isinstance(recipe[key], str):
        place = chance.randint(0, len(recipe[key]))
        recipe[key] = recipe[key][:place] + chance.choice(_NASTY) + recipe[key][place:]
    elif isinstance(recipe[key], list):
        recipe[key] = [*recipe[key], chance.choice(_NASTY)]


def _long_text(chance: random.Random, document: Json) -> None:
    recipe = _recipe_of(chance, document)
    key = chance.choice(list(recipe))
    length = chance.choice([40, 120, 121, 1001, 6001])
    recipe[key] = ["x"] * length if isinstance(recipe[key], list) else "x" * length


OF_DOCUMENT: dict[str, OfDocument] = {
    "drop key": _drop_key,
    "rename key": _rename_key,
    "change value": _change_value,
    "add key": _add_key,
    "add thumbnail": _add_thumbnail,
    "add category": _add_category,
    "nest": _nest,
    "drop recipe": _drop_recipe,
    "double recipe": _double_recipe,
    "change number": _change_number,
    "number as float": _number_as_float,
    "change ingredient": _change_ingredient,
    "empty text": _empty_text,
    "nasty text": _nasty_text,
    "long text": _long_text,
}

# --- Corruptions of the text ----------------------------------------------------------------------

type OfText = Callable[[random.Random, str], str]

_STRUCTURE = '{}[]",:\\ntf0-.eE \n'
_KEY = re.compile(r'"\w+"\s*:')
_NUMBER = re.compile(r"(?<=: )\d+|(?<=:)\d+")
_NUMBERS = [
    *("2.0", "1e1", "1E+2", "-0", "0x10", "01", "+2", "2.", ".5", "1_000", "NaN", "Infinity"),
    *("-Infinity", "1e999", "9" * 30, "9" * 5000, "1" + "0" * 400 + "e-400", "２", "null", "true"),
]


def _somewhere(chance: random.Random, text: str) -> int:
    return chance.randint(0, len(text))


def _cut(chance: random.Random, text: str) -> str:
    return text[: _somewhere(chance, text)]


def _cut_front(chance: random.Random, text: str) -> str:
    return text[_somewhere(chance, text) :]


def _flip_byte(chance: random.Random, text: str) -> str:
    raw = bytearray(text.encode("utf-8", "replace"))
    if raw:
        for _ in range(chance.choice([1, 1, 3])):
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return raw.decode("utf-8", chance.choice(["replace", "ignore", "surrogateescape"]))


def _insert(chance: random.Random, text: str) -> str:
    place = _somewhere(chance, text)
    inserted: str = chance.choice([*_STRUCTURE, chance.choice(_NASTY)])
    return text[:place] + inserted + text[place:]


def _delete(chance: random.Random, text: str) -> str:
    place = _somewhere(chance, text)
    return text[:place] + text[place + chance.choice([1, 1, 5, 50]) :]


def _repeat(chance: random.Random, text: str) -> str:
    start = _somewhere(chance, text)
    end = start + chance.choice([1, 5, 50])
    return text[:end] + text[start:end] + text[end:]


def _double_key(chance: random.Random, text: str) -> str:
    keys = list(_KEY.finditer(text))
    if not keys:
        return text
    place = chance.choice(keys)
    value = json.dumps(chance.choice(_VALUES))
    return f"{text[: place.start()]}{place[0]} {value}, {text[place.start() :]}"


def _change_spelling(chance: random.Random, text: str) -> str:
    numbers = list(_NUMBER.finditer(text))
    if not numbers:
        return text
    place = chance.choice(numbers)
    return text[: place.start()] + chance.choice(_NUMBERS) + text[place.end() :]


def _escape(chance: random.Random, text: str) -> str:
    """Write some character as an escape: outside of a string that is an error."""
    if not text:
        return text
    place = chance.randrange(len(text))
    code = min(ord(text[place]), 0xFFFF)
    return f"{text[:place]}\\u{code:04x}{text[place + 1 :]}"


def _surrogate(chance: random.Random, text: str) -> str:
    place = _somewhere(chance, text)
    half = chance.choice(["\\ud83d", "\\udc00", "\\udc00\\ud83d", "\\ud83d\\ude00", "\ud83d"])
    return text[:place] + half + text[place:]


def _fence(chance: random.Random, text: str) -> str:
    mark = chance.choice(["```json\n", "```\n", "```JSON\n", "~~~\n", "``` json\r\n", "```json "])
    end = chance.choice(["\n```", "\r\n```", "```", "\n````", "", "\n```\n```", "\n```\nEnjoy!"])
    return mark + text + end


def _prose(chance: random.Random, text: str) -> str:
    before = chance.choice(["", "", "Sure! Here it is:\n", "// recipes\n", "{} ", "\u037e"])
    after = chance.choice(["", "\n\nEnjoy!", ",", "}", " {}", "\x00", "\n// done", "\u1fef"])
    return before + text + after


def _space(chance: random.Random, text: str) -> str:
    space = chance.choice([" ", "\n", "\r\n\t", "\u00a0", "\u3000", "\ufeff", "\x0b", "\x1f"])
    return chance.choice([space + text, text + space, text.replace(":", ":" + space)])


def _decompose(chance: random.Random, text: str) -> str:
    return unicodedata.normalize(chance.choice(["NFD", "NFKC", "NFKD"]), text)


def _requote(chance: random.Random, text: str) -> str:
    return text.replace('"', chance.choice(["'", "“", '\\"', "`", '""']))


def _comma(chance: random.Random, text: str) -> str:
    return re.sub(chance.choice([r"\}", r"\]", r"\{", r"\["]), r",\g<0>", text, count=1)


def _twice(chance: random.Random, text: str) -> str:
    return text + chance.choice(["", "\n", ",", " "]) + text


def _wrap(chance: random.Random, text: str) -> str:
    around: str = chance.choice(['{"result": @}', '{"recipes": @}', "[@]", '"@"', "(@)"])
    return around.replace("@", text)


def _replace(chance: random.Random, text: str) -> str:
    return chance.choice(
        ["", "null", "{}", "[]", "7", '{"recipes": []}', '{"recipes": {}}', "None"]
    )


OF_TEXT: dict[str, OfText] = {
    "cut": _cut,
    "cut front": _cut_front,
    "flip byte": _flip_byte,
    "insert": _insert,
    "delete": _delete,
    "repeat": _repeat,
    "double key": _double_key,
    "change spelling": _change_spelling,
    "escape": _escape,
    "surrogate": _surrogate,
    "fence": _fence,
    "prose": _prose,
    "space": _space,
    "decompose": _decompose,
    "requote": _requote,
    "comma": _comma,
    "twice": _twice,
    "wrap": _wrap,
    "replace": _replace,
}

# --- All of them ----------------------------------------------------------------------------------

_OF_DOCUMENT = tuple(OF_DOCUMENT.items())
_OF_TEXT = tuple(OF_TEXT.items())
# How many of a document's and how many of its text's: mostly one, since more hide each other.
_DOSES = ((1, 0), (1, 0), (0, 1), (0, 1), (1, 1), (2, 0), (0, 2), (2, 1))


def corrupted(chance: random.Random) -> Corrupted:
    case = chance.choice(cases())
    of_document, of_text = chance.choice(_DOSES)
    by = []
    said = case.answer
    if of_document:
        document = json.loads(said)
        for _ in range(of_document):
            name, corrupt = chance.choice(_OF_DOCUMENT)
            by.append(name)
            corrupt(chance, document)
            if not document["recipes"]:
                break
        said = json.dumps(document, ensure_ascii=chance.random() < 0.1)
    for _ in range(of_text):
        name, corrupt_text = chance.choice(_OF_TEXT)
        by.append(name)
        said = corrupt_text(chance, said)
    return Corrupted(case, said, tuple(by))
