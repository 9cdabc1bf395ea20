"""Rules about what others read: records of earlier versions, older readers, other services, HTTP clients.

A baseline is what was agreed: `schemas/SYSTEM.json` in the repository, written by `clinic check
--write-baseline`. The log is kept for ever, so what was written by it has to be readable; for a while an older
reader runs beside a newer writer, so what it reads has to be there.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.errors import LookError
from clinic_lib.wiring.findings import Finding
from clinic_lib.wiring.manifest import EventFacts, Manifest, OperationFacts, Place, ServiceFacts
from clinic_lib.wiring.schemas import unreadable

__all__ = ["Baseline", "baseline_of", "baseline_stale", "read_baseline", "since", "written_otherwise"]


class _Agreed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: str
    key: str
    failure: bool
    version: int
    upcasters: tuple[int, ...]
    fields: dict[str, Any]


class Baseline(BaseModel):
    """What was agreed: events by type, and by service the requests that it answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal["clinic-baseline/1"] = "clinic-baseline/1"
    system: str
    events: dict[str, _Agreed]
    operations: dict[str, tuple[OperationFacts, ...]]

    def text(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"

    def place(self, path: str, name: str) -> Place:
        """Where an event or a service stands in its file."""
        lines = self.text().splitlines()
        found = next((n for n, line in enumerate(lines, 1) if line.startswith(f'  "{name}":')), 1)
        return Place(file=path, line=found)


def baseline_of(manifest: Manifest) -> Baseline:
    """What this repository's services publish, hear and answer now."""
    events = Choreography([manifest]).events
    return Baseline(
        system=manifest.system,
        events={
            name: _Agreed.model_validate(events[name].model_dump(include=set(_Agreed.model_fields)))
            for name in sorted(events)
        },
        operations={
            each.name: tuple(sorted(each.operations, key=lambda one: one.request))
            for each in manifest.services
        },
    )


def read_baseline(path: Path) -> Baseline | None:
    """None where there is none. Raises `LookError` for a file that is no baseline."""
    if not path.exists():
        return None
    try:
        return Baseline.model_validate_json(path.read_bytes())
    except ValidationError as exc:
        raise LookError(f"{path} is no baseline: write it by `clinic check --write-baseline`.") from exc


def baseline_stale(baseline: Baseline, manifest: Manifest, path: str) -> Iterator[Finding]:
    """A change that breaks nobody is taken into the baseline, too: else the next one is compared with too little."""
    now = baseline_of(manifest)
    names = [
        name
        for name in {**baseline.events, **now.events}
        if baseline.events.get(name) != now.events.get(name)
    ]
    names += [
        f"{service}'s requests"
        for service in {**baseline.operations, **now.operations}
        if baseline.operations.get(service) != now.operations.get(service)
    ]
    if names:
        yield Finding(
            rule="baseline-stale",
            about=manifest.system,
            place=baseline.place(path, names[0]),
            wrong=f"{path} is not up to date about {', '.join(names)}",
            write=f"clinic check {manifest.system} --write-baseline",
        )


def since(baseline: Baseline, manifest: Manifest, path: str) -> Iterator[Finding]:
    """schema-incompatible and operation-gone: what changed since the baseline and breaks somebody."""
    events = Choreography([manifest]).events
    for name, agreed in baseline.events.items():
        if name in events:
            yield from _changed(agreed, events[name])
        else:
            yield Finding(
                rule="schema-incompatible",
                about=name,
                place=baseline.place(path, name),
                wrong=f"no service declares {name} any more, and records of it stand in the log",
                write=f"class {name}(…): ...  # until no consumer has to read one; then waive it, with the reason",
            )
    services = {each.name: each for each in manifest.services}
    for service, operations in baseline.operations.items():
        place = baseline.place(path, service)
        yield from _operations(services.get(service), service, operations, place)


def written_otherwise(system: Choreography) -> Iterator[Finding]:
    """schema-incompatible between services: each may have a class of its own for an event."""
    for service in system.services.values():
        heard = {event for each in service.handlers for event in each.handles}
        for event in (each for each in service.events if each.type in heard):
            writer = system.events[event.type]
            if writer == event or (event.version > writer.version and event.upcasters):
                continue
            problems = list(unreadable(event.fields, writer.fields))
            if (writer.topic, writer.key, writer.failure) != (event.topic, event.key, event.failure):
                problems.append("its topic, key or failure is another one there")
            for problem in problems:
                yield Finding(
                    rule="schema-incompatible",
                    about=event.type,
                    place=event.place,
                    wrong=f"{service.name} can't read each {event.type} as it is published: {problem}",
                    write=f"class {event.type}(…): ...  # as {writer.place} has it",
                )


def _changed(agreed: _Agreed, event: EventFacts) -> Iterator[Finding]:
    name = event.type
    chain = range(agreed.version, event.version)
    next_version = agreed.version + 1
    upcaster = (
        f"class {name}(…, version={next_version}): ...\n\n"
        f"@{name}.upcast(from_version={agreed.version})\n"
        "def …(data: dict[str, Any]) -> dict[str, Any]: ..."
    )

    def finding(wrong: str, write: str) -> Finding:
        return Finding("schema-incompatible", name, event.place, f"{name}: {wrong}", write)

    for word in ("topic", "key", "failure"):
        was, now = getattr(agreed, word), getattr(event, word)
        if was != now:
            yield finding(f"its {word} was {was} and is {now}", f"a new event beside {name}, which stays")
    if event.version < agreed.version:
        yield finding(f"its version was {agreed.version} and is {event.version}", upcaster)
    gone = [each for each in agreed.upcasters if each not in event.upcasters]
    if gone:
        yield finding(
            f"records of version {gone[0]} stand in the log, and their upcaster is gone",
            f"@{name}.upcast(from_version={gone[0]})",
        )
    if not set(chain) & set(event.upcasters):
        for problem in unreadable(event.fields, agreed.fields):
            yield finding(f"in records that stand in the log, {problem}", upcaster)
    for problem in unreadable(agreed.fields, event.fields, roughly=True):
        yield finding(
            f"for readers of version {agreed.version}, {problem}",
            "the old field stays, until every reader has a default for it or takes a new one",
        )


def _operations(
    service: ServiceFacts | None, name: str, operations: Sequence[OperationFacts], place: Place
) -> Iterator[Finding]:
    """A client's requests are answered as before."""
    now = {each.request: each for each in service.operations} if service else {}
    for was in operations:
        requests = [each.place for each in service.handlers if each.request == was.request] if service else []
        problems: list[str] = []
        if was.request not in now:
            problems = ["it is not answered any more"]
        elif (body := now[was.request].body) is not None:
            problems = list(unreadable(body, was.body or {"type": "object"}))
        for problem in problems:
            yield Finding(
                rule="operation-gone",
                about=f"{name}.{was.request}",
                place=requests[0] if requests else place,
                wrong=f"{was.request} of {name}: {problem}",
                write="the old request stays, until no client sends it; then `clinic check --write-baseline`",
            )
