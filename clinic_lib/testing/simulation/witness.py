"""The witness of one action: compares what a service has stored before and after, and tells it."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from clinic_lib.crash_points import CrashPoint
from clinic_lib.testing.simulation.log import Record
from clinic_lib.testing.simulation.process import Process
from clinic_lib.testing.simulation.story import Line

__all__ = ["Witness"]

ROLLED_BACK: tuple[CrashPoint, ...] = ("before-commit", "compensation", "redrive", "deadline")


class Witness:
    """Looks at `process` before it does `what`, or handles `records`."""

    def __init__(self, process: Process, what: str, records: Sequence[Record] = ()) -> None:
        self._process = process
        self._what = what
        self._records = records
        self._known = {each.message_id for each in records if each.message_id in process.handled}
        self._committed = len(process.committed)
        self._letters = self._attempts()
        self._rows = process.store.picture()

    def lines(self, died: CrashPoint | None = None) -> list[Line]:
        """What came of it; `died` says where the process died meanwhile."""
        if died in ROLLED_BACK:
            return [Line(self._process.name, f"dies at {died}, of {self._all()} nothing is done", 2)]
        self._process.handled.update(each.message_id for each in self._records)
        effects = self._effects()
        lines = [self._line(each, effects) for each in self._records]
        changes = self._changes()
        if self._what:
            published, failed = effects
            told = [type_ for types in published.values() for type_ in types]
            lines.append(Line(self._process.name, _joined(self._what, [*told, *failed.values(), *changes])))
        elif lines and changes:
            lines[-1] = Line(
                lines[-1].actor, f"{lines[-1].text} ({'; '.join(changes)})", lines[-1].weight or 1
            )
        if died is not None:
            done = f", {self._all()} is done" if self._records or self._what else ""
            lines.append(Line(self._process.name, f"dies at {died}{done}", 2))
        return lines

    def _all(self) -> str:
        return self._what or ", ".join(f"{each.type} {each.subject}" for each in self._records[:3])

    def _line(self, record: Record, effects: "tuple[dict[UUID | None, list[str]], dict[UUID, str]]") -> Line:
        published, failed = effects
        text, told = f"{record.type} {record.subject}", published.pop(record.message_id, [])
        if record.message_id in self._known:
            return Line(self._process.name, f"{text} again", 0)
        self._known.add(record.message_id)
        if record.message_id in failed:
            return Line(self._process.name, _joined(text, [*told, failed[record.message_id]]), 2)
        return Line(self._process.name, _joined(text, told), 1 if told else 0)

    def _effects(self) -> tuple[dict[UUID | None, list[str]], dict[UUID, str]]:
        """By the message: which events came of it, and what was wrong with it."""
        published: dict[UUID | None, list[str]] = defaultdict(list)
        for each in islice(self._process.committed.values(), self._committed, None):
            published[each.cause].append(each.type)
        failed = {}
        for letter in self._process.store.library("dead_letter"):
            if self._letters.get(letter["id"]) != letter["attempts"] and letter["message_id"]:
                waits = letter["state"] == "waiting"
                error = str(letter["error"]).splitlines()[0] if letter["error"] else ""
                failed[letter["message_id"]] = "waits behind a dead letter" if waits else f"fails: {error}"
        return published, failed

    def _attempts(self) -> dict[int, int]:
        return {each["id"]: each["attempts"] for each in self._process.store.library("dead_letter")}

    def _changes(self) -> list[str]:
        """As `seat 1: free 3 → 1`."""
        changes = []
        for name, images in self._process.store.picture().items():
            table = next(each for each in self._process.wiring.rows if each.sql_name == name)
            for key, image in images.items():
                before = self._rows[name].get(key)
                if before is image:
                    continue
                columns = [
                    f"{column} {'' if before is None else f'{_short(before[n])} → '}{_short(value)}"
                    for n, (column, value) in enumerate(zip(table.names, image, strict=True))
                    if column not in table.key
                    and (before is None or before[n] != value)
                    and isinstance(value, str | int | float | bool | None)
                    and not table.is_json[n]
                ]
                names = ", ".join(map(str, key))
                new = "new " if before is None else ""
                shown = f": {', '.join(columns)}" if before is not None and columns else ""
                changes.append(f"{new}{table.table.name} {names}{shown}")
        return changes


def _joined(what: str, told: Sequence[str]) -> str:
    return f"{what} → {', '.join(told)}" if told else what


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:19]}…"
