"""The command line. Every command has its own `--help`."""

import sys
from functools import cache
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from admin import jobs, letters, look, money, people
from admin.target import Target
from deploy.parameters import UnknownEnvironment
from simmer.errors import SimmerError

app = typer.Typer(
    help="Looks after a deployed Simmer: docs/runbook.md.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(people.app, name="users")
app.add_typer(jobs.app, name="jobs")
app.add_typer(letters.app, name="dead-letters")
app.add_typer(money.keys, name="keys")
for command in (
    *(money.spend, money.durations, money.budget, money.stop, money.go),
    *(people.purge, look.logs, look.queues),
):
    app.command()(command)


@app.callback()
def _stack(
    context: typer.Context,
    env: Annotated[
        str,
        typer.Option(
            envvar="SIMMER_ENV", help="`local` is what `make run` serves; or of samconfig.toml."
        ),
    ],
) -> None:
    context.obj = cache(lambda: Target(env))


def main() -> int:
    try:
        app()
    except (LookupError, UnknownEnvironment, SimmerError, ClientError, BotoCoreError) as error:
        said = error.args[0] if error.args else type(error).__name__
        print(f"simmer-admin: {said}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
