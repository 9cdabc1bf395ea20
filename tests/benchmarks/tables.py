"""Tables of a page in Markdown."""

from collections.abc import Iterator, Sequence

__all__ = ["table"]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Line by line; the first column is text, the others are figures."""
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "|".join(["---"] + ["---:"] * (len(columns) - 1)) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
