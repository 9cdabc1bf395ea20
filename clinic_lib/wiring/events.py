"""Rules about events: each is published by somebody, means something to somebody, and says which saga it is of."""

from collections import Counter
from collections.abc import Iterator

from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.findings import Finding, snake
from clinic_lib.wiring.manifest import EventFacts

__all__ = ["event_unheard", "event_unpublished", "fact_heard", "key_differs"]


def event_unheard(system: Choreography) -> Iterator[Finding]:
    """An event that is published is reacted to, ends a saga, or is declared a fact.

    The saga of a system's only service begins for services to come.
    """
    begun = {saga.starts for _, saga in system.sagas} if len(system.services) == 1 else set()
    for name, event in system.events.items():
        publishers = system.publishers(name)
        if not publishers or system.reactors(name) or system.is_end(name) or event.fact or name in begun:
            continue
        shown = [each.full_name for each in system.hearers(name)]
        yield Finding(
            rule="event-unheard",
            about=name,
            place=publishers[0].place,
            wrong=f"{publishers[0].full_name} publishes {name}, and no service does anything about it"
            + (f" ({', '.join(shown)} only shows it)" if shown else ""),
            write=f"@service.step\ndef note_{snake(name)}(event: {name}) -> None: ...\n"
            f"# or, when whoever wants may know it and nobody has to act: class {name}(…, fact=True)",
        )


def event_unpublished(system: Choreography) -> Iterator[Finding]:
    """An event that is handled, or that a saga begins or ends with, is published by somebody."""
    by_library = {saga.deadline_event for _, saga in system.sagas}
    for name in dict.fromkeys(event for each in system.handlers for event in each.handles):
        hearers = [each.full_name for each in system.hearers(name)]
        if name not in by_library and not system.publishers(name):
            handle = "handles" if len(hearers) == 1 else "handle"
            yield Finding(
                rule="event-unpublished",
                about=name,
                place=system.hearers(name)[0].place,
                wrong=f"{', '.join(hearers)} {handle} {name}, which no service publishes",
                write=f"@service.step\ndef …(event: …) -> {name}: ...\n"
                f"# or take {name} out of {hearers[0]}'s first parameter; when another repository "
                "publishes it: clinic check --manifest FILE",
            )
    for owner, saga in system.sagas:
        for name in dict.fromkeys((saga.starts, *saga.ends)):
            if not system.publishers(name):
                yield Finding(
                    rule="event-unpublished",
                    about=name,
                    place=saga.place,
                    wrong=f"the saga {saga.name} of {owner.name} names {name}, which no service publishes",
                    write=f"@service.step\ndef …(event: …) -> {name}: ...\n# or take {name} out of the saga",
                )


def fact_heard(system: Choreography) -> Iterator[Finding]:
    """What is declared a fact is one: a step that reacts to it would not be missed."""
    for name, event in system.events.items():
        reactors = [each for each in system.reactors(name) if each.kind != "projection"]
        if event.fact and reactors:
            yield Finding(
                rule="fact-heard",
                about=name,
                place=event.place,
                wrong=f"{name} is declared a fact that nobody has to act on, and {reactors[0].full_name} acts on it",
                write=f"class {name}(…): ...  # without fact=True",
            )


def key_differs(system: Choreography) -> Iterator[Finding]:
    """All events of a log have one key field, of one type: a saga's events meet in one partition."""
    by_topic: dict[str, list[EventFacts]] = {}
    for event in system.events.values():
        by_topic.setdefault(event.topic, []).append(event)
    for topic, events in by_topic.items():
        model = next((each for each in events if each.type in system.starts), None)
        key = model.key if model else Counter(each.key for each in events).most_common(1)[0][0]
        model = model or next(each for each in events if each.key == key)
        for event in events:
            has = event.fields.get("properties", {}).get(key, {}).get("type")
            wanted = model.fields["properties"][key].get("type")
            if event.key != key or has != wanted:
                yield Finding(
                    rule="key-differs",
                    about=event.type,
                    place=event.place,
                    wrong=f"the log {topic} is keyed by {key} ({wanted}), and {event.type} "
                    + (f"by {event.key}" if event.key != key else f"has it as {has}"),
                    write=f"class {event.type}({model.type}'s base class): ...  # with the field {key}",
                )
