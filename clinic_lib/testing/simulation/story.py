"""Stories: who did what to which event, a line each; a long one is cut to what matters."""

from collections.abc import Sequence
from dataclasses import dataclass

from clinic_lib.plural import counted

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
    most = LONGEST - 1
    kept = list(lines) if len(lines) <= most else [each for each in lines if each.weight]
    if len(kept) > most:
        heavy = [n for n, each in enumerate(kept) if each.weight > 1][-4:]
        light = [n for n in range(len(kept)) if n not in heavy]
        room = most - 1 - len(heavy)
        shown = sorted({*heavy, *light[: room // 2], *light[len(light) - (room - room // 2) :]})
        gap = next(n for n in range(len(kept)) if n not in shown)
        left_out = Line("…", f"{counted(len(lines) - len(shown), 'line')} more")
        kept = [left_out if n == gap else kept[n] for n in sorted([*shown, gap])]
    return "\n".join([*map(str, kept), end])
