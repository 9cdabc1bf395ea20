"""What contenders' stored runs come to: medians, and ratios to the floor round by round. Only runs that count do."""

from collections.abc import Mapping
from statistics import median
from typing import Any

__all__ = ["MOST_SPREAD", "counted", "middle", "rate", "ratio", "ratios", "spread"]

MOST_SPREAD = 2.0
"""Runs of one contender that differ by more tell of the machine, not of it."""

Stored = Mapping[str, Any]
"""A contender's results as `Measured.to_json` gives them."""


def counted(each: Stored) -> list[Mapping[str, float]]:
    return [result for result in each["results"] if not result["gate"]]


def middle(each: Stored, name: str) -> float:
    """0 when no run counts."""
    return median([result[name] for result in counted(each)] or [0.0])


def rate(each: Stored) -> float:
    return middle(each, "sagas_per_second")


def spread(each: Stored) -> float:
    """How many times as fast as the slowest run the fastest was."""
    rates = [result["sagas_per_second"] for result in counted(each)]
    return max(rates, default=1.0) / min(rates, default=1.0)


def ratios(each: Stored, floor: Stored) -> list[float]:
    """To the floor's run of the same round, where both count."""
    rounds = zip(each["results"], floor["results"], strict=False)
    both = [(run, base) for run, base in rounds if not run["gate"] and not base["gate"]]
    return [run["sagas_per_second"] / base["sagas_per_second"] for run, base in both]


def ratio(each: Stored, floor: Stored) -> str:
    """The median of `ratios`, the least and the most; a dash where no round of both counts."""
    found = ratios(each, floor)
    if not found:
        return "– ×"
    return f"**{median(found):.2f} ×** ({min(found):.2f} to {max(found):.2f})"
