"""restore-unanswered: an owner that says it bears a restore has the functions that docs/restore.md asks for."""

from collections.abc import Iterator

from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.findings import Finding
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
        failing = {each for each in saga.ends if system.is_failure(each)}
        yield from _others(
            system, owner, saga, [each for each in bearing if failing.intersection(each.answers)]
        )
        yield from _own(owner, saga, bearing)


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
                owner,
                saga,
                event,
                f"after a restore {owner.name} may hear {event} about a row that is gone, and no step answers with "
                f"the failure that ends {saga.name}, so what others did is never undone",
            )


def _own(owner: ServiceFacts, saga: SagaFacts, bearing: list[HandlerFacts]) -> Iterator[Finding]:
    for command in (each for each in owner.handlers if each.kind == "command"):
        for event in command.answers:
            if event != saga.starts and not any(event in each.handles for each in bearing):
                yield _finding(
                    owner,
                    saga,
                    event,
                    f"after a restore {owner.name} has forgotten that {command.full_name} published {event}, and no "
                    "step hears it back from the log",
                )


def _finding(owner: ServiceFacts, saga: SagaFacts, event: str, wrong: str) -> Finding:
    hearer = next((each for each in owner.handlers if event in (*each.handles, *each.answers)), None)
    row = next((row for each in owner.handlers if saga.starts in each.answers for row in each.makes), "Row")
    return Finding(
        rule="restore-unanswered",
        about=event,
        place=hearer.place if hearer else saga.place,
        wrong=wrong,
        write=f"@service.step\ndef …(event: {event}, {row.lower()}: {row} | None) -> {saga.ends[-1]} | None: ...\n"
        f"# or service.saga({saga.name}) without restorable=True",
    )
