"""The few forms of PromQL that the questions are made of."""

__all__ = [
    "WINDOW",
    "grown",
    "highest",
    "latest",
    "peak",
    "per_second",
    "quantile",
    "select",
    "total",
    "up_to",
]

WINDOW = "$__rate_interval"
"""What a panel asks over: Grafana fills in four scrapes, or more where the panel shows a long time."""


def select(metric: str, *matchers: str) -> str:
    """`metric{a="b",c=~"d"}`."""
    return f"{metric}{{{','.join(matchers)}}}" if matchers else metric


def per_second(metric: str, *matchers: str, window: str = WINDOW) -> str:
    return f"rate({select(metric, *matchers)}[{window}])"


def grown(metric: str, *matchers: str, window: str) -> str:
    """By how much a counter has grown."""
    return f"increase({select(metric, *matchers)}[{window}])"


def up_to(bound: float) -> str:
    """Matches the bucket of a histogram: Python's client and a Prometheus 3 write 1 second as `1.0`, others as `1`."""
    written = f"{bound:.15g}"
    return f'le="{written}"' if "." in written else f'le=~"{written}([.]0)?"'


def total(expression: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) ({expression})"


def highest(expression: str, *by: str) -> str:
    """For what every replica says alike, because each reads it from the database that they share."""
    return f"max by ({', '.join(by)}) ({expression})"


def latest(metric: str, *matchers: str, by: tuple[str, ...]) -> str:
    """A gauge that is the same on every replica."""
    return highest(select(metric, *matchers), *by)


def peak(metric: str, *matchers: str, by: tuple[str, ...], window: str) -> str:
    """The highest that such a gauge was within a window."""
    return highest(f"max_over_time({select(metric, *matchers)}[{window}])", *by)


def quantile(
    share: float, histogram: str, *matchers: str, by: tuple[str, ...] = (), window: str = WINDOW
) -> str:
    """`histogram` without its `_bucket`."""
    buckets = total(per_second(f"{histogram}_bucket", *matchers, window=window), "le", *by)
    return f"histogram_quantile({share}, {buckets})"
