"""Stories: what happens in a run that ends well, and after a failure. Told by signatures, so it is one way of many.

In the run that ends well each function answers with the first good thing that its type names. When nothing moves any
more, the next command comes, in the order of declaration, those that end the saga last; of several about the
same row that make nothing new, the first alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.manifest import HandlerFacts, SagaFacts

__all__ = ["PEOPLE", "Line", "after_failure", "beginnings", "ends_well"]

PEOPLE = "people"


@dataclass(frozen=True)
class Line:
    """One service tells another; without a receiver, something that happens in `sender`. `shown`: it only shows it."""

    sender: str
    text: str
    receiver: str | None = None
    shown: bool = False


@dataclass
class _Story:
    lines: list[Line] = field(default_factory=list)
    ran: list[HandlerFacts] = field(default_factory=list)
    told: dict[str, None] = field(default_factory=dict)
    waiting: list[tuple[str, str]] = field(default_factory=list)

    def run(self, handler: HandlerFacts, answers: Sequence[str]) -> None:
        self.ran.append(handler)
        for event in answers:
            if event not in self.told:
                self.told[event] = None
                self.waiting.append((event, handler.service))

    def hear(self, event: str, sender: str, hearer: HandlerFacts) -> None:
        shown = hearer.kind == "projection"
        self.lines.append(Line(sender, f"{event} → {hearer.name}", hearer.service, shown))


def ends_well(system: Choreography, saga: SagaFacts) -> list[Line]:
    """From the start to an end that is no failure; nothing when the saga's start is published by no command."""
    story = _Story()
    opener = next((each for each in system.publishers(saga.starts) if each.request), None)
    while opener is not None:
        story.lines.append(Line(PEOPLE, f"{opener.request} → {opener.name}", opener.service))
        story.run(opener, _good(system, opener))
        while story.waiting:
            event, sender = story.waiting.pop(0)
            for each in system.hearers(event):
                if each.kind in ("step", "projection") and not _only_fails(system, each):
                    story.hear(event, sender, each)
                    story.run(each, _good(system, each))
            if event in saga.ends:
                story.lines.append(Line(sender, f"{saga.name} has ended"))
        ended = any(each in story.told for each in saga.ends)
        opener = None if ended else _next_command(system, saga, story.ran)
    return story.lines


def after_failure(system: Choreography, failure: str, beginning: HandlerFacts) -> list[Line]:
    """Who hears of a failure that `beginning` publishes, and undoes what."""
    story = _Story()
    if beginning.request:
        story.lines.append(Line(PEOPLE, f"{beginning.request} → {beginning.name}", beginning.service))
    elif beginning.kind == "deadline":
        story.lines.append(Line(beginning.service, f"at the deadline → {beginning.name}"))
    for event in () if beginning.kind == "deadline" else beginning.handles:
        if not system.is_failure(event) and (publishers := system.publishers(event)):
            story.hear(event, publishers[0].service, beginning)
    story.run(beginning, [failure])
    while story.waiting:
        event, sender = story.waiting.pop(0)
        hearers = sorted(system.hearers(event), key=lambda each: each.kind != "compensation")
        for each in hearers:
            if each.compensates == beginning.name and each.service == beginning.service:
                continue  # what answered with the failure has done nothing
            new = [answer for answer in each.answers if answer not in story.told]
            if each.kind == "step" and each.answers and not new:
                continue  # it was said already
            story.hear(event, sender, each)
            if each.compensates:
                story.lines.append(Line(each.service, f"undoes {each.compensates}"))
            story.run(each, next((outcome for outcome in each.outcomes if outcome), ()))
    return story.lines


def beginnings(system: Choreography) -> dict[str, list[HandlerFacts]]:
    """By failure: who may publish it for a reason of its own."""
    found: dict[str, list[HandlerFacts]] = {}
    for handler in system.handlers:
        for event in handler.answers:
            if system.is_failure(event) and system.begins_failure(handler):
                found.setdefault(event, []).append(handler)
    return found


def _good(system: Choreography, handler: HandlerFacts) -> tuple[str, ...]:
    good = [each for each in handler.outcomes if not any(map(system.is_failure, each))]
    return good[0] if good else ()


def _only_fails(system: Choreography, handler: HandlerFacts) -> bool:
    return bool(handler.answers) and all(map(system.is_failure, handler.answers))


def _next_command(system: Choreography, saga: SagaFacts, ran: Sequence[HandlerFacts]) -> HandlerFacts | None:
    taken = {(each.service, _asked(each)) for each in ran if each.kind == "command" and not each.makes}
    possible = [
        each
        for each in system.possible_commands(ran)
        if each not in ran and _good(system, each) and (each.service, _asked(each)) not in taken
    ]
    return min(possible, key=lambda each: not set(saga.ends).isdisjoint(each.answers), default=None)


def _asked(command: HandlerFacts) -> frozenset[str]:
    return frozenset(command.touches).difference(command.makes)
