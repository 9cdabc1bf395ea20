"""Answers about dead letters: what the statements of `dead_letter` and `letter_queue` do with the tables."""

from datetime import timedelta
from typing import Any

from clinic_lib import dead_letter, letter_queue
from clinic_lib.testing.simulation.statements import answers
from clinic_lib.testing.simulation.tables import Row, Tables

__all__: list[str] = []


@answers(dead_letter.PARKED)
def parked(tables: Tables, names: list[str]) -> list[Any]:
    present = {each["key"] for each in tables.dead_letter.values()}
    return [(each,) for each in names if each in present]


@answers(dead_letter.STORE)
def store_letters(tables: Tables, *columns: Any) -> list[Any]:
    names = (
        *("id", "state", "key", "message_id", "type", "topic", "partition", "offset", "record_key"),
        *("record_headers", "record_value", "handler", "error", "traceback", "attempts", "announced"),
    )
    for values in zip(*columns, strict=True):
        letter = dict(zip(names, values, strict=True))
        before = tables.dead_letter.get(values[0])
        pause = min(dead_letter.LONGEST_PAUSE_SECONDS, 0.5 * 2 ** (min(letter["attempts"], 20) - 1))
        retry_at = tables.now + timedelta(seconds=pause * 0.75)
        letter["retry_at"] = retry_at if letter["state"] == "retrying" else None
        if values[0] is None:
            letter |= {"id": tables.next_id("dead_letter"), "created_at": tables.now}
            tables.dead_letter[letter["id"]] = letter
        elif before is not None:
            letter["announced"] = letter["announced"] or before["announced"]
            tables.dead_letter[values[0]] = before | letter
    return []


@answers(letter_queue.HELD)
def held(tables: Tables, names: list[str], ids: list[int], last: int) -> list[Any]:
    columns = ("id", "key", "state", "attempts", "announced")
    return [
        tuple(each[name] for name in columns)
        for number, each in sorted(tables.dead_letter.items())
        if (each["key"] in names and number <= last) or number in ids
    ]


@answers(letter_queue.SETTLE)
def settle(tables: Tables, ids: list[int], names: list[str]) -> list[Any]:
    for number in ids:
        tables.dead_letter.pop(number, None)
    for name in names:
        head = next(iter(_of_key(tables, name)), None)
        if head is not None and head["state"] == "waiting":
            freed = {"state": "retrying", "attempts": 0, "retry_at": tables.now}
            tables.dead_letter[head["id"]] = head | freed
    return []


@answers(letter_queue.CLAIM_RETRIES)
def claim_retries(tables: Tables) -> list[Any]:
    due = [
        each
        for each in tables.dead_letter.values()
        if each["state"] == "retrying" and each["retry_at"] <= tables.now
    ]
    for each in due:
        later = tables.now + timedelta(seconds=letter_queue.CLAIM_SECONDS)
        tables.dead_letter[each["id"]] = each | {"retry_at": later}
    return [(each["key"],) for each in due]


@answers(letter_queue.HEADS)
def heads(tables: Tables) -> list[Any]:
    first: dict[Any, int] = {}
    for number, each in sorted(tables.dead_letter.items()):
        first.setdefault(each["key"] or number, number)
    return [(number,) for number in sorted(first.values())]


@answers(letter_queue.COUNT)
def count(tables: Tables, name: str) -> list[Any]:
    found = _of_key(tables, name)
    return [(len(found), found[0]["error"] if found else None)]


@answers(letter_queue.OF_KEY)
def of_key(tables: Tables, name: str, limit: int) -> list[Any]:
    return [_stored(each) for each in _of_key(tables, name)[:limit]]


@answers(letter_queue.ONE)
def one(tables: Tables, number: int) -> list[Any]:
    return [_stored(tables.dead_letter[number])] if number in tables.dead_letter else []


def _of_key(tables: Tables, name: str) -> list[Row]:
    return [each for _, each in sorted(tables.dead_letter.items()) if each["key"] == name]


def _stored(letter: Row) -> tuple[Any, ...]:
    columns = (
        *("id", "state", "key", "message_id", "type", "topic", "partition", "offset", "record_key"),
        *("record_headers", "record_value", "attempts", "announced", "error", "handler"),
    )
    return tuple(letter[name] for name in columns)
