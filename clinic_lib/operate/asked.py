"""What every command of the operator takes beside its own options: --admin and --json."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

import typer

from clinic_lib.operate.services import Services, find_services

__all__ = ["Asked", "over_services"]

AdminAddresses = Annotated[
    list[str] | None,
    typer.Option(
        "--admin",
        metavar="NAME=URL",
        help="A service's admin port, instead of those of the local stack; the token is ADMIN_TOKEN of the "
        "environment. May be given several times.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@dataclass(frozen=True)
class Asked:
    """The services that a command is about, and whether the answer is for a program."""

    services: Services
    as_json: bool


def over_services(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter is made of --admin and --json."""

    @wraps(command)
    def asking(*, admin: list[str] | None, as_json: bool, **options: Any) -> None:
        command(Asked(find_services(admin), as_json), **options)

    def option(name: str, default: object, annotation: object) -> inspect.Parameter:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    own = list(inspect.signature(command).parameters.values())[1:]
    more = [option("admin", None, AdminAddresses), option("as_json", False, AsJson)]
    made: Any = asking
    made.__signature__ = inspect.Signature([*own, *more])
    made.__annotations__ = {each.name: each.annotation for each in (*own, *more)}
    return asking
