"""The URNs of every stack, one a line: `python -m tests.infra.golden` writes them anew.

A URN that changes makes Pulumi delete the resource and make another: whoever renames should see that here.
"""

from pathlib import Path

from infra.recording import Program, record
from tests.infra.conftest import STACKS

FOLDER = Path(__file__).with_name("golden")


def urns(program: Program) -> str:
    """Without what is the same in all."""
    prefix = f"urn:pulumi:{program.stack}::clinic::"
    return "".join(sorted(f"{each.urn.removeprefix(prefix)}\n" for each in program.resources))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for stack in STACKS:
        (FOLDER / f"{stack}.txt").write_text(urns(record(stack)))
