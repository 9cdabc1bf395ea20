"""The `clinic` command: puts the commands of the parts together."""

import sys

import typer

from clinic_lib.errors import ClinicError
from clinic_lib.local.commands import add_own_commands
from clinic_lib.local.commands import commands as local_commands
from clinic_lib.operate.dead_letters import dead_letters
from clinic_lib.operate.sagas import sagas
from clinic_lib.scaffold.commands import new
from clinic_lib.wiring.commands import commands as wiring_commands

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Run and look after systems made with clinic_lib."
)
app.add_typer(local_commands)
app.add_typer(wiring_commands)
app.add_typer(new, name="new")
app.add_typer(sagas, name="sagas")
app.add_typer(dead_letters, name="dead-letters")


def main() -> None:
    """Runs the command; an error of ours is one sentence and exit code 1."""
    try:
        add_own_commands(app)
        app()
    except ClinicError as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
