"""The rules of a delivered result, written again without a line of the worker's or the task's code.

Three judges: a JSON Schema written by hand from the wire contract, for a validator that is not
pydantic; the fit to the request; and the app's own recipe interface, as a typed client reads it.
"""

import json
import re
import unicodedata
from html.parser import HTMLParser
from typing import Any

from jsonschema import Draft202012Validator

type Json = dict[str, Any]

# A result is to be stored in one item and pushed in one frame.
MAX_BYTES = 64 * 1024

# --- The wire contract, RecommendedRecipes --------------------------------------------------------

# Not blank, no controls but tab and line ends, no lone surrogates, nothing that turns text around.
_TEXT = {
    "type": "string",
    "minLength": 1,
    "pattern": "^(?=[\\s\\S]*\\S)[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\ud800-\\udfff"
    "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufeff]*$",
}
_TEXTS = {"type": "array", "items": _TEXT}
RESULT_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["recipes"],
    "additionalProperties": False,
    "properties": {
        "recipes": {
            "type": "array",
            "minItems": 1,
            "maxItems": 5,
            "items": {
                "type": "object",
                "required": [
                    *("name", "ingredients", "instructions"),
                    *("cookingTime", "difficulty", "servings"),
                ],
                # thumbnailUrl is the app's own: a model's would be invented.
                "additionalProperties": False,
                "properties": {
                    "name": _TEXT,
                    "description": _TEXT,
                    "ingredients": {**_TEXTS, "minItems": 1},
                    "additionalIngredients": _TEXTS,
                    "instructions": _TEXT,
                    "cookingTime": {"type": "integer", "minimum": 1, "maximum": 1440},
                    "difficulty": {"enum": ["easy", "medium", "hard"]},
                    "servings": {"type": "integer", "minimum": 1, "maximum": 20},
                    "categoryId": _TEXT,
                },
            },
        }
    },
}
Draft202012Validator.check_schema(RESULT_SCHEMA)
_VALIDATOR = Draft202012Validator(RESULT_SCHEMA)


def objections(request: Json, said: str, delivered: str) -> list[str]:
    """The flaws of `delivered`, made from the model's `said`, that must not reach an app."""
    if not _encodes(delivered):
        return ["the text is not UTF-8"]
    if len(delivered.encode()) > MAX_BYTES:
        return ["the text is too long"]
    if not unicodedata.is_normalized("NFC", delivered):
        return ["the text is not composed"]
    if not _is_of(unicodedata.normalize("NFC", said), delivered):
        return ["the text is not what the model said"]
    try:
        result = json.loads(delivered, object_pairs_hook=_pairs, parse_constant=_constant)
    except ValueError as error:
        return [f"the text is not JSON: {error}"]
    by_schema = [
        f"schema: {error.json_path}: {error.message}" for error in _VALIDATOR.iter_errors(result)
    ]
    return by_schema or [*_misfits(request, result), *_surprises(result), *_renderings(result)]


def _is_of(said: str, delivered: str) -> bool:
    """To the letter, or with nothing but nulls left out of its objects."""
    if delivered in said:
        return True
    try:
        whole = said[said.index("{") : said.rindex("}") + 1]
        return bool(json.loads(whole, object_hook=_less_nulls) == json.loads(delivered))
    except ValueError:
        return False


def _less_nulls(node: Json) -> Json:
    return {key: child for key, child in node.items() if child is not None}


def _pairs(pairs: list[tuple[str, Any]]) -> Json:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError("a repeated key")
    return dict(pairs)


def _constant(name: str) -> None:
    raise ValueError(name)


# --- The fit to the request -----------------------------------------------------------------------


_QUOTES = "'\"`‚„′″"
_UNSEEN = "\u034f\u115f\u1160" + "".join(chr(code) for code in range(0xFE00, 0xFE10))


def _same(text: str) -> str:
    """Letter case, kinds of blanks, quotes and dashes, full width and what cannot be seen make no
    other ingredient, and no other name."""
    kept = []
    for char in unicodedata.normalize("NFKC", text).casefold():
        category = unicodedata.category(char)
        if category == "Cf" or char in _UNSEEN:
            continue
        is_quote = category in ("Pi", "Pf") or char in _QUOTES
        is_dash = category == "Pd" or char == "\u2212"
        kept.append("'" if is_quote else "-" if is_dash else "/" if char == "\u2044" else char)
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def _misfits(request: Json, result: Json) -> list[str]:
    recipes: list[Json] = result["recipes"]
    given = {_same(text) for text in request["ingredients"]}
    found = []
    if len(recipes) != request.get("count", 3):
        found.append("fit: the number of recipes")
    if len({_same(recipe["name"]) for recipe in recipes}) < len(recipes):
        found.append("fit: a name is repeated")
    for recipe in recipes:
        if recipe["servings"] != request.get("servings", 2):
            found.append("fit: servings")
        if recipe["cookingTime"] > request.get("maxCookingTime", 1440):
            found.append("fit: cooking time")
        if not {_same(text) for text in recipe["ingredients"]} <= given:
            found.append("fit: a foreign ingredient")
    return found


# --- The app's own interface ----------------------------------------------------------------------


def _surprises(result: Json) -> list[str]:
    """The fields that throw in an app that reads each field as its type, as Dart and Kotlin do."""
    found = []
    for recipe in result["recipes"]:
        for name in ("name", "instructions", "difficulty"):
            if type(recipe[name]) is not str:
                found.append(f"app: {name} is no string")
        for name in ("description", "thumbnailUrl", "categoryId"):
            if name in recipe and type(recipe[name]) is not str:
                found.append(f"app: {name} is there and no string")
        for name in ("ingredients", "additionalIngredients"):
            texts = recipe.get(name, [])
            if type(texts) is not list or any(type(text) is not str for text in texts):
                found.append(f"app: {name} is no list of strings")
        for name in ("cookingTime", "servings"):
            # 2.0 is an integer by JSON Schema, and a double to a typed client.
            if type(recipe[name]) is not int:
                found.append(f"app: {name} is no int")
    return found


# --- What a phone would render --------------------------------------------------------------------


class _Page(HTMLParser):
    """Takes note of everything in a page that is not text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.markup: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.markup.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.markup.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.markup.append("comment")

    def handle_decl(self, decl: str) -> None:
        self.markup.append("declaration")

    def unknown_decl(self, data: str) -> None:
        self.markup.append("declaration")

    def handle_pi(self, data: str) -> None:
        self.markup.append("instruction")


# White space, what has no width, and the fillers of Hangul and Braille.
_BLANK = re.compile(r"[\s\u00ad\u115f\u1160\u180e\u200b-\u200f\u2060\u2800\u3164\ufeff\uffa0]")


def _renderings(result: Json) -> list[str]:
    """Texts that are more, or less, than text once a view has put them into its page."""
    found = []
    for recipe in result["recipes"]:
        for text in _texts(recipe):
            if not _BLANK.sub("", text):
                found.append("text: nothing to see")
            if not unicodedata.is_normalized("NFC", text):
                found.append("text: not composed")
            if "<" in text and _markup(f"<p>{text}</p>") != ["p", "/p"]:
                found.append("text: holds markup")
    return found


def _texts(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [text for child in children for text in _texts(child)]


def _markup(page: str) -> list[str]:
    parser = _Page()
    parser.feed(page)
    parser.close()
    return parser.markup


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
