"""compensation-missing: whoever did something before a failure undoes it; compensation-uncaused: and only then.

What counts as before, without a conductor: every step and command of the saga that may have run when the failure
is published, before its publisher or beside it. A service undoes it by a compensation on the failure, or on one
that is published because of it. The one that publishes the failure needs none when the function that does has
the service's rows in hand: then it decides itself what becomes of them. A step that answers with the failure has
done nothing, and a failure that answers to another one asks for nothing that the other did not.

Rows that one function touches together belong together, so a compensation that is handed a diagnosis undoes
what was done to its prescriptions, too, but not what another step of the service did to rows of its own.
"""

from collections.abc import Iterator, Sequence

from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.findings import Finding, snake
from clinic_lib.wiring.manifest import HandlerFacts

__all__ = ["compensation_missing", "compensation_uncaused"]


def compensation_missing(system: Choreography) -> Iterator[Finding]:
    """For each service and failure: the steps that nobody undoes."""
    missing: dict[tuple[str, str], dict[str, HandlerFacts]] = {}
    published_by: dict[tuple[str, str], HandlerFacts] = {}
    for publisher in system.handlers:
        failures = [each for each in publisher.answers if system.is_failure(each)]
        if not failures or not system.begins_failure(publisher):
            continue
        for service, done in _done_before(system, publisher).items():
            for failure in failures:
                undoing = _undoing(system, service, failure)
                if publisher.service == service:
                    undoing.append(publisher)
                if left := _left(system, done, undoing):
                    missing.setdefault((service, failure), {}).update({each.full_name: each for each in left})
                    published_by.setdefault((service, failure), publisher)
    for (service, failure), steps in missing.items():
        heard = system.consequences(failure)
        yield _finding(service, heard, list(steps.values()), published_by[service, failure])


def compensation_uncaused(system: Choreography) -> Iterator[Finding]:
    """What a compensation handles are failures: at anything else the saga goes on, with a step that is undone."""
    for each in (each for each in system.handlers if each.kind == "compensation"):
        failures = [event for event in each.handles if system.is_failure(event)]
        for event in (event for event in each.handles if event not in failures):
            mark = f"class {event}(…, failure=True): ..."
            less = f"def {each.name}(event: {' | '.join(failures)}, …): ..."
            first, second = (less, mark) if failures else (mark, f"a step that handles {event}")
            yield Finding(
                rule="compensation-uncaused",
                about=each.full_name,
                place=each.place,
                wrong=f"{each.full_name} undoes {each.compensates} at {event}, which is no failure",
                write=f"{first}\n# or {second}",
            )


def _done_before(system: Choreography, publisher: HandlerFacts) -> dict[str, list[HandlerFacts]]:
    """By service: what leaves something behind."""
    done: dict[str, list[HandlerFacts]] = {}
    for each in system.before(publisher):
        if each.leaves_something:
            done.setdefault(each.service, []).append(each)
    return done


def _undoing(system: Choreography, service: str, failure: str) -> list[HandlerFacts]:
    return [
        each
        for event in system.consequences(failure)
        for each in system.reactors(event)
        if each.service == service and each.kind == "compensation"
    ]


def _left(
    system: Choreography, done: Sequence[HandlerFacts], undoing: Sequence[HandlerFacts]
) -> list[HandlerFacts]:
    """What of `done` none of `undoing` reaches: by its name, by rows that belong together, or by SQL."""
    if any(each.own_sql for each in undoing):
        return []
    names = {each.compensates for each in undoing}
    rows = {row for each in undoing for row in system.together(each)}
    return [each for each in done if each.name not in names and rows.isdisjoint(system.together(each))]


def _finding(service: str, heard: list[str], steps: list[HandlerFacts], publisher: HandlerFacts) -> Finding:
    failure = heard[0]
    # what an event started can be undone for sure; a command's row is often undone with the step's before it
    first = next((each for each in steps if each.kind == "step" and each.makes), steps[0])
    done = next(iter(each for each in first.answers if each != failure), None)
    parameters = f"event: {failure}" + (f", done: {done}" if done else "")
    parameters += "".join(f", {snake(row)}: {row}" for row in first.touches)
    names = ", ".join(each.name for each in steps)
    return Finding(
        rule="compensation-missing",
        about=failure,
        place=first.place,
        wrong=f"{publisher.full_name} may publish the failure {failure} when {service} has done {names}, "
        f"and {service} has no compensation on {' or '.join(heard)} that undoes it",
        write=f"@service.compensation({first.name})\n"
        f"def undo_{first.name}({parameters}) -> None: ...\n"
        f'# or, when nothing is to be undone: service.waive("compensation-missing", {first.name}, reason="…")',
        because_of=tuple(each.full_name for each in steps),
    )
