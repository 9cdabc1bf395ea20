"""How long things may take before somebody is told, and how fast time passes."""

from dataclasses import dataclass

__all__ = ["DAY", "HOUR", "MINUTE", "REAL", "Pace"]

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class Pace:
    """Every span of time in an alert, be it a window, a `for` or an age, is divided by `factor`.

    It is 1 but in a test that makes faults for real and can't wait an hour: then the same functions give the same
    rules for a world in which time passes faster. What is no time (a share, a number of letters) stays.
    """

    factor: float = 1

    def span(self, seconds: float) -> str:
        """As PromQL writes it: `2h`, `90s`, `1500ms`."""
        milliseconds = round(seconds * 1000 / self.factor)
        for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
            if milliseconds % size == 0:
                return f"{milliseconds // size}{unit}"
        return f"{milliseconds}ms"

    def seconds(self, seconds: float) -> float:
        """A limit, in a comparison."""
        return seconds / self.factor


REAL = Pace()
