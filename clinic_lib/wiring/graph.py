"""All pictures of a system as one page, its flow as SVG, and what they are made of as a manifest."""

import shutil
import subprocess
from collections.abc import Iterator

from clinic_lib.wiring import flow
from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.errors import LookError
from clinic_lib.wiring.manifest import HandlerFacts, Manifest
from clinic_lib.wiring.sequences import sequence
from clinic_lib.wiring.stories import after_failure, beginnings, ends_well

__all__ = ["json", "page", "svg"]

DOT_SECONDS = 60


def page(system: Choreography) -> str:
    """A page of Markdown with Mermaid's pictures: the flow, each saga that ends well, and each failure."""
    parts = [
        f"# The choreography of {system.system}\n",
        f"Written from the functions' signatures by `clinic graph {system.system}`: change the code, not this page.\n",
        "## Who hears what\n",
        "Slanted to the right: commands; to the left: compensations, each beside what it undoes; drums: "
        "projections; hexagons: deadlines. Red events are failures, green ones ends, dashed ones facts.\n",
        _picture(flow.mermaid(system)),
    ]
    for _, saga in system.sagas:
        if lines := ends_well(system, saga):
            parts += [f"## {saga.name}, when all goes well\n", _picture(sequence(system, lines))]
    for failure, handlers in beginnings(system).items():
        parts += [f"## After {failure}\n", f"{system.events[failure].summary}\n"]
        for handler, text in _tellings(system, failure, handlers):
            parts += [f"Published by {handler.full_name}:\n"] if len(handlers) > 1 else []
            parts += [_picture(text)]
    return "\n".join(parts)


def svg(system: Choreography) -> str:
    """The flow, drawn by Graphviz. Raises `LookError` without it."""
    program = shutil.which("dot")
    if program is None:
        raise LookError(
            "SVG needs Graphviz, and there is no `dot` on the PATH: install it, or take --format mermaid."
        )
    drawn = subprocess.run(  # noqa: S603 - the program that the PATH names
        [program, "-Tsvg"],
        input=flow.dot(system),
        capture_output=True,
        text=True,
        timeout=DOT_SECONDS,
        check=False,
    )
    if drawn.returncode:
        raise LookError(f"Graphviz can't draw it: {drawn.stderr.strip()}")
    return drawn.stdout


def json(system: Choreography) -> str:
    """The manifest of all services that were looked at."""
    manifest = Manifest(system=system.system, services=tuple(system.services.values()))
    return manifest.model_dump_json(indent=1) + "\n"


def _tellings(
    system: Choreography, failure: str, handlers: list[HandlerFacts]
) -> Iterator[tuple[HandlerFacts, str]]:
    for handler in handlers:
        yield handler, sequence(system, after_failure(system, failure, handler))


def _picture(text: str) -> str:
    return f"```mermaid\n{text}```\n"
