"""Stories as Mermaid's sequence diagrams."""

from collections.abc import Sequence

from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.stories import PEOPLE, Line

__all__ = ["sequence"]


def sequence(system: Choreography, lines: Sequence[Line]) -> str:
    """Mermaid's `sequenceDiagram`: people, then the services that take part, in the order of their declaration."""
    taking_part = {each.sender for each in lines} | {each.receiver for each in lines}
    said = ["sequenceDiagram"]
    if PEOPLE in taking_part:
        said.append(f"    actor {PEOPLE}")
    said += [
        f"    participant {name} as {name.replace('_', ' ')}"
        for name in system.services
        if name in taking_part
    ]
    return "\n".join([*said, *(f"    {_line(each)}" for each in lines)]) + "\n"


def _line(line: Line) -> str:
    if line.receiver is None:
        return f"Note over {line.sender}: {line.text}"
    return f"{line.sender}{'-->>' if line.shown else '->>'}{line.receiver}: {line.text}"
