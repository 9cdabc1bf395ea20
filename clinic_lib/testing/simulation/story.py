"""Stories: who did what to which event, a line each; a long one is cut to what matters."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["LONGEST", "Line", "told"]

LONGEST = 12
"""Lines of a story, the last of which says what was broken."""


@dataclass(frozen=True, slots=True)
class Line:
    """`weight`: 0 for what had no effect, 1 for what had one, 2 for faults and failures."""

    actor: str
    text: str
    weight: int = 1

    def __str__(self) -> str:
        return f"{self.actor:<12} {self.text}"


def told(lines: Sequence[Line], end: str) -> str:
    """At most twelve lines: what had no effect is left out first, then the middle of what had one."""
    place = LONGEST - 1
    kept = list(lines) if len(lines) <= place else [each for each in lines if each.weight]
    while len(kept) > place:
        light = [n for n, each in enumerate(kept) if each.weight == 1] or list(range(len(kept)))
        gone = light[len(light) // 2]
        rest = len(lines) - place + 1
        kept = [each for n, each in enumerate(kept) if n != gone]
        if len(kept) == place - 1:
            kept.insert(gone, Line("…", f"{rest} more lines that went as they should"))
            break
    return "\n".join([*map(str, kept), end.splitlines()[0] if end else ""])
