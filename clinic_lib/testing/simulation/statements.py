"""Statements: which function answers which of the library's statements."""

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["ANSWERS", "Answer", "answers"]

Answer = Callable[..., Sequence[Any]]

ANSWERS: dict[str, Answer] = {}


def answers(statement: str) -> Callable[[Answer], Answer]:
    def register(answer: Answer) -> Answer:
        ANSWERS[statement] = answer
        return answer

    return register
