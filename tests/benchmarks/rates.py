"""What contenders' stored runs come to: medians, and ratios to the floor round by round. Only runs that count do."""

from collections.abc import Mapping
from statistics import median
from typing import Any

__all__ = ["MOST_SPREAD", "counted", "middle", "rate", "ratios", "spread"]

MOST_SPREAD = 2.0
"""Runs of one contender that differ by more tell of the machine, not of it."""

Contender = Mapping[str, Any]
"""A contender's results as `Measured.to_json` gives them."""


def counted(each: Contender) -> list[Mapping[str, float]]:
    return [result for result in each["results"] if not result["gate"]]


def middle(each: Contender, name: str) -> float:
    """0 when no run counts."""
    return median([result[name] for result in counted(each)] or [0.0])


def rate(each: Contender) -> float:
    return middle(each, "sagas_per_second")


def spread(each: Contender) -> float:
    """How many times as fast as the slowest run the fastest was."""
    rates = [result["sagas_per_second"] for result in counted(each)]
    return max(rates, default=1.0) / min(rates, default=1.0)


def ratios(each: Contender, floor: Contender) -> list[float]:
    """To the floor's run of the same round, where both count."""
    rounds = zip(each["results"], floor["results"], strict=False)
    both = [(run, base) for run, base in rounds if not run["gate"] and not base["gate"]]
    return [run["sagas_per_second"] / base["sagas_per_second"] for run, base in both]
