"""The cook inside the stand-in model: plausible recipes for a request, the same each time.

A recipe here is a dict of the result's JSON fields; see `simmer.tasks.recipe` for their rules.
"""

import hashlib
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

type Json = dict[str, Any]

_INGREDIENTS_A_RECIPE = 5
_LONGEST_NAME = 30  # of an ingredient within a dish's name
_DEFAULT_COUNT = 3
_DEFAULT_SERVINGS = 2


@dataclass(frozen=True)
class Words:
    """A dish in one language; `{main}` and `{all}` are ingredients of the request."""

    name: str
    description: str
    extras: tuple[str, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Dish:
    minutes: int
    difficulty: str
    words: Mapping[str, Words]


# Nothing of animals and no nuts in the extras: they suit most diets.
_DISHES = (
    Dish(
        15,
        "easy",
        {
            "ko": Words(
                "{main} 볶음",
                "센 불에 빠르게 볶아 {main}의 식감을 살린 반찬입니다.",
                ("간장", "다진 마늘", "식용유"),
                (
                    "{all} 모두 한입 크기로 썬다.",
                    "달군 팬에 식용유를 두르고 다진 마늘을 볶아 향을 낸다.",
                    "단단한 재료부터 넣어 센 불에서 볶는다.",
                    "간장으로 간하고 1분 더 볶아 낸다.",
                ),
            ),
            "en": Words(
                "Stir-fried {main}",
                "{main}, quickly fried over high heat so that it keeps its bite.",
                ("soy sauce", "garlic", "vegetable oil"),
                (
                    "Cut {all} into bite-sized pieces.",
                    "Heat the oil in a wide pan and fry the garlic until fragrant.",
                    "Add everything else, the firmest first, and stir-fry over high heat.",
                    "Season with soy sauce, toss for another minute and serve.",
                ),
            ),
        },
    ),
    Dish(
        25,
        "easy",
        {
            "ko": Words(
                "{main} 맑은국",
                "속이 편안해지는 담백한 국입니다.",
                ("국간장", "대파", "다시마"),
                (
                    "다시마를 찬물에 넣고 10분 동안 끓여 국물을 낸다.",
                    "{all} 먹기 좋게 썰어 국물에 넣는다.",
                    "중불에서 10분 더 끓이며 거품을 걷어 낸다.",
                    "국간장으로 간하고 대파를 올린다.",
                ),
            ),
            "en": Words(
                "Clear {main} soup",
                "A light soup that warms and settles the stomach.",
                ("vegetable stock", "spring onion", "salt"),
                (
                    "Bring the stock to a gentle boil.",
                    "Slice {all} and add to the pot.",
                    "Simmer for ten minutes, skimming now and then.",
                    "Salt to taste and scatter the spring onion on top.",
                ),
            ),
        },
    ),
    Dish(
        20,
        "medium",
        {
            "ko": Words(
                "{main} 비빔밥",
                "한 그릇에 골고루 담아 비벼 먹는 든든한 한 끼입니다.",
                ("밥", "고추장", "참기름"),
                (
                    "{all} 가늘게 썰어 각각 살짝 볶는다.",
                    "그릇에 따뜻한 밥을 담고 볶은 재료를 색깔별로 올린다.",
                    "고추장과 참기름을 곁들인다.",
                    "먹기 직전에 잘 비빈다.",
                ),
            ),
            "en": Words(
                "{main} rice bowl",
                "A filling bowl to mix at the table.",
                ("cooked rice", "chilli paste", "sesame oil"),
                (
                    "Cut {all} into thin strips and fry each briefly.",
                    "Fill the bowls with warm rice and arrange the strips on top.",
                    "Add a spoon of chilli paste and a little sesame oil.",
                    "Mix well just before eating.",
                ),
            ),
        },
    ),
    Dish(
        10,
        "easy",
        {
            "ko": Words(
                "{main} 샐러드",
                "불 앞에 오래 서지 않아도 되는 산뜻한 샐러드입니다.",
                ("상추", "식초", "올리브유"),
                (
                    "{all} 손질하고, 익혀야 하는 것은 살짝 데쳐 식힌다.",
                    "상추를 한입 크기로 뜯어 접시에 깐다.",
                    "식초와 올리브유를 섞어 드레싱을 만든다.",
                    "재료를 올리고 드레싱을 뿌린다.",
                ),
            ),
            "en": Words(
                "{main} salad",
                "Fresh, and hardly any time at the stove.",
                ("lettuce", "vinegar", "olive oil"),
                (
                    "Prepare {all}; blanch and cool whatever must be cooked.",
                    "Tear the lettuce and spread it on a plate.",
                    "Whisk vinegar and olive oil into a dressing.",
                    "Arrange everything on the lettuce and dress it.",
                ),
            ),
        },
    ),
    Dish(
        35,
        "medium",
        {
            "ko": Words(
                "{main} 조림",
                "짭조름한 양념이 깊이 밴 밥반찬입니다.",
                ("간장", "설탕", "고춧가루"),
                (
                    "{all} 큼직하게 썰어 냄비에 깐다.",
                    "간장, 설탕, 고춧가루를 물 한 컵에 풀어 붓는다.",
                    "뚜껑을 덮고 약불에서 20분 동안 조린다.",
                    "국물을 끼얹으며 윤기가 날 때까지 졸인다.",
                ),
            ),
            "en": Words(
                "Braised {main}",
                "Simmered in a savoury sauce until it shines.",
                ("soy sauce", "sugar", "chilli flakes"),
                (
                    "Cut {all} into large pieces and lay them in a pot.",
                    "Stir soy sauce, sugar and chilli flakes into a cup of water and pour it over.",
                    "Cover and braise over low heat for twenty minutes.",
                    "Uncover and baste until the sauce is glossy.",
                ),
            ),
        },
    ),
    Dish(
        30,
        "hard",
        {
            "ko": Words(
                "{main} 전",
                "겉은 바삭하고 속은 촉촉한 부침입니다.",
                ("부침가루", "식용유", "소금"),
                (
                    "{all} 곱게 다져 물기를 뺀다.",
                    "부침가루와 소금을 섞어 되직하게 반죽한다.",
                    "팬에 식용유를 넉넉히 두르고 반죽을 얇게 편다.",
                    "가장자리가 노릇해지면 뒤집어 마저 익힌다.",
                ),
            ),
            "en": Words(
                "{main} pancakes",
                "Crisp outside, tender inside.",
                ("flour", "vegetable oil", "salt"),
                (
                    "Chop {all} finely and squeeze out the water.",
                    "Stir in flour, salt and enough water for a thick batter.",
                    "Heat plenty of oil and spread the batter thinly.",
                    "Turn when the edge is golden and fry the other side.",
                ),
            ),
        },
    ),
)


def cook(request: Mapping[str, Any]) -> list[Json]:
    """As many recipes as the request asks for, each fitting it, no two of one dish.

    The keys are those of the API's request; `ingredients` must hold one at least, and what is
    absent has the API's default.
    """
    # Seeded, so that the same request gets the same answer from any process.
    chance = random.Random(hashlib.sha256(repr(sorted(request.items())).encode()).digest())
    dishes = chance.sample(_DISHES, k=request.get("count") or _DEFAULT_COUNT)
    return [_recipe(dish, turn, request) for turn, dish in enumerate(dishes)]


def answer(request: Mapping[str, Any]) -> Json:
    """The whole result: what a good model would say."""
    return {"recipes": cook(request)}


def _recipe(dish: Dish, turn: int, request: Mapping[str, Any]) -> Json:
    given: list[str] = list(dict.fromkeys(request["ingredients"]))
    start = turn % len(given)  # each recipe of a set has another main ingredient
    used = (given[start:] + given[:start])[:_INGREDIENTS_A_RECIPE]
    locale = "en" if request.get("locale") == "en" else "ko"
    words = dish.words[locale]
    spoken = [_spoken(each) or words.extras[0] for each in used]
    listed = _list_en(spoken) if locale == "en" else _list_ko(spoken)
    known = {each.strip().casefold() for each in given}

    def fill(text: str) -> str:
        # Not format(): an ingredient may hold braces.
        filled = text.replace("{main}", spoken[0][:_LONGEST_NAME]).replace("{all}", listed)
        return filled[0].upper() + filled[1:]

    return {
        "name": fill(words.name),
        "description": fill(words.description),
        "ingredients": used,
        "additionalIngredients": [each for each in words.extras if each.casefold() not in known],
        "instructions": "\n".join(f"{n}. {fill(step)}" for n, step in enumerate(words.steps, 1)),
        "cookingTime": min(dish.minutes, request.get("maxCookingTime") or dish.minutes),
        "difficulty": request.get("difficulty") or dish.difficulty,
        "servings": request.get("servings") or _DEFAULT_SERVINGS,
    }


def _spoken(ingredient: str) -> str:
    """In a sentence, where nothing of it may be taken for markup."""
    return " ".join(re.sub(r"[<>&\[\]()/]", " ", ingredient).split())


def _list_en(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _list_ko(words: list[str]) -> str:
    """The words as the object of a sentence: 을 after a final consonant, 를 after a vowel."""
    last = words[-1]
    code = ord(last[-1]) - 0xAC00
    has_final = 0 <= code < 11172 and code % 28 != 0
    return f"{', '.join(words)}{'을' if has_final else '를'}"


# --- Answers that are wrong ----------------------------------------------------------------------


def _with_first(result: Json, **changes: Any) -> Json:
    first, *others = result["recipes"]
    return {"recipes": [{**first, **changes}, *others]}


def _foreign_ingredient(_: Json, result: Json) -> Json:
    given = result["recipes"][0]["ingredients"]
    return _with_first(result, ingredients=[*given, "unicorn fillet"])


def _duplicate_names(_: Json, result: Json) -> Json:
    recipes = result["recipes"]
    same = [{**recipe, "name": recipes[0]["name"]} for recipe in recipes]
    return {"recipes": same if len(same) > 1 else same * 2}


KINDS: Mapping[str, Callable[[Json, Json], Json]] = {
    "foreign_ingredient": _foreign_ingredient,
    "too_few": lambda _, result: {"recipes": result["recipes"][:-1]},
    "duplicate_names": _duplicate_names,
    "wrong_servings": lambda _, result: _with_first(
        result, servings=result["recipes"][0]["servings"] + 1
    ),
    "too_long": lambda request, result: _with_first(
        result, cookingTime=(request.get("maxCookingTime") or 100_000) + 1
    ),
}
