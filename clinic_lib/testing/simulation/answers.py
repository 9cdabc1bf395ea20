"""Answers: what each of the library's statements does with the tables of a service.

One function stands for one statement, takes its parameters, and gives rows with its columns. They say what
PostgreSQL does, and decide nothing: `tests/core/contract` has both answer the same questions.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from clinic_lib import (
    compensation,
    idempotency,
    inbox,
    instances,
    keys,
    outbox,
    rows,
)
from clinic_lib.testing.simulation.statements import answers
from clinic_lib.testing.simulation.tables import Row, Tables

__all__: list[str] = []


@answers(inbox.RECEIVE)
def receive(tables: Tables, logs: Any, partitions: Any, offsets: Any, *arrived: Any) -> list[Any]:
    handled = []
    for log, partition, offset in zip(logs, partitions, offsets, strict=True):
        handled.append(tables.checkpoint.get((log, partition), 0))
        tables.checkpoint[log, partition] = max(handled[-1], offset)
    ids = (message_id for message_id, place, at in zip(*arrived, strict=True) if at >= handled[place - 1])
    return _admit(tables, ids)


@answers(inbox.ADMIT)
def admit(tables: Tables, ids: list[UUID]) -> list[Any]:
    return _admit(tables, ids)


def _admit(tables: Tables, ids: Iterable[UUID]) -> list[Any]:
    new = [each for each in dict.fromkeys(ids) if each not in tables.inbox]
    tables.inbox.update({each: {"message_id": each} for each in new})
    return [(each,) for each in new]


@answers(inbox.POSITIONS)
def positions(tables: Tables, logs: list[str]) -> list[Any]:
    return [(log, partition, at) for (log, partition), at in tables.checkpoint.items() if log in logs]


@answers(keys.LOCK)
def lock(tables: Tables, numbers: list[int]) -> list[Any]:
    return [(str(next(tables.transactions)), len(numbers))]


@answers(keys.LOCK_FREE)
def lock_free(tables: Tables, names: list[str], numbers: list[int]) -> list[Any]:
    return [(each,) for each in names]


@answers(rows.DRAW)
def draw(tables: Tables, table: str, column: str, number: int) -> list[Any]:
    return tables.draw(table, column, number)


@answers(compensation.LOAD)
def load_runs(tables: Tables, sagas: list[str], steps: list[str]) -> list[Any]:
    found = [each for each in tables.barrier.values() if each["saga"] in sagas and each["step"] in steps]
    columns = ("saga", "step", "message_id", "state", "done_type", "done", "done_version", "place")
    return [tuple(each[name] for name in columns) for each in sorted(found, key=lambda each: each["place"])]


@answers(compensation.SAVE)
def save_runs(tables: Tables, *columns: Any) -> list[Any]:
    names = ("saga", "step", "message_id", "state", "done_type", "done", "done_version")
    for values in zip(*columns, strict=True):
        run = dict(zip(names, values, strict=True))
        key = run["saga"], run["step"], run["message_id"]
        before = tables.barrier.get(key)
        tables.barrier[key] = (
            before | {"state": run["state"]} if before else run | {"place": tables.next_id("barrier")}
        )
    return []


@answers(instances.BEGIN)
def begin(tables: Tables, *columns: Any) -> list[Any]:
    names = (
        *("saga", "key", "subject", "message_id", "correlation_id", "started_at", "deadline_at"),
        *("started", "started_version"),
    )
    for values in zip(*columns, strict=True):
        row = dict(zip(names, values, strict=True))
        if (row["saga"], row["key"]) not in tables.saga:
            row |= {"id": tables.next_id("saga"), "state": "running", "ended_at": None, "stuck": {}}
            tables.saga[row["saga"], row["key"]] = row
    return []


@answers(instances.CHANGE)
def change(tables: Tables, *columns: Any) -> list[Any]:
    changed = []
    for saga, key, state, ended_at, stuck, freed in zip(*columns, strict=True):
        if old := tables.saga.get((saga, key)):
            gone = orjson.loads(freed)
            left = {each: notice for each, notice in old["stuck"].items() if each not in gone}
            new = old | {"stuck": left | orjson.loads(stuck)}
            if state is not None:
                new |= {"state": state, "ended_at": ended_at, "deadline_at": None, "started": None}
            tables.saga[saga, key] = new
            ends_now = old["ended_at"] is None and new["ended_at"] is not None
            seconds = (new["ended_at"] - new["started_at"]).total_seconds() if ends_now else None
            changed.append((saga, new["state"], seconds))
    return changed


@answers(instances.ENDED)
def ended(tables: Tables, sagas: list[str], names: list[str]) -> list[Any]:
    return [
        (each["saga"], each["key"])
        for each in tables.saga.values()
        if each["saga"] in sagas and each["key"] in names and each["state"] in ("completed", "compensated")
    ]


def _due(tables: Tables, sagas: list[str]) -> list[Row]:
    reached = [
        each
        for each in tables.saga.values()
        if each["saga"] in sagas and each["deadline_at"] is not None and each["deadline_at"] <= tables.now
    ]
    return sorted(reached, key=lambda each: each["deadline_at"])[: instances.DUE_AT_ONCE]


@answers(instances.DUE)
def due(tables: Tables, sagas: list[str]) -> list[Any]:
    return [(each["key"],) for each in _due(tables, sagas)]


@answers(instances.TAKE_DUE)
def take_due(tables: Tables, names: list[str], sagas: list[str]) -> list[Any]:
    taken = [each for each in _due(tables, sagas) if each["key"] in names]
    for each in taken:
        overdue = {"deadline_at": None, "state": "overdue"}
        tables.saga[each["saga"], each["key"]] = each | overdue
    columns = ("saga", "key", "message_id", "correlation_id", "started", "started_version")
    return [tuple(each[name] for name in columns) for each in taken]


@answers(instances.PUT_OFF)
def put_off(tables: Tables, saga: str, names: list[str]) -> list[Any]:
    later = tables.now + timedelta(minutes=instances.PUT_OFF_MINUTES)
    for each in names:
        tables.saga[saga, each] = tables.saga[saga, each] | {"deadline_at": later}
    return []


@answers(outbox.INSERT)
def publish(tables: Tables, sent: list[int], *columns: Any) -> list[Any]:
    delete(tables, sent)
    names = ("message_id", "topic", "aggregatetype", "aggregateid", "type", "payload")
    older, added = list(tables.outbox.values()), []
    for values in zip(*columns, strict=True):
        row = dict(zip(names, values, strict=True)) | {
            "id": tables.next_id("outbox"),
            "created_at": tables.now,
        }
        tables.outbox[row["id"]] = row
        added.append(row)
    about = {(each["aggregateid"], each["aggregatetype"]) for each in added}
    mine = [each for each in older if (each["aggregateid"], each["aggregatetype"]) in about]
    return [_outbox_row(each) for each in (*mine, *added)]


@answers(outbox.DELETE)
def delete(tables: Tables, sent: list[int]) -> list[Any]:
    for number in sent:
        tables.outbox.pop(number, None)
    return []


@answers(outbox.OVERDUE)
def overdue(tables: Tables, known: list[int], seconds: float) -> list[Any]:
    before = tables.now - timedelta(seconds=seconds)
    about = {
        (each["aggregateid"], each["aggregatetype"])
        for number, each in tables.outbox.items()
        if each["created_at"] < before and number not in known
    }
    return [
        _outbox_row(each)
        for _, each in sorted(tables.outbox.items())
        if (each["aggregateid"], each["aggregatetype"]) in about
    ]


def _outbox_row(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("id", "message_id", "topic", "aggregateid", "type", "payload"))


@answers(idempotency.CLAIM)
def claim(tables: Tables, *columns: Any) -> list[Any]:
    found = []
    for key, path, fingerprint in sorted(zip(*columns, strict=True), key=lambda each: each[:2]):
        row, too_old = (
            tables.idempotency.get((key, path)),
            tables.now - timedelta(hours=idempotency.VALID_HOURS),
        )
        if row is None or row["created_at"] < too_old:
            row = {"fingerprint": fingerprint, "created_at": tables.now}
            row |= {"status": None, "body": None, "location": None}
            tables.idempotency[key, path] = row
        found.append((key, path, *(row[name] for name in ("fingerprint", "status", "body", "location"))))
    return found


@answers(idempotency.KEEP)
def keep(tables: Tables, *columns: Any) -> list[Any]:
    *answered, failed_keys, failed_paths = columns
    for key, path, status, body, location in zip(*answered, strict=True):
        answer = {"status": status, "body": body, "location": location}
        tables.idempotency[key, path] = tables.idempotency[key, path] | answer
    for each in zip(failed_keys, failed_paths, strict=True):
        tables.idempotency.pop(each, None)
    return []
