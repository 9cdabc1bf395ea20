"""Numbers of things, as people read them."""

__all__ = ["counted"]


def counted(number: int, noun: str, plural: str = "") -> str:
    """`no findings`, `1 service`, `2 services`; `plural` where no `s` makes it."""
    return f"{number or 'no'} {noun if number == 1 else plural or f'{noun}s'}"
