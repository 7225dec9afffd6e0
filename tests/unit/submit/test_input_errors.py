"""Every request the contract refuses: its status and code, nothing stored and nothing sent."""

import gzip
import json

import pytest

from functions.submit import app as submit_app
from simmer.web.http import MAX_BODY_BYTES
from tests.unit.api import Api
from tests.unit.cloud import Cloud
from tests.unit.events import document, submit_event

VALID = '{"ingredients":["egg"]}'

MALFORMED = {
    "empty": "",
    "white space": "  \n",
    "truncated": '{"ingredients": ["egg"',
    "trailing text": '{"ingredients": ["egg"]} thanks',
    "two documents": VALID + VALID,
    "trailing comma": '{"ingredients": ["egg"],}',
    "single quotes": "{'ingredients': ['egg']}",
    "comment": '{"ingredients": ["egg"] /* mine */}',
    "NaN": '{"ingredients": ["egg"], "servings": NaN}',
    "Infinity": '{"ingredients": ["egg"], "servings": Infinity}',
    "minus Infinity": '{"ingredients": ["egg"], "servings": -Infinity}',
    "repeated key": '{"ingredients": ["egg"], "servings": 2, "servings": 3}',
    "repeated key inside": '{"ingredients": [{"a": 1, "a": 2}]}',
    "raw control character": '{"ingredients": ["e\x01gg"]}',
    "raw line break": '{"ingredients": ["e\ngg"]}',
    "wrong escape": r'{"ingredients": ["\x65gg"]}',
    "leading zero": '{"ingredients": ["egg"], "servings": 02}',
    "prose": "two eggs please",
    "nested too deeply": "[" * 16_000,
    "not UTF-8": b'{"ingredients": ["\xb1\xe8\xc4\xa1"]}',
    "truncated UTF-8": '{"ingredients": ["김'.encode()[:-1],
    "UTF-16": VALID.encode("utf-16"),
    "surrogate in UTF-8": b'{"ingredients": ["\xed\xa0\x80"]}',
    "large and not UTF-8": b'"' + b"\xff" * 15_000,
    "what the gateway makes of bytes that are not UTF-8": '{"ingredients": ["\ufffd"]}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_text_that_is_not_json_in_utf8_is_400(api: Api, cloud: Cloud, body: str | bytes) -> None:
    response = api.submit(body)

    _assert_problem(response, 400, "malformed_json")
    assert cloud.calls == []


NOT_AN_OBJECT = ["[]", '["egg"]', '"egg"', "null", "true", "3"]


@pytest.mark.parametrize("body", NOT_AN_OBJECT)
def test_json_that_is_no_object_is_422(api: Api, cloud: Cloud, body: str) -> None:
    response = api.submit(body)

    _assert_problem(response, 422, "invalid_request")
    assert [error["field"] for error in document(response)["errors"]] == [""]
    assert cloud.calls == []


WRONG_FIELDS = [
    # ingredients
    ("{}", ["ingredients"]),
    ('{"ingredients": null}', ["ingredients"]),
    ('{"ingredients": []}', ["ingredients"]),
    ('{"ingredients": "egg"}', ["ingredients"]),
    ('{"ingredients": {"0": "egg"}}', ["ingredients"]),
    (json.dumps({"ingredients": [f"i{i}" for i in range(31)]}), ["ingredients"]),
    ('{"ingredients": [""]}', ["ingredients.0"]),
    (r'{"ingredients": ["egg", " \t\u3000 "]}', ["ingredients.1"]),
    (json.dumps({"ingredients": ["x" * 61]}), ["ingredients.0"]),
    (json.dumps({"ingredients": ["김" * 61]}), ["ingredients.0"]),
    ('{"ingredients": [1]}', ["ingredients.0"]),
    ('{"ingredients": [true]}', ["ingredients.0"]),
    ('{"ingredients": ["egg", null]}', ["ingredients.1"]),
    ('{"ingredients": [["egg"]]}', ["ingredients.0"]),
    (r'{"ingredients": ["e\u0000gg"]}', ["ingredients.0"]),
    (r'{"ingredients": ["e\u001bgg"]}', ["ingredients.0"]),
    (r'{"ingredients": ["e\u0085gg"]}', ["ingredients.0"]),
    (r'{"ingredients": ["e\tgg"]}', ["ingredients.0"]),
    (r'{"ingredients": ["egg\nham"]}', ["ingredients.0"]),
    (r'{"ingredients": ["\u200b"]}', ["ingredients.0"]),
    (r'{"ingredients": ["e\u202egg"]}', ["ingredients.0"]),
    (r'{"ingredients": ["e\ufeffgg"]}', ["ingredients.0"]),
    (r'{"ingredients": ["\ufeff"]}', ["ingredients.0"]),
    (r'{"ingredients": ["e\u200egg"]}', ["ingredients.0"]),
    (r'{"ingredients": ["e\u2067gg\u2069"]}', ["ingredients.0"]),
    (r'{"ingredients": ["egg\udb40\udc41\udb40\udc42 "]}', ["ingredients.0"]),
    (json.dumps({"ingredients": ["a" + "\u0316" * 31]}), ["ingredients.0"]),
    (
        json.dumps({"ingredients": ["a" + "\u0316" * 20 + "\u200b" + "\u0316" * 20]}),
        ["ingredients.0"],
    ),
    (json.dumps({"ingredients": ["\u0301\u0316" * 1300]}), ["ingredients.0"]),
    (json.dumps({"ingredients": ["egg"], "dietary": ["\u0316\u0301" * 1300]}), ["dietary.0"]),
    (r'{"ingredients": ["egg \ud83c"]}', ["ingredients.0"]),
    (r'{"ingredients": ["\udf73\ud83c"]}', ["ingredients.0"]),
    ('{"ingredients": [1, "egg", ""]}', ["ingredients.0", "ingredients.2"]),
    # servings
    ('{"ingredients": ["egg"], "servings": true}', ["servings"]),
    ('{"ingredients": ["egg"], "servings": "2"}', ["servings"]),
    ('{"ingredients": ["egg"], "servings": 2.5}', ["servings"]),
    ('{"ingredients": ["egg"], "servings": [2]}', ["servings"]),
    ('{"ingredients": ["egg"], "servings": 0}', ["servings"]),
    ('{"ingredients": ["egg"], "servings": 21}', ["servings"]),
    ('{"ingredients": ["egg"], "servings": -1}', ["servings"]),
    ('{"ingredients": ["egg"], "servings": 1e400}', ["servings"]),
    ('{"ingredients": ["egg"], "servings": ' + "9" * 5000 + "}", ["servings"]),
    # maxCookingTime
    ('{"ingredients": ["egg"], "maxCookingTime": 4}', ["maxCookingTime"]),
    ('{"ingredients": ["egg"], "maxCookingTime": 481}', ["maxCookingTime"]),
    ('{"ingredients": ["egg"], "maxCookingTime": "30"}', ["maxCookingTime"]),
    # difficulty
    ('{"ingredients": ["egg"], "difficulty": "Easy"}', ["difficulty"]),
    ('{"ingredients": ["egg"], "difficulty": "impossible"}', ["difficulty"]),
    # dietary
    ('{"ingredients": ["egg"], "dietary": "vegan"}', ["dietary"]),
    ('{"ingredients": ["egg"], "dietary": [" "]}', ["dietary.0"]),
    (json.dumps({"ingredients": ["egg"], "dietary": ["x" * 41]}), ["dietary.0"]),
    (json.dumps({"ingredients": ["egg"], "dietary": [f"d{i}" for i in range(11)]}), ["dietary"]),
    # count
    ('{"ingredients": ["egg"], "count": 0}', ["count"]),
    ('{"ingredients": ["egg"], "count": 6}', ["count"]),
    ('{"ingredients": ["egg"], "count": false}', ["count"]),
    # locale
    ('{"ingredients": ["egg"], "locale": "fr"}', ["locale"]),
    ('{"ingredients": ["egg"], "locale": "KO"}', ["locale"]),
    # unknown ones
    ('{"ingredients": ["egg"], "seasoning": "salt"}', ["seasoning"]),
    ('{"ingredients": ["egg"], "max_cooking_time": 30}', ["max_cooking_time"]),
    ('{"ingredients": ["egg"], "Servings": 2}', ["Servings"]),
    ('{"ingredients": ["egg"], "": 2}', [""]),
    (r'{"ingredients": ["egg"], "\ud800": 2}', [""]),
    # several at once
    ('{"ingredients": [], "count": "3", "x": 1}', ["count", "ingredients", "x"]),
]


@pytest.mark.parametrize(("body", "fields"), WRONG_FIELDS, ids=lambda value: str(value)[:60])
def test_json_of_another_shape_is_422_and_names_the_fields(
    api: Api, cloud: Cloud, body: str, fields: list[str]
) -> None:
    response = api.submit(body)

    _assert_problem(response, 422, "invalid_request")
    errors = document(response)["errors"]
    assert sorted(error["field"] for error in errors) == fields
    assert all(error["message"] for error in errors)
    assert cloud.calls == []


@pytest.mark.parametrize("depth", [10, 100, 300, 900, 1_000, 3_000, 7_000])
def test_depth_is_no_way_to_an_error_of_ours(api: Api, cloud: Cloud, depth: int) -> None:
    for body in ("[" * depth + "]" * depth, '{"ingredients": ' + "[" * depth + "]" * depth + "}"):
        assert api.submit(body)["statusCode"] in (400, 422)
    assert cloud.calls == []


def test_errors_do_not_repeat_what_was_sent(api: Api) -> None:
    response = api.submit({"ingredients": ["egg"], "servings": "hunter2", "difficulty": "hunter2"})

    assert "hunter2" not in response["body"]


def test_list_of_errors_is_bounded(api: Api) -> None:
    response = api.submit({"ingredients": ["egg"], **{f"x{i}": i for i in range(500)}})

    assert len(document(response)["errors"]) == 20


def test_name_of_an_unknown_field_is_cut_short(api: Api) -> None:
    response = api.submit({"ingredients": ["egg"], "x" * 10_000: 1})

    assert document(response)["errors"][0]["field"] == "x" * 200


@pytest.mark.parametrize(
    "body",
    [
        {"ingredients": ["x" * 60]},
        {"ingredients": ["  " + "x" * 60 + "  "]},
        {"ingredients": [f"i{i}" for i in range(30)]},
        {"ingredients": ["egg"], "servings": 1},
        {"ingredients": ["egg"], "servings": 20},
        {"ingredients": ["egg"], "maxCookingTime": 5},
        {"ingredients": ["egg"], "maxCookingTime": 480},
        {"ingredients": ["egg"], "difficulty": "hard"},
        {"ingredients": ["egg"], "dietary": []},
        {"ingredients": ["egg"], "dietary": [f"d{i}".ljust(40, "x") for i in range(10)]},
        {"ingredients": ["egg"], "count": 1},
        {"ingredients": ["egg"], "count": 5},
        {"ingredients": ["🍳 달걀", "jalapeño", 'a "b" \\ <c>']},
    ],
    ids=lambda value: str(value)[:60],
)
def test_request_at_the_bounds_is_accepted(api: Api, body: dict[str, object]) -> None:
    assert api.submit(body)["statusCode"] == 202


@pytest.mark.parametrize("around", ["\ufeff{}", "\u2068{}\u2069", "{}\u200f", " \u200e{} "])
def test_what_is_copied_along_is_taken_off_an_ingredients_ends(
    api: Api, cloud: Cloud, around: str
) -> None:
    response = api.submit({"ingredients": [around.replace("{}", "egg")]})

    assert response["statusCode"] == 202
    assert '"ingredients":["egg"]' in cloud.job(document(response)["jobId"])["request"]


def test_what_cannot_be_seen_within_an_ingredient_is_named_in_words(api: Api) -> None:
    [error] = document(api.submit({"ingredients": ["e\u200egg"]}))["errors"]

    assert error["field"] == "ingredients.0"
    assert "U+200E, an invisible mark that directs text; leave it out" in error["message"]


def test_whole_number_with_a_fraction_of_zero_is_that_number(api: Api, cloud: Cloud) -> None:
    job_id = document(api.submit('{"ingredients": ["egg"], "servings": 2.0}'))["jobId"]

    assert '"servings":2,' in cloud.job(job_id)["request"]


def test_body_of_exactly_the_allowed_size_is_accepted(api: Api) -> None:
    assert api.submit(VALID.ljust(MAX_BODY_BYTES))["statusCode"] == 202


def test_size_is_that_of_the_bytes_and_not_of_their_base64(api: Api) -> None:
    assert api.submit(VALID.ljust(MAX_BODY_BYTES).encode())["statusCode"] == 202


@pytest.mark.parametrize(
    "body",
    [
        VALID.ljust(MAX_BODY_BYTES + 1),
        VALID.ljust(MAX_BODY_BYTES + 1).encode(),
        VALID.ljust(20_000),
        "x" * 20_000,
        "김" * 6_000,  # fewer characters than the limit, more bytes
        b"\xff" * 20_000,
    ],
    ids=["one byte over", "one byte over, base64", "20 KB", "20 KB of prose", "Hangul", "bytes"],
)
def test_body_that_is_too_large_is_413(api: Api, cloud: Cloud, body: str | bytes) -> None:
    _assert_problem(api.submit(body), 413, "request_too_large")
    assert cloud.calls == []


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/jsonp",
        "application/vnd.api+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "text/plain, application/json",
    ],
)
def test_another_media_type_is_415(api: Api, cloud: Cloud, content_type: str | None) -> None:
    _assert_problem(api.submit(content_type=content_type), 415, "unsupported_media_type")
    assert cloud.calls == []


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json ;x=y",
        "application/json, application/json; charset=utf-8",  # sent twice, joined on its way
    ],
)
def test_json_by_any_spelling_of_its_media_type_is_accepted(api: Api, content_type: str) -> None:
    assert api.submit(content_type=content_type)["statusCode"] == 202


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "zstd", "GZIP", "x"])
def test_compressed_body_is_415_and_says_so(api: Api, cloud: Cloud, coding: str) -> None:
    response = api.submit(gzip.compress(VALID.encode()), headers={"Content-Encoding": coding})

    _assert_problem(response, 415, "unsupported_media_type")
    assert "Content-Encoding" in document(response)["detail"]
    assert cloud.calls == []


def test_compressed_body_that_does_not_say_so_is_named_too(api: Api) -> None:
    response = api.submit(gzip.compress(VALID.encode()))

    _assert_problem(response, 400, "malformed_json")
    assert "not compressed" in document(response)["detail"]


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_body_that_says_it_is_not_compressed_is_accepted(api: Api, coding: str) -> None:
    assert api.submit(VALID, headers={"content-encoding": coding})["statusCode"] == 202


@pytest.mark.parametrize("body", ["\ufeff" + VALID, b"\xef\xbb\xbf" + VALID.encode()])
def test_byte_order_mark_before_the_body_does_not_count(api: Api, body: str | bytes) -> None:
    assert document(api.submit(body)) == document(api.submit(VALID))


@pytest.mark.parametrize("body", [VALID.encode("utf-16"), VALID.encode("utf-32")])
def test_another_unicode_encoding_is_malformed(api: Api, body: bytes) -> None:
    _assert_problem(api.submit(body), 400, "malformed_json")


@pytest.mark.parametrize(
    "authorizer",
    [
        {"jwt": {"claims": None}},
        {"jwt": {"claims": {}}},
        {"jwt": {"claims": {"client_id": "app"}}},
        {"jwt": {"claims": {"sub": ""}}},
        {"jwt": {"claims": {"sub": None}}},
        {"jwt": {"claims": {"sub": 7}}},
        {"jwt": {"claims": {"sub": "x" * 256}}},
    ],
    ids=str,
)
def test_token_that_names_no_user_is_401(cloud: Cloud, api: Api, authorizer: object) -> None:
    event = submit_event(VALID)
    event["requestContext"]["authorizer"] = authorizer
    response = submit_app.handler(event, None)

    _assert_problem(response, 401, "invalid_token")
    assert response["headers"]["www-authenticate"] == 'Bearer error="invalid_token"'
    assert cloud.calls == []


def test_header_names_have_no_case(api: Api) -> None:
    response = api.submit(content_type=None, headers={"Content-Type": "application/json"})

    assert response["statusCode"] == 202


@pytest.mark.parametrize("task", ["soup", "Recipe", "recipe ", "", "__init__", "../recipe"])
@pytest.mark.parametrize("body", [VALID, "not JSON"])
def test_unknown_task_is_404_whatever_the_body(
    api: Api, cloud: Cloud, task: str, body: str
) -> None:
    _assert_problem(api.submit(body, task=task, content_type="text/plain"), 404, "unknown_task")
    assert cloud.calls == []


def _assert_problem(response: dict[str, object], status: int, code: str) -> None:
    """RFC 9457, as the contract has it."""
    assert isinstance(response["headers"], dict)
    assert response["headers"]["content-type"] == "application/problem+json"
    problem = document(response)
    assert (response["statusCode"], problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    assert ("errors" in problem) == (status == 422)
