"""The command `simmer`, against a server over real sockets."""

import io
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from simmer_client import OutlineEntry, Part, State, Update, cli
from simmer_client.terminal import Bar, plain, result_view
from tests.client.driving import JOB
from tests.client.misbehaving import MisbehavingServer

EVIL = "\x1b[2J\x9b31m\u202e[bold red]red[/bold red]\r:bomb:"
RECIPE = {
    "name": "Kimchi fried rice",
    "description": f"Hot. {EVIL}",
    "ingredients": ["kimchi", "밥"],
    "additionalIngredients": ["soy sauce"],
    "instructions": "1. Fry the kimchi.\n2. Add the rice.",
    "cookingTime": 15,
    "difficulty": "easy",
    "servings": 2,
}
RESULT = {"recipes": [RECIPE]}


@dataclass
class Said:
    code: int
    out: str
    err: str


Simmer = Callable[..., Said]


@pytest.fixture
def simmer(capsys: pytest.CaptureFixture[str]) -> Simmer:
    def run(server: MisbehavingServer, *arguments: str) -> Said:
        try:
            code = cli.main([*arguments, "--url", server.url])
        except SystemExit as stop:
            code = int(str(stop.code))
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return run


def is_harmless(text: str) -> bool:
    return not set("\x1b\x9b\u202e\r") & set(text)


@pytest.mark.parametrize("how", [[], ["--no-push"]])
def test_recipes_are_shown_as_cards(simmer: Simmer, how: list[str]) -> None:
    with MisbehavingServer(status=["10", "done"], push=["10,done"], result=RESULT) as server:
        said = simmer(server, "recipe", "kimchi", "밥", "--count", "1", *how)

    assert said.code == 0
    for words in ("Kimchi fried rice", "15 min · easy · 2 servings", "kimchi, 밥", "soy sauce"):
        assert words in said.out
    assert "[bold red]red[/bold red]" in said.out
    assert is_harmless(said.out + said.err)
    assert server.count("push") == (0 if how else 1)


def test_json_is_the_result_and_nothing_else(simmer: Simmer) -> None:
    with MisbehavingServer(status=["10", "done"], result=RESULT) as server:
        said = simmer(server, "recipe", "kimchi", "--json")

    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out) == RESULT
    assert said.out.count("\n") == 1
    assert is_harmless(said.out)


def test_the_options_become_the_request(simmer: Simmer) -> None:
    with MisbehavingServer(submit=["422"]) as server:
        simmer(
            server,
            *("recipe", "egg", "rice", "--count", "2", "--servings", "3", "--difficulty", "easy"),
            *("--max-cooking-time", "20", "--dietary", "vegan", "--dietary", "no nuts"),
            *("--locale", "en", "--fresh", "--token", "secret"),
        )

    (_, request) = server.met[0]
    assert request.headers["authorization"] == "Bearer secret"
    assert len(request.headers["idempotency-key"]) == 36
    assert server.bodies == [
        {
            "ingredients": ["egg", "rice"],
            "count": 2,
            "servings": 3,
            "difficulty": "easy",
            "maxCookingTime": 20,
            "dietary": ["vegan", "no nuts"],
            "locale": "en",
        }
    ]


@pytest.mark.parametrize(
    ("orders", "code", "name"),
    [
        ({"status": ["failed"]}, 1, "JobFailed"),
        ({"status": ["cancelled"]}, 1, "JobCancelled"),
        ({"submit": ["422"]}, 2, "ApiProblem"),
        ({"submit": ["401"]}, 2, "ApiProblem"),
        ({"status": ["404"]}, 2, "ApiProblem"),
        ({"status": ["html"]}, 3, "ProtocolError"),
        ({"status": ["10"]}, 3, "WaitTimeout"),
        ({"result": {"recipes": [{"name": 7}]}}, 3, "ProtocolError"),
    ],
)
def test_every_failure_has_its_exit_code(
    simmer: Simmer, orders: dict[str, Any], code: int, name: str
) -> None:
    arguments = ["recipe", "egg", "--timeout", "2"]
    with MisbehavingServer(**orders) as server:
        people = simmer(server, *arguments)
        program = simmer(server, *arguments, "--json")

    assert (people.code, people.out) == (code, "")
    assert people.err.startswith("simmer: ")
    assert is_harmless(people.err)
    if "result" in orders:  # JSON of any shape is for programs to judge
        assert program.code == 0
        return
    assert (program.code, program.out) == (code, "")
    said = json.loads(program.err)
    assert (said["error"], program.err.count("\n")) == (name, 1)
    assert said.get("jobId") == (None if "submit" in orders else JOB)


def test_an_invalid_request_names_its_fields_to_people_and_programs(simmer: Simmer) -> None:
    with MisbehavingServer(submit=["422"]) as server:
        people = simmer(server, "recipe", "egg")
        program = simmer(server, "recipe", "egg", "--json")

    assert "simmer: ingredients.1: must" in people.err
    assert "[bold]not[/bold]" in people.err
    assert json.loads(program.err)["errors"][0]["field"] == "ingredients.1"
    assert json.loads(program.err)["code"] == "invalid_request"


def test_without_a_valid_token_people_hear_how_to_give_one(simmer: Simmer) -> None:
    with MisbehavingServer(good_token="good", result=RESULT) as server:
        without = simmer(server, "recipe", "egg")
        refused = simmer(server, "status", JOB, "--token", "old")
        good = simmer(server, "recipe", "egg", "--token", "good")

    for said in (without, refused):
        assert said.code == 2
        assert "token is needed; give it in SIMMER_TOKEN, or with --token" in said.err
    assert (good.code, good.err) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["recipe"],
        ["recipe", "egg", "--count", "x"],
        ["status"],
        ["recipe", "egg", "--timeout", "0"],
        ["recipe", "egg", "--timeout", "soon"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)

    assert stop.value.code == 2


def test_an_address_or_token_that_is_none_is_2(simmer: Simmer) -> None:
    with MisbehavingServer() as server:
        said = simmer(server, "recipe", "egg", "--token", "a\x1bb")
    assert (said.code, is_harmless(said.err)) == (2, True)
    assert cli.main(["status", JOB, "--url", "nowhere"]) == 2


# ── Any task ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "request_body"),
    [
        (["count=3"], {"count": 3}),
        (["count=three"], {"count": "three"}),
        (["name=kimchi stew", "note="], {"name": "kimchi stew", "note": ""}),
        (["vegan=true", "most=null", "least=-1.5"], {"vegan": True, "most": None, "least": -1.5}),
        (['id="3"'], {"id": "3"}),
        (["tags=a", "tags=b"], {"tags": ["a", "b"]}),
        (["sizes=1", "sizes=2"], {"sizes": [1, 2]}),
        (['tags:=["a"]', 'who:={"a": 1}'], {"tags": ["a"], "who": {"a": 1}}),
        (["x=NaN", "y=Infinity"], {"x": "NaN", "y": "Infinity"}),
        (["formula=a=b"], {"formula": "a=b"}),
        (["@{file}"], {"title": "밥", "n": 1}),
        (["n=2", "@{file}"], {"title": "밥", "n": 2}),
        (["-"], {"from": "standard input"}),
    ],
    ids=lambda value: value if isinstance(value, dict) else " ".join(value),
)
def test_any_request_can_be_written(
    simmer: Simmer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    request_body: object,
) -> None:
    file = tmp_path / "request.json"
    file.write_text('\ufeff{"title": "밥", "n": 1}', "utf-8")
    given = io.TextIOWrapper(io.BytesIO(b'{"from": "standard input"}'))
    monkeypatch.setattr(sys, "stdin", given)
    with MisbehavingServer(result={"poem": "x"}) as server:
        said = simmer(
            server, "run", "poem", *(word.replace("{file}", str(file)) for word in words), "--json"
        )

    assert (said.code, json.loads(said.out)) == (0, {"poem": "x"})
    assert server.bodies == [request_body]
    assert server.met[0][1].path == "/api/poem/generate"
    assert "idempotency-key" not in server.met[0][1].headers


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["egg"], "'egg' is no field=value"),
        (["=3"], "'=3' is no field=value"),
        (["tags:=[a"], "what follows tags:= is no JSON"),
        (["n:=NaN"], "NaN is no JSON number"),
        (["tags:=1", "tags:=2"], "tags:= is given twice"),
        (["tags=1", "tags:=2"], "given as tags=… and as tags:=…"),
        (["@/nowhere.json"], "/nowhere.json cannot be read: No such file"),
        (["@{list}"], "holds no JSON object"),
        (["@{latin}"], "is not UTF-8"),
        (["n=1e999"], "JSON"),
        (["title=a\udcff"], "a text that is not Unicode"),  # what Python makes of another encoding
    ],
)
def test_what_is_no_request_is_said_and_not_sent(
    simmer: Simmer, tmp_path: Path, words: list[str], what: str
) -> None:
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    files = {"list": tmp_path / "list.json", "latin": tmp_path / "latin.json"}
    with MisbehavingServer() as server:
        said = simmer(server, "run", "poem", *(word.format(**files) for word in words))

    assert (said.code, said.out, server.met) == (2, "", [])
    assert what in said.err
    assert said.err.count("\n") == 1


def test_any_result_is_shown_to_people(simmer: Simmer) -> None:
    result = {
        "title": f"Ode {EVIL}",
        "verses": [{"line": "one", "feet": 5}, {"line": "two", "feet": None}],
        "mood": {"sad": False, "tags": ["sea", "night"]},
        "empty": [],
    }
    with MisbehavingServer(status=["10", "done"], result=result) as server:
        said = simmer(server, "run", "poem", "about=sea", "--fresh")

    assert said.code == 0
    for words in ("title: Ode", "[bold red]red[/bold red]", "│ two  │ null │", "sad: false", "sea"):
        assert words in said.out
    assert "empty: []" in said.out
    assert is_harmless(said.out)
    assert len(server.met[0][1].headers["idempotency-key"]) == 36


@pytest.mark.parametrize("result", [7, "a\x1btext", None, [], [[]], [{"a": 1}], {"a": {"b": {}}}])
def test_a_result_of_any_shape_is_shown(result: object) -> None:
    screen = io.StringIO()

    Console(file=screen).print(result_view(result))

    assert is_harmless(screen.getvalue())


def test_the_task_is_named_where_one_goes_on(simmer: Simmer) -> None:
    with MisbehavingServer(status=["10"]) as server:
        said = simmer(server, "run", "poem", "a=1", "--timeout", "1")
        looked = simmer(server, "status", JOB, "--task", "poem")

    assert f"to go on waiting: simmer wait {JOB} --task poem" in said.err
    assert looked.code == 0
    assert server.met[-1][1].path == f"/api/poem/status/{JOB}"


# ── The machine ───────────────────────────────────────────────────────────────────────────────────


def start(server: MisbehavingServer, *arguments: str, **how: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "SIMMER_URL": server.url, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "simmer_client", *arguments]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, **{"env": environment, **how}
    )


@pytest.mark.parametrize("how", [["--json"], []])
def test_a_reader_that_goes_away_is_no_crash(how: list[str]) -> None:
    many = {"recipes": [RECIPE] * 2000}
    with MisbehavingServer(result=many) as server:
        process = start(server, "recipe", "egg", *how, stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr
        said = process.stderr.read()

    assert (process.wait(60), said) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
@pytest.mark.parametrize("how", [["--json"], []])
def test_a_full_disk_is_a_sentence(how: list[str]) -> None:
    with MisbehavingServer(result=RESULT) as server, Path("/dev/full").open("w") as full:
        process = start(server, "recipe", "egg", *how, stdout=full)
        _, said = process.communicate(timeout=60)

    assert process.returncode == 3
    assert "the result cannot be written: No space left on device" in said
    assert "Traceback" not in said


def test_a_standard_output_that_is_closed_is_a_sentence_before_anything_is_sent() -> None:
    with MisbehavingServer(result=RESULT) as server:
        command = f'exec "{sys.executable}" -m simmer_client recipe egg >&-'
        process = subprocess.run(
            ["sh", "-c", command],
            env={**os.environ, "SIMMER_URL": server.url},
            stderr=subprocess.PIPE,
            text=True,
        )

    assert process.returncode == 3
    assert "the result cannot be written: standard output is closed" in process.stderr
    assert "Traceback" not in process.stderr
    assert server.met == []


@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full"])
def test_an_error_that_cannot_be_said_keeps_its_code_and_is_no_result(how: str) -> None:
    for arguments, code in ((["status", "j"], 3), (["status", "j", "--json"], 3), (["run"], 2)):
        words = shlex.join([sys.executable, "-m", "simmer_client", *arguments])
        process = subprocess.run(
            ["sh", "-c", f"exec {words} {how}"],
            env={**os.environ, "SIMMER_URL": "http://127.0.0.1:9"},
            stdout=subprocess.PIPE,
        )
        assert (process.returncode, process.stdout) == (code, b"")


def test_a_job_is_followed_without_standard_error() -> None:
    with MisbehavingServer(result=RESULT) as server:
        words = shlex.join([sys.executable, "-m", "simmer_client", "recipe", "egg", "--json"])
        process = subprocess.run(
            ["sh", "-c", f"exec {words} 2>&-"],
            env={**os.environ, "SIMMER_URL": server.url},
            stdout=subprocess.PIPE,
        )

    assert (process.returncode, json.loads(process.stdout)) == (0, RESULT)


def test_a_standard_input_that_is_closed_is_a_sentence() -> None:
    words = shlex.join([sys.executable, "-m", "simmer_client", "run", "recipe", "-"])
    process = subprocess.run(["sh", "-c", f"exec {words} <&-"], stderr=subprocess.PIPE, text=True)

    assert (process.returncode, process.stderr) == (2, "simmer: standard input is closed\n")


def test_a_setting_of_the_machine_is_a_sentence(
    simmer: Simmer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:9")
    with MisbehavingServer() as server:
        people = simmer(server, "recipe", "egg")
        program = simmer(server, "recipe", "egg", "--json")

    assert people.code == program.code == 2
    assert people.err.startswith("simmer: ALL_PROXY is no proxy's address")
    assert people.err.count("\n") == 1
    assert json.loads(program.err)["error"] == "SetupError"
    assert server.met == []


def test_nobody_there_is_named_with_the_address(simmer: Simmer) -> None:
    with MisbehavingServer() as server:
        pass
    said = simmer(server, "status", JOB, "--timeout", "1")

    assert said.code == 3
    assert f"No answer from {server.url}: Connection refused" in said.err


def test_a_job_can_be_looked_at_waited_for_and_cancelled(simmer: Simmer) -> None:
    with MisbehavingServer(status=["40", "done"], cancel=["10"], result=RESULT) as server:
        looked = simmer(server, "status", JOB)
        waited = simmer(server, "wait", JOB)
        cancelled = simmer(server, "cancel", JOB)
        program = simmer(server, "cancel", JOB, "--json")

    assert (looked.code, looked.out) == (0, "under way  40 %\n")
    assert (waited.code, "Kimchi fried rice" in waited.out) == (0, True)
    left = "cancelled for you, and goes on for others who wait for it  10 %\n"
    assert (cancelled.code, cancelled.out) == (0, left)
    assert json.loads(program.out)["goes_on"] is True
    assert json.loads(program.out)["state"] == "cancelled"


@pytest.mark.parametrize(
    ("cancel", "code", "words"),
    [
        ("cancelled", 130, "cancelled"),
        ("10", 130, "cancelled for you, and goes on for others"),
        ("404", 130, "could not be cancelled"),
        ("done", 0, ""),
    ],
)
def test_ctrl_c_cancels_the_job(cancel: str, code: int, words: str) -> None:
    with MisbehavingServer(status=["10"], cancel=[cancel], result=RESULT) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "simmer_client", "recipe", "egg", "--url", server.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "SIMMER_TOKEN": "token", "PYTHONIOENCODING": "utf-8"},
        )
        assert server.polled.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)

    assert process.returncode == code
    assert server.count("cancel") == 1
    assert words in err
    assert "Traceback" not in err
    assert ("Kimchi" in out) == (cancel == "done")


def test_ctrl_c_before_the_server_has_accepted_it_only_ends() -> None:
    with MisbehavingServer(submit=["slow"]) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "simmer_client", "recipe", "egg", "--json", "--url", server.url],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert server.submitted.wait(60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert json.loads(err)["error"] == "Interrupted"


def test_it_is_installed_as_simmer() -> None:
    (script,) = entry_points(group="console_scripts", name="simmer")

    assert script.load() is cli.main


def test_the_bar_shows_what_the_server_said_as_plain_text() -> None:
    screen = io.StringIO()
    update = Update(
        task="recipe",
        state=State.POLLING,
        progress=42,
        message=f"{EVIL} cooking",
        estimated_seconds_remaining=21,
        estimate_is_measured=True,
    )
    with Bar(Console(file=screen, force_terminal=True, width=120)) as bar:
        bar.show(replace(update, estimate_is_measured=False))
        assert "s left" not in screen.getvalue()  # a guess is no promise
        bar.show(update)

    shown = screen.getvalue()
    assert "42%" in shown
    assert "about 21 s left" in shown
    assert "[bold red]red[/bold red]" in shown
    assert ":bomb:" in shown
    assert "\x1b[2J" not in shown
    assert not set("\x9b\u202e") & set(shown)


def test_plain_keeps_what_people_write() -> None:
    assert plain("김치볶음밥 – 👩\u200d🍳 ½ cup é") == "김치볶음밥 – 👩\u200d🍳 ½ cup é"
    assert plain("a\nb") == "a\N{REPLACEMENT CHARACTER}b"
    assert plain("a\nb\x00", keep="\n") == "a\nb\N{REPLACEMENT CHARACTER}"


# ── An answer in parts ────────────────────────────────────────────────────────────────────────────


def at_a_terminal(server: MisbehavingServer, *arguments: str) -> tuple[int, str, str]:
    """Run in a terminal of its own: the exit code, and all that was written there, as it is and
    without what steers a terminal."""
    control, terminal = pty.openpty()
    command = [sys.executable, "-m", "simmer_client", *arguments, "--url", server.url]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment) as process:
        os.close(terminal)
        said = b""
        with suppress(OSError):  # it ends so, when nobody writes there any more
            while chunk := os.read(control, 65536):
                said += chunk
    os.close(control)
    raw = said.decode()
    return process.returncode, raw, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw)


FULL = {
    "ingredients": ["egg"],
    "instructions": "Cook.",
    "cookingTime": 5,
    "difficulty": "easy",
    "servings": 2,
}
IN_TWO = {"recipes": [{"name": "Fried egg", **FULL}, {"name": "Egg rice", **FULL}]}
STEPS = ["titles", "second", "both", "done"]


@pytest.mark.parametrize("task", ["recipe", "poem"])
def test_at_a_terminal_titles_come_first_and_each_part_is_shown_once(task: str) -> None:
    with MisbehavingServer(status=STEPS, result=IN_TWO) as server:
        code, _, text = at_a_terminal(server, "run", task, "ingredients=egg")

    assert code == 0
    titles = text.index("· Fried egg")
    assert titles < text.index("✓ Egg rice") < text.index("✓ Fried egg")
    assert titles < text.index("╭─ Egg rice") < text.index("╭─ Fried egg")
    assert text.count("╭─ Egg rice") == text.count("╭─ Fried egg") == 1


def test_a_title_steers_no_terminal() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    entry = OutlineEntry("\x1b[31mred\u202e[bold]", "ready")
    with Bar(console, shows_parts=True) as bar:
        bar.show(Update(task="recipe", outline=(entry,)))
        bar.show_part(Part(0, entry.title, {"text": entry.title}))

    assert "\x1b[31mred" not in screen.getvalue()
    assert "\u202e" not in screen.getvalue()
    assert "[bold]" in screen.getvalue()


@pytest.mark.parametrize("how", ["--json", "--task=recipe"])
def test_a_program_reads_the_whole_result_at_the_end(simmer: Simmer, how: str) -> None:
    with MisbehavingServer(status=STEPS, result=IN_TWO) as server:
        said = simmer(server, "wait", JOB, how)

    assert said.code == 0
    if how == "--json":
        assert json.loads(said.out) == IN_TWO
        assert said.err == ""
    else:
        assert said.out.index("╭─ Fried egg") < said.out.index("╭─ Egg rice")
