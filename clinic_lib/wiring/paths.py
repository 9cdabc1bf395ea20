"""Rules about sagas: every path ends, nothing goes round for ever, and the owner hears how it ended."""

from collections.abc import Iterator

from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.findings import Finding
from clinic_lib.wiring.manifest import HandlerFacts, SagaFacts, ServiceFacts

__all__ = [
    "cycle_without_exit",
    "deadline_undecided",
    "end_followed",
    "end_shared",
    "end_unheard",
    "path_open",
]


def path_open(system: Choreography) -> Iterator[Finding]:
    """From every event of a saga one of its ends can be reached: by functions, by commands, or at the deadline."""
    for _, saga in system.sagas:
        reached = _reached(system, saga)
        ending = _can_end(system, saga, reached)
        leading = {event: _following(system, event) for event in reached if event not in ending}
        for event, following in leading.items():
            if any(event not in leading[each] for each in following.intersection(leading)):
                continue  # it goes on to another one, where the path stops
            before = [each for each in leading if event in leading[each] and each != event]
            yield _open(system, saga, event, before)


def cycle_without_exit(system: Choreography) -> Iterator[Finding]:
    """No steps that answer to each other whatever they decide. A compensation runs once, so it ends a circle."""
    always, told = _always(system), set[str]()
    for event, answered_by in always.items():
        circle = _after(always, event)
        if event in circle and event not in told:
            members = [each for each in always if each in circle and event in _after(always, each)]
            told.update(members)
            step = next(iter(step for answer, step in answered_by.items() if answer in members))
            yield Finding(
                rule="cycle-without-exit",
                about=event,
                place=step.place,
                wrong=f"{' → '.join(_round(always, members))} goes round for ever: each step always answers",
                write=f"def {step.name}(event: {event}, …) -> {' | '.join([*step.answers, 'None'])}: ...",
            )


def end_followed(system: Choreography) -> Iterator[Finding]:
    """After an end only compensations go on: a step that hears it may note it, tell a fact, or begin anew."""
    for _, saga in system.sagas:
        for step in (each for each in system.handlers if each.kind == "step"):
            for end in (each for each in step.handles if each in saga.ends):
                for event in step.answers:
                    known = system.events[event]
                    over = known.failure or known.fact or event in saga.ends or event in system.starts
                    if not over:
                        yield Finding(
                            rule="end-followed",
                            about=step.full_name,
                            place=step.place,
                            wrong=f"{end} ends the saga {saga.name}, and {step.full_name} goes on with {event}",
                            write=f"take {end} out of the saga's ends=(…), or make {event} one of them",
                        )


def end_shared(system: Choreography) -> Iterator[Finding]:
    """An end's class is published by the owner or by others: the owner does not read its own ends back."""
    for owner, saga in system.sagas:
        for end in saga.ends:
            own = [each for each in system.publishers(end) if each.service == owner.name]
            others = [each for each in system.publishers(end) if each.service != owner.name]
            if own and others:
                yield Finding(
                    rule="end-shared",
                    about=end,
                    place=others[0].place,
                    wrong=f"{end} ends the saga {saga.name} of {owner.name}, and both {own[0].full_name} and "
                    f"{others[0].full_name} publish it",
                    write=f"an event of its own for {others[0].service}, which {owner.name} answers with {end}",
                )


def end_unheard(system: Choreography) -> Iterator[Finding]:
    """The owner hears of an end that another service publishes; of a failure it hears by its compensation."""
    for owner, saga in system.sagas:
        if not _keeps_rows(system, owner, saga):
            continue
        for end in (each for each in saga.ends if not system.is_failure(each)):
            publishers = system.publishers(end)
            heard = any(each.service == owner.name for each in (*publishers, *system.reactors(end)))
            if publishers and not heard:
                yield Finding(
                    rule="end-unheard",
                    about=end,
                    place=saga.place,
                    wrong=f"{publishers[0].full_name} ends the saga {saga.name} by {end}, and its owner "
                    f"{owner.name} does nothing about it: its own rows never learn of it",
                    write=f"@service.step  # in {owner.name}\ndef complete(event: {end}, …) -> None: ...",
                )


def deadline_undecided(system: Choreography) -> Iterator[Finding]:
    """A deadline has a function that decides what becomes of what has not ended."""
    for owner, saga in system.sagas:
        if saga.deadline is not None and saga.decided_by is None:
            failures = [each for each in saga.ends if system.is_failure(each)]
            yield Finding(
                rule="deadline-undecided",
                about=f"saga {saga.name}",
                place=saga.place,
                wrong=f"the saga {saga.name} has a deadline, and no function of {owner.name} decides what becomes "
                "of an instance that has not ended by then",
                write=f"@service.deadline({saga.name})\n"
                f"def expire(event: {saga.starts}, …) -> {(failures or saga.ends)[0]} | None: ...\n"
                f'# or, when people look at what is overdue: service.waive("deadline-undecided", {saga.name}, '
                'reason="…")',
            )


def _open(system: Choreography, saga: SagaFacts, event: str, before: list[str]) -> Finding:
    """A failure is rather an end that the saga does not name; after another event rather a step is missing."""
    publishers, failure = system.publishers(event), system.is_failure(event)
    named = f'Saga("{saga.name}", …, ends=({", ".join((*saga.ends, event))}))'
    step = f"@service.step\ndef …(event: {event}) -> {saga.ends[0]}: ..."
    first, second = (named, step) if failure else (step, named)
    return Finding(
        rule="path-open",
        about=event,
        place=publishers[0].place if publishers and not failure else saga.place,
        wrong=f"after {event} no end of the saga {saga.name} can be reached: no function that follows it, no command "
        "about its rows and no function at the deadline leads to one"
        + (f" (nor after {', '.join(before)}, which leads to it)" if before else ""),
        write="\n".join([first, *(f"# or {second}".splitlines())]),
    )


def _always(system: Choreography) -> dict[str, dict[str, HandlerFacts]]:
    """By event: what a step answers it with that is answered so again, whatever each decides."""
    steps = [each for each in system.handlers if each.kind == "step" and each.outcomes]
    endless = {heard for step in steps for heard in step.handles}
    while True:
        always: dict[str, dict[str, HandlerFacts]] = {}
        for step in (each for each in steps if all(map(endless.intersection, each.outcomes))):
            for heard in step.handles:
                for answer in (each for each in step.answers if each in endless):
                    always.setdefault(heard, {}).setdefault(answer, step)
        if always.keys() == endless:
            return always
        endless = set(always)


def _round(always: dict[str, dict[str, HandlerFacts]], members: list[str]) -> list[str]:
    """One way round, of those that there may be."""
    way = [members[0]]
    while way[-1] not in way[:-1]:
        way.append(next(each for each in always[way[-1]] if each in members))
    return way[way.index(way[-1]) :]


def _reached(system: Choreography, saga: SagaFacts) -> list[str]:
    """What may happen from the start on, and from the deadline on, up to an end."""
    decided = [answer for each in system.hearers(saga.deadline_event) for answer in each.answers]
    reached, waiting = dict[str, None](), [saga.starts, *decided]
    while waiting:
        event = waiting.pop(0)
        if event in reached or event in saga.ends:
            continue
        reached[event] = None
        following = [*system.reactors(event), *system.possible_commands(_ran(system, [*reached]))]
        waiting += [answer for each in following for answer in each.answers]
    return [each for each in reached if each in system.events and not system.events[each].fact]


def _ran(system: Choreography, events: list[str]) -> list[HandlerFacts]:
    return [each for event in events for each in (*system.publishers(event), *system.reactors(event))]


def _can_end(system: Choreography, saga: SagaFacts, reached: list[str]) -> set[str]:
    ending, grows = set(saga.ends), True
    while grows:
        if any(answer in ending for each in system.hearers(saga.deadline_event) for answer in each.answers):
            return set(reached)
        before = len(ending)
        for event in reached:
            past = [event, *(each for each in reached if event in _following(system, each))]
            following = [*system.reactors(event), *system.possible_commands(_ran(system, past))]
            if any(answer in ending for each in following for answer in each.answers):
                ending.add(event)
        grows = len(ending) > before
    return ending


def _following(system: Choreography, event: str) -> set[str]:
    found, waiting = set[str](), [event]
    while waiting:
        answers = [each for reactor in system.reactors(waiting.pop()) for each in reactor.answers]
        new = [each for each in answers if each not in found]
        found.update(new)
        waiting += new
    return found


def _after(always: dict[str, dict[str, HandlerFacts]], event: str) -> set[str]:
    found, waiting = set[str](), [event]
    while waiting:
        new = [each for each in always.get(waiting.pop(), {}) if each not in found]
        found.update(new)
        waiting += new
    return found


def _keeps_rows(system: Choreography, owner: ServiceFacts, saga: SagaFacts) -> bool:
    starters = [each for each in system.publishers(saga.starts) if each.service == owner.name]
    return any(each.leaves_something for each in starters)
