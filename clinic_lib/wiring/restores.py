"""restore-unanswered: an owner that says it bears a restore has the functions that docs/restore.md asks for."""

from collections.abc import Iterator

from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.findings import Finding, snake
from clinic_lib.wiring.manifest import HandlerFacts, SagaFacts, ServiceFacts

__all__ = ["restore_unanswered"]


def restore_unanswered(system: Choreography) -> Iterator[Finding]:
    """Others' events about a row that is gone are answered with a failure end; its own commands' are heard back."""
    for owner, saga in system.sagas:
        if not saga.restorable:
            continue
        rows = {row for each in system.publishers(saga.starts) for row in each.makes}
        bearing = [
            each for each in owner.handlers if each.kind == "step" and not rows.isdisjoint(each.may_lack)
        ]
        failing = [each for each in saga.ends if system.is_failure(each)]
        if failing:
            disowning = [each for each in bearing if not set(failing).isdisjoint(each.answers)]
            yield from _others(system, owner, saga, disowning)
        else:
            yield _no_failure(system, owner, saga, bearing)
        yield from _own(system, owner, saga, bearing)


def _others(
    system: Choreography, owner: ServiceFacts, saga: SagaFacts, disowning: list[HandlerFacts]
) -> Iterator[Finding]:
    heard = dict.fromkeys(
        event for each in owner.handlers if each.kind in ("step", "compensation") for event in each.handles
    )
    for event in heard:
        if not any(each.service == owner.name for each in system.publishers(event)) and not any(
            event in each.handles for each in disowning
        ):
            yield _finding(
                system,
                owner,
                saga,
                event,
                f"after a restore {owner.name} may hear {event} about a row that is gone, and no step answers with "
                f"the failure that ends {saga.name}, so what others did is never undone",
            )


def _no_failure(
    system: Choreography, owner: ServiceFacts, saga: SagaFacts, bearing: list[HandlerFacts]
) -> Finding:
    """Without such an end no step can answer with it: it is not named as one, or not marked as a failure."""
    unnamed = [answer for each in bearing for answer in each.answers if system.is_failure(answer)]
    undone = [each for each in saga.ends if any(one.compensates for one in system.hearers(each))]
    unmarked = (undone or saga.ends)[-1]
    if unnamed:
        write = f'Saga("{saga.name}", …, ends=({", ".join((*saga.ends, unnamed[0]))}))'
    else:
        write = f"class {unmarked}(…, failure=True): ...  # or another end that is a failure"
    return Finding(
        rule="restore-unanswered",
        about=f"saga {saga.name}",
        place=saga.place if unnamed else system.events[unmarked].place,
        wrong=f"after a restore {owner.name} may hear of rows that are gone, and no end of {saga.name} is a failure "
        f"({', '.join(saga.ends)}), so no step can answer with one and what others did is never undone",
        write=f"{write}\n# or service.saga({saga.name}) without restorable=True",
    )


def _own(
    system: Choreography, owner: ServiceFacts, saga: SagaFacts, bearing: list[HandlerFacts]
) -> Iterator[Finding]:
    for command in (each for each in owner.handlers if each.kind == "command"):
        for event in command.answers:
            if event != saga.starts and not any(event in each.handles for each in bearing):
                yield _finding(
                    system,
                    owner,
                    saga,
                    event,
                    f"after a restore {owner.name} has forgotten that {command.full_name} published {event}, and no "
                    "step hears it back from the log",
                )


def _finding(system: Choreography, owner: ServiceFacts, saga: SagaFacts, event: str, wrong: str) -> Finding:
    hearer = next((each for each in owner.handlers if event in (*each.handles, *each.answers)), None)
    row = next((row for each in owner.handlers if saga.starts in each.answers for row in each.makes), "Row")
    answer = next((each for each in saga.ends if system.is_failure(each)), saga.ends[-1])
    return Finding(
        rule="restore-unanswered",
        about=event,
        place=hearer.place if hearer else saga.place,
        wrong=wrong,
        write=f"@service.step\ndef …(event: {event}, {snake(row)}: {row} | None) -> {answer} | None: ...\n"
        f"# or service.saga({saga.name}) without restorable=True",
    )
