"""Users of the stack's own pool, their tokens, and the removal of what is known of one."""

import secrets
from typing import Annotated

import typer

from admin.terminal import say, table, target_of
from simmer.jobs.job import mark_of

app = typer.Typer(help="Users of the stack's own pool.", no_args_is_help=True)


@app.command("list")
def list_users(context: typer.Context) -> None:
    """The users, with the `sub` by which jobs know them."""
    target = target_of(context)
    pages = target.aws("cognito-idp").get_paginator("list_users")
    rows = []
    for page in pages.paginate(UserPoolId=target.output("UserPoolId")):
        for user in page["Users"]:
            sub = next(each["Value"] for each in user["Attributes"] if each["Name"] == "sub")
            rows.append((user["Username"], sub, user["UserStatus"]))
    table(("user", "sub", "status"), rows)


@app.command()
def add(context: typer.Context, user: str) -> None:
    """Add a user, with a password that nobody knows: `users token` gives tokens."""
    target = target_of(context)
    target.aws("cognito-idp").admin_create_user(
        UserPoolId=target.output("UserPoolId"), Username=user, MessageAction="SUPPRESS"
    )
    say(f"{user} is added")


@app.command()
def token(context: typer.Context, user: str) -> None:
    """An access token. It sets another password for the user: for test users, not for people."""
    target = target_of(context)
    cognito = target.aws("cognito-idp")
    password = f"Aa1-{secrets.token_urlsafe(24)}"
    cognito.admin_set_user_password(
        UserPoolId=target.output("UserPoolId"), Username=user, Password=password, Permanent=True
    )
    signed_in = cognito.initiate_auth(
        ClientId=target.output("UserPoolClientId"),
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user, "PASSWORD": password},
    )
    typer.echo(signed_in["AuthenticationResult"]["AccessToken"])


def purge(
    context: typer.Context,
    user: str,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
) -> None:
    """Delete what is kept of a user: jobs, quotas, the account. Of a shared job that others wait
    for he is taken off. Backups of the table forget it after 35 days."""
    target = target_of(context)
    sub = target.sub(user)
    if not yes:
        typer.confirm(f"Delete everything of {user} ({sub})?", abort=True)
    mark, jobs = mark_of(sub), 0
    for job in target.jobs():
        is_waiting = mark in job.wanted_by
        if job.owner != sub and not is_waiting:
            continue
        jobs += 1
        if job.is_shared and job.wanted_by - {mark}:
            target.items.update(
                job.job_id, "SET #owner = :nobody DELETE #wanted_by :mark", "#run_id = :run_id",
                nobody="" if job.owner == sub else job.owner, mark={mark}, run_id=job.run_id,
            )  # fmt: skip
        else:
            target.dynamodb.delete_item(
                TableName=target.table_name, Key={"pk": {"S": f"job#{job.job_id}"}}
            )
    days = [item["pk"] for item in target.scan(f"quota#{sub}#")]
    for pk in days:
        target.dynamodb.delete_item(TableName=target.table_name, Key={"pk": pk})
    if sub != user:
        target.aws("cognito-idp").admin_delete_user(
            UserPoolId=target.output("UserPoolId"), Username=user
        )
    say(f"{user}: {jobs} jobs, {len(days)} days of quota{', the account' if sub != user else ''}")
