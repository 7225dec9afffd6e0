"""Equal requests share one job; other requests do not."""

from dataclasses import replace
from typing import Any

import pytest

from functions.submit import app as submit_app
from simmer.jobs import admission
from simmer.task import find_task
from tests.unit.api import Api
from tests.unit.cloud import LOST_ANSWER, RESULT, Cloud, WorkerSide
from tests.unit.events import document

REQUEST = {"ingredients": ["Kimchi", "두부", "egg"], "dietary": ["Vegan", "Halal"]}


def _job_id(api: Api, body: object = REQUEST, **options: Any) -> str:
    job_id: str = document(api.submit(body, **options))["jobId"]
    return job_id


def _alter_task(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    altered = replace(find_task("recipe"), **fields)
    monkeypatch.setattr(admission, "find_task", {"recipe": altered}.__getitem__)


@pytest.mark.parametrize(
    "change",
    [
        {"ingredients": ["egg", "Kimchi", "두부"]},
        {"ingredients": ["KIMCHI", "두부", "eGG"]},
        {"ingredients": ["  Kimchi\t", "\n두부", "egg "]},
        {"ingredients": ["Kimchi", "kimchi", "두부", "두부 ", "egg"]},
        {"ingredients": ["Kimchi", "\u1103\u116e\u1107\u116e", "egg"]},  # 두부, decomposed
        {"ingredients": ["Ｋimchi", "\u2068두부\u2069", "egg\u200e"]},
        {"ingredients": ["kim\u200bchi", "\ufeff두부", "e\u00adgg"]},
        {"dietary": ["halal", " VEGAN ", "Vegan"]},
        {"servings": 2},
        {"servings": 2.0},
        {"count": 3},
        {"locale": "ko"},
        {"locale": None, "servings": None, "count": None, "maxCookingTime": None},
        {"difficulty": None},
        {"servings": 2, "count": 3, "locale": "ko"},
    ],
)
def test_another_way_to_say_the_same_is_the_same_job(api: Api, change: dict[str, object]) -> None:
    assert _job_id(api, REQUEST | change) == _job_id(api)


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("baker’s yeast", "baker's yeast"),
        ("대파\u00a0한\u3000단", "대파  한 단"),
        ("gluten\u2011free oats", "gluten–free oats"),
        ("🥕️", "🥕"),
        ("½ leek", "1/2 leek"),
    ],
)
def test_typography_makes_no_other_job(api: Api, typed: str, written: str) -> None:
    assert _job_id(api, {"ingredients": [typed]}) == _job_id(api, {"ingredients": [written]})


def test_two_spellings_of_one_ingredient_are_one_ingredient(api: Api, cloud: Cloud) -> None:
    job_id = _job_id(api, {"ingredients": ["baker’s yeast", "Baker's  yeast"]})

    assert '"ingredients":["baker’s yeast"]' in cloud.job(job_id)["request"]


@pytest.mark.parametrize(
    "change",
    [
        {"ingredients": ["Kimchi", "두부"]},
        {"ingredients": ["Kim chi", "두부", "egg"]},
        {"ingredients": ["Kimchi", "두부", "egg", "egg white"]},
        {"dietary": []},
        {"servings": 3},
        {"count": 2},
        {"locale": "en"},
        {"maxCookingTime": 30},
        {"difficulty": "easy"},
    ],
)
def test_another_request_is_another_job(api: Api, change: dict[str, object]) -> None:
    assert _job_id(api, REQUEST | change) != _job_id(api)


def test_language_of_the_header_makes_another_job_as_the_field_does(api: Api) -> None:
    by_header = _job_id(api, headers={"accept-language": "en"})

    assert by_header == _job_id(api, REQUEST | {"locale": "en"})


def test_ingredient_and_diet_of_the_same_name_are_not_mixed_up(api: Api) -> None:
    one = _job_id(api, {"ingredients": ["egg", "vegan"]})

    assert one != _job_id(api, {"ingredients": ["egg"], "dietary": ["vegan"]})


def test_another_version_of_the_task_is_another_job(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _job_id(api)
    _alter_task(monkeypatch, version=2)

    assert _job_id(api) != before


def test_another_user_gets_another_job(api: Api, cloud: Cloud) -> None:
    assert _job_id(api, user="bob") != _job_id(api, user="alice")
    assert sorted(cloud.quota_counts().values()) == [1, 1]


@pytest.mark.usefixtures("shared_cache")
def test_with_a_shared_cache_two_users_share_one_job(api: Api, cloud: Cloud) -> None:
    assert _job_id(api, user="bob") == _job_id(api, user="alice")
    assert list(cloud.quota_counts().values()) == [1]


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize("user", ["alice", "bob"])
def test_with_a_shared_cache_both_users_may_read_the_status(api: Api, user: str) -> None:
    job_id = _job_id(api, user="alice")

    assert api.status(job_id, user=user)["statusCode"] == 200


@pytest.mark.usefixtures("shared_cache")
def test_with_a_shared_cache_the_answer_to_one_user_answers_the_other(
    api: Api, worker: WorkerSide
) -> None:
    worker.complete(_job_id(api, user="alice"))

    response = api.submit(REQUEST, user="bob")

    assert response["statusCode"] == 200
    assert RESULT in response["body"]


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize("headers", [{"idempotency-key": "k1"}, {"idempotency-key": '"k2"'}])
def test_with_a_shared_cache_a_job_of_ones_own_stays_ones_own(
    api: Api, headers: dict[str, str]
) -> None:
    job_id = _job_id(api, user="alice", headers=headers)

    assert api.status(job_id, user="bob")["statusCode"] == 404


@pytest.mark.usefixtures("shared_cache")
def test_task_that_does_not_allow_it_shares_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    _alter_task(monkeypatch, is_shareable=False)

    assert _job_id(api, user="bob") != _job_id(api, user="alice")


@pytest.mark.usefixtures("shared_cache")
def test_id_of_a_shared_job_can_be_computed_by_nobody_else(api: Api, cloud: Cloud) -> None:
    """Who could compute it would see by its status that somebody had asked."""
    job_id = _job_id(api)
    cloud.put_push_key("another deployment's")
    submit_app._push_tokens.cache_clear()

    assert _job_id(api) != job_id
    assert api.status(job_id, user="bob")["statusCode"] == 200  # who was told it may read it


@pytest.mark.usefixtures("shared_cache")
def test_without_the_key_users_share_nothing_and_wait_for_nothing(api: Api, cloud: Cloud) -> None:
    cloud.secrets.fail("get_secret_value", LOST_ANSWER, times=9)

    assert _job_id(api, user="bob") != _job_id(api, user="alice")


@pytest.mark.parametrize(
    "value", ["no-cache", "no-store", "max-age=0", "max-age=0 , No-Cache", 'no-cache="x"', "x"]
)
def test_cache_control_means_nothing(
    api: Api, cloud: Cloud, worker: WorkerSide, value: str
) -> None:
    """HTTP stacks send it by themselves, and it must not cost a second job."""
    headers = {"cache-control": value, "pragma": "no-cache"}
    job_id = _job_id(api)

    assert _job_id(api, headers=headers) == job_id
    worker.complete(job_id)
    assert api.submit(REQUEST, headers=headers)["statusCode"] == 200
    assert list(cloud.quota_counts().values()) == [1]


def test_a_new_key_runs_anew_what_was_answered_before(api: Api, worker: WorkerSide) -> None:
    worker.complete(_job_id(api))

    assert api.submit(REQUEST, headers={"idempotency-key": "new"})["statusCode"] == 202


def test_ids_of_today_are_the_ids_of_tomorrow(api: Api) -> None:
    """A change here forgets every stored answer at the next deployment: raise it on purpose."""
    assert _job_id(api, {"ingredients": ["kimchi"]}) == "1a31336c7eab946fea8cd59fc96c87de"
