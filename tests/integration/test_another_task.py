"""Another task in the place of the recipes: one file, and all that is generic follows from it.

In a copy of the repository, so that files can be written, broken and removed while it runs.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.toolchain import REPOSITORY
from tests.integration.copies import POEM, Running, copy_of_repository, tasks, until

SONG = POEM.replace("poem", "song").replace("Poem", "Song")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_repository(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def running(copy: Path) -> Iterator[Running]:
    with Running(copy) as running:
        yield running


def test_its_example_is_answered_and_shown(running: Running) -> None:
    document = running.run("poem", {"topic": "rain"})

    assert document["status"] == "completed"
    assert document["result"] == {"title": "On rain", "lines": ["It falls.", "It stops."]}
    assert [task["name"] for task in running.ask("GET", "/dev/tasks").json()] == ["poem"]
    until(lambda: "result stored" in _events(running, document["jobId"]))
    assert _events(running, document["jobId"])[:2] == ["job admitted", "job claimed"]
    running.until_said("result stored")
    assert any(f"{running.url}/poem/generate" in line for line in running.said)


def test_end_of_its_job_comes_back_by_the_webhook_to_its_user_alone(running: Running) -> None:
    job_id = running.run("poem", {"topic": "fog"})["jobId"]

    def told(user: str) -> list[object]:
        events = running.ask("GET", f"/dev/webhook?user={user}").json()
        return [(each["verified"], each["data"]["jobId"]) for each in events]

    running.ask("GET", "/dev/token?user=bob")
    until(lambda: (True, job_id) in told("alice"))
    assert told("bob") == told("nobody") == []


def _events(running: Running, job_id: object) -> list[str]:
    return [each["event"] for each in running.ask("GET", f"/dev/trace/{job_id}").json()]


def test_another_request_than_the_example_is_answered_so_that_it_fits(running: Running) -> None:
    document = running.run("poem", {"topic": "snow", "lines": 3, "locale": "de"})

    assert document["status"] == "completed"
    assert isinstance(document["result"], dict)
    assert document["result"]["title"] == "On snow"
    assert len(document["result"]["lines"]) == 3


def test_there_are_no_recipes(running: Running) -> None:
    assert running.ask("POST", "/recipe/generate", json={"topic": "x"}).status_code == 404


def test_a_file_that_is_saved_is_a_task_and_a_changed_one_another(
    running: Running, copy: Path
) -> None:
    tasks(copy, "song").write_text(SONG)
    until(lambda: running.ask("GET", "/song/status/none").json()["code"] == "job_not_found")
    until(lambda: running.ask("POST", "/song/generate", json={"topic": "rain"}).is_success)
    assert running.run("song", {"topic": "rain"})["status"] == "completed"
    assert "song" in [task["name"] for task in running.ask("GET", "/dev/tasks").json()]

    changed = SONG.replace("It falls.", "It pours.").replace("version=1", "version=2")
    tasks(copy, "song").write_text(changed)
    running.until_said("reloaded CommonLayer; tasks: poem, song")
    running.until_said("reloaded CommonLayer; tasks: poem, song")
    document = running.run("song", {"topic": "rain"})
    assert isinstance(document["result"], dict)
    assert document["result"]["lines"][0] == "It pours."


def test_a_file_that_cannot_be_loaded_is_named_and_the_one_before_it_is_served(
    running: Running, copy: Path
) -> None:
    good = tasks(copy, "poem").read_text()
    tasks(copy, "poem").write_text(good.replace("class Poem(", "class Poem:("))

    running.until_said("not reloaded")
    place = running.until_said("simmer/tasks/poem.py:")
    assert int(place.rpartition(":")[2]) > 1
    running.until_said("SyntaxError: ")
    assert running.run("poem", {"topic": "wind"})["status"] == "completed"

    tasks(copy, "poem").write_text(good.replace("It stops.", "It ends.").replace("=1,", "=2,"))
    running.until_said("reloaded CommonLayer")
    document = running.run("poem", {"topic": "rain"})
    assert isinstance(document["result"], dict)
    assert document["result"]["lines"][1] == "It ends."


def test_a_file_whose_answer_does_not_fit_its_example_is_not_served(
    running: Running, copy: Path
) -> None:
    good = tasks(copy, "poem").read_text()
    tasks(copy, "poem").write_text(good.replace('"On rain"', '"On snow"'))

    running.until_said("not reloaded")
    running.until_said("simmer/tasks/poem.py: answer: the check says: title: must name the topic")
    assert running.run("poem", {"topic": "hail"})["status"] == "completed"

    tasks(copy, "poem").write_text(good.replace("It falls.", "It drips."))
    running.until_said("reloaded CommonLayer")


def test_a_function_that_cannot_start_is_named_and_the_one_before_it_is_served(
    running: Running, copy: Path
) -> None:
    app = copy / "functions" / "status" / "app.py"
    good = app.read_text()
    app.write_text(f"import no_such_package\n{good}")

    running.until_said("functions/status")
    running.until_said("No module named 'no_such_package'")
    app.write_text(good)
    assert running.ask("GET", "/poem/status/none").status_code == 404


def test_the_generic_tests_pass(copy: Path) -> None:
    """Without `recipe.py`: what it says is described anew, and held."""
    tasks(copy, "song").unlink(missing_ok=True)
    (copy / ".venv").symlink_to(REPOSITORY / ".venv")
    for target in ("openapi", "test-tasks"):
        process = subprocess.run(
            # What `setup` would install is here already, and belongs to the repository itself.
            ["make", "--no-print-directory", "-o", "setup", target],
            cwd=copy,
            env={name: text for name, text in os.environ.items() if "MAKE" not in name},
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    assert "recipe" not in (copy / "openapi.json").read_text("utf-8").lower()
