"""The command `simmer`."""

import argparse
import dataclasses
import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from simmer_client import completion
from simmer_client.client import Client, Job
from simmer_client.errors import ApiProblem, JobCancelled, JobFailed, SetupError, SimmerError
from simmer_client.fields import request_from
from simmer_client.recipe import recipes
from simmer_client.terminal import Bar, Screen, card, plain, result_view
from simmer_client.update import State, Update

_EPILOG = """\
exit codes:
  0    done
  1    the job failed or was cancelled
  2    wrong usage; a proxy or certificate setting of this machine that cannot be used; or the
       server refused the request (invalid, no valid token, no such job, quota)
  3    the server cannot be reached, is in trouble or answers nonsense; the time is over; or the
       result cannot be written
  130  interrupted; the server was asked to cancel the job
  141  whoever read the output has closed it (`| head`)

environment:
  SIMMER_URL, SIMMER_TOKEN  stand for --url and --token; a token on a command line can be seen
                            by other users of the machine, one in the environment cannot
  HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR  are heeded
"""

_FIELDS = """\
fields:
  count=3              what can be read as JSON is JSON: a number, true, null, [1, 2], "3"
  name=kimchi stew     anything else is a text
  tags=a tags=b        a field that is repeated is a list
  tags:=["a"]          JSON and nothing else: here a list of one
  @request.json        an object from a file; fields beside it stand above those in it
  -                    an object from standard input

example:
  simmer run recipe ingredients=egg ingredients=rice count=1 locale=en

"""


def main(arguments: Sequence[str] | None = None) -> int:
    if sys.stderr is None:  # `2>&-`: or Python takes standard output, which is for the result
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 as long as the program
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no Korean
    parser = _parser()
    completion.offer(parser)
    options = parser.parse_args(arguments)
    if sys.stdout is None:  # `>&-`: better said before the job than after it
        closed = "the result cannot be written: standard output is closed"
        return _say_wrong(options, {"error": "Output", "message": closed}, 3)
    try:
        code = _run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _close_quietly()
        return 141  # as a program that does not catch the signal
    except OSError as error:
        words = f"the result cannot be written: {error.strerror or error}"
        _close_quietly()
        return _say_wrong(options, {"error": "Output", "message": words}, 3)


def _close_quietly() -> None:
    """What is still in the buffer has nowhere to go; Python would say so at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(options: argparse.Namespace) -> int:
    try:
        client = Client(
            options.url, options.token, push=options.push, deadline_seconds=options.timeout
        )
        with client:
            run: Callable[[Client, argparse.Namespace], int] = options.run
            return run(client, options)
    except ValueError as error:  # an address, a token or a text that cannot be one
        return _say_wrong(options, {"error": "Usage", "message": str(error)}, 2)
    except SimmerError as error:
        return _say_wrong(options, _as_fields(error), _exit_code(error))
    except KeyboardInterrupt:
        return 130


def _recipe(client: Client, options: argparse.Namespace) -> int:
    given = {
        "ingredients": options.ingredients,
        "count": options.count,
        "servings": options.servings,
        "maxCookingTime": options.max_cooking_time,
        "difficulty": options.difficulty,
        "dietary": options.dietary,
        "locale": options.locale,
    }
    body = {name: value for name, value in given.items() if value is not None}
    return _follow(client.job(options.task, body, fresh=options.fresh), options)


def _any(client: Client, options: argparse.Namespace) -> int:
    body = request_from(options.fields)
    return _follow(client.job(options.task, body, fresh=options.fresh), options)


def _wait(client: Client, options: argparse.Namespace) -> int:
    return _follow(client.resume(options.task, options.job), options)


def _follow(job: Job, options: argparse.Namespace) -> int:
    errors = Console(stderr=True, quiet=options.json)
    try:
        with Bar(errors, shows_parts=sys.stdout.isatty()) as bar:
            completed = job.wait(on_update=bar.show, on_part=bar.show_part)
    except KeyboardInterrupt:
        completed = _interrupted(job, options)
    _show_result(completed, options, has_seen_all=0 < len(completed.outline) == bar.shown)
    return 0


def _interrupted(job: Job, options: argparse.Namespace) -> Update:
    """The completed job, if that was faster than our cancel; else the end of this program."""
    said: dict[str, Any] = {"error": "Interrupted", "jobId": job.job_id}
    if job.job_id is None:
        message = "interrupted before the server had answered; a job may go on"
        _stop(options, said | {"message": message})
    try:
        ended = job.cancel()
        if ended.result is not None:
            return ended
        _stop(options, said | {"message": f"the job is {ended.state.value}{_goes_on(ended)}"})
    except SimmerError as error:
        message = f"interrupted; the job could not be cancelled and goes on. {error}"
        _stop(options, said | {"message": message})


def _stop(options: argparse.Namespace, said: dict[str, Any]) -> NoReturn:
    raise SystemExit(_say_wrong(options, said, 130))


def _show_result(
    completed: Update, options: argparse.Namespace, *, has_seen_all: bool = False
) -> None:
    if options.json:
        print(json.dumps(completed.result))  # ASCII: nothing in it can steer a terminal
        return
    console = Screen()
    if has_seen_all:
        pass  # one part after the other, when it came
    elif options.task == "recipe":
        for recipe in recipes(completed):
            console.print(card(recipe))
    else:
        console.print(result_view(completed.result))
    if completed.cached:
        console.print("Answered before; --fresh asks anew.", style="dim")


def _status(client: Client, options: argparse.Namespace) -> int:
    return _show_update(client.get(options.task, options.job), options)


def _cancel(client: Client, options: argparse.Namespace) -> int:
    return _show_update(client.cancel(options.task, options.job), options)


def _show_update(update: Update, options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(dataclasses.asdict(update)))
        return 0
    words = plain(update.error or update.message)
    state = "under way" if update.state is State.POLLING else update.state.value
    state += _goes_on(update)
    print("  ".join(part for part in (state, f"{update.progress} %", words) if part))
    if update.result is not None:
        _show_result(update, options)
    return 0


def _goes_on(update: Update) -> str:
    return " for you, and goes on for others who wait for it" if update.goes_on else ""


def _exit_code(error: SimmerError) -> int:
    if isinstance(error, JobFailed | JobCancelled):
        return 1
    if isinstance(error, SetupError):
        return 2
    return 2 if isinstance(error, ApiProblem) and error.status < 500 else 3


def _as_fields(error: SimmerError) -> dict[str, Any]:
    fields = {
        "error": type(error).__name__,
        "message": str(error),
        "jobId": error.job.job_id,
        **{
            name: getattr(error, attribute)
            for name, attribute in (
                ("status", "status"),
                ("code", "code"),
                ("errors", "errors"),
                ("errorCode", "error_code"),
                ("retryable", "retryable"),
            )
            if hasattr(error, attribute)
        },
    }
    return {name: value for name, value in fields.items() if value is not None}


def _say_wrong(options: argparse.Namespace, fields: dict[str, Any], code: int) -> int:
    """On standard error: one line of JSON with --json, else sentences. The code stands where that
    cannot be written, too."""
    with suppress(OSError):
        _write_wrong(options, fields, code)
        sys.stderr.flush()
    return code


def _write_wrong(options: argparse.Namespace, fields: dict[str, Any], code: int) -> None:
    if options.json:
        print(json.dumps(fields), file=sys.stderr)
        return
    lines = [fields["message"]]
    lines += [f"{each['field']}: {each['message']}" for each in fields.get("errors", [])]
    if fields.get("status") == 401:
        lines.append("a valid token is needed; give it in SIMMER_TOKEN, or with --token")
    if code == 3 and fields.get("jobId"):
        task = "" if options.task == "recipe" else f" --task {shlex.quote(options.task)}"
        lines.append(f"to go on waiting: simmer wait {fields['jobId']}{task}")
    for line in lines:
        print(f"simmer: {plain(line)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    api = common.add_argument_group("the API")
    api.add_argument("--url", default=os.environ.get("SIMMER_URL", "http://127.0.0.1:3000"))
    api.add_argument("--token", default=os.environ.get("SIMMER_TOKEN"))
    api.add_argument("--json", action="store_true", help="for programs: JSON and nothing else")
    api.add_argument("--no-push", dest="push", action="store_false", help="ask again and again")
    api.add_argument(
        "--timeout",
        type=_positive,
        metavar="SECONDS",
        help="when to stop waiting; by default, when the server says that a job ends",
    )
    of_a_task = argparse.ArgumentParser(add_help=False, parents=[common])
    of_a_task.add_argument(
        "--task", default="recipe", help="which task the job is of (%(default)s)"
    )

    parser = argparse.ArgumentParser(
        prog="simmer",
        description="Submit slow jobs to Simmer and follow them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[..., int], words: str, of: argparse.ArgumentParser, more: str = ""
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=words,
            description=words,
            parents=[of],
            epilog=more + _EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(run=run)
        return added

    words = "Submit a request of any task and show its result. Ctrl-C cancels."
    any_task = command("run", _any, words, common, _FIELDS)
    task = any_task.add_argument("task", metavar="TASK")
    fields = any_task.add_argument("fields", nargs="+", metavar="FIELD=VALUE | @file.json | -")
    vars(task)["completer"], vars(fields)["completer"] = completion.tasks, completion.fields
    any_task.add_argument("--fresh", action="store_true", help="new work, even if answered before")
    words = "Recommend recipes for what there is. Ctrl-C cancels."
    recipe = command("recipe", _recipe, words, of_a_task)
    recipe.add_argument("ingredients", nargs="+", metavar="INGREDIENT")
    recipe.add_argument("--count", type=int, help="how many recipes, 1 to 5")
    recipe.add_argument("--servings", type=int)
    recipe.add_argument("--max-cooking-time", type=int, metavar="MINUTES")
    recipe.add_argument("--difficulty", choices=("easy", "medium", "hard"))
    recipe.add_argument("--dietary", action="append", metavar="DIET", help="may be repeated")
    recipe.add_argument("--locale", choices=("ko", "en"))
    recipe.add_argument("--fresh", action="store_true", help="new ones, even if answered before")
    for name, run, words in (
        ("status", _status, "Where a job stands."),
        ("wait", _wait, "Go on waiting for a job. Ctrl-C cancels it."),
        ("cancel", _cancel, "Cancel a job."),
    ):
        command(name, run, words, of_a_task).add_argument("job", metavar="JOB", help="its id")
    return parser


def _positive(text: str) -> float:
    with suppress(ValueError):
        if 0 < (seconds := float(text)) < float("inf"):
            return seconds
    raise argparse.ArgumentTypeError("must be a number of seconds, more than 0")
