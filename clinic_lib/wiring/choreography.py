"""The choreography: a system's services together, and what may come before what.

Without a conductor nobody wrote down the order in which things happen. It follows from who hears what: a path
begins with a command, goes on with the functions that handle its event, with those that handle theirs, and with
the commands about rows that exist by then.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property

from clinic_lib.wiring.errors import LookError
from clinic_lib.wiring.manifest import EventFacts, HandlerFacts, Manifest, SagaFacts, ServiceFacts

__all__ = ["Choreography"]


class Choreography:
    """One system. Raises `LookError` when two services have one name, or a manifest is of another system."""

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        self.system = manifests[0].system
        self.services: dict[str, ServiceFacts] = {}
        for manifest in manifests:
            if manifest.system != self.system:
                raise LookError(f"A manifest is of {manifest.system}, not of {self.system}.")
            for service in manifest.services:
                if service.name in self.services:
                    raise LookError(f"Two services of {self.system} are named {service.name}.")
                self.services[service.name] = service

    @cached_property
    def handlers(self) -> list[HandlerFacts]:
        return [handler for service in self.services.values() for handler in service.handlers]

    @cached_property
    def sagas(self) -> list[tuple[ServiceFacts, SagaFacts]]:
        """Each with its owner."""
        return [(service, saga) for service in self.services.values() for saga in service.sagas]

    @cached_property
    def events(self) -> dict[str, EventFacts]:
        """Each as a service that publishes it knows it, else as one that hears it."""
        known: dict[str, EventFacts] = {}
        for service in self.services.values():
            published = {event for handler in service.handlers for event in handler.answers}
            for event in service.events:
                if event.type in published or event.type not in known:
                    known[event.type] = event
        return known

    def publishers(self, event: str) -> list[HandlerFacts]:
        return [each for each in self.handlers if event in each.answers]

    def hearers(self, event: str) -> list[HandlerFacts]:
        """Whoever handles it, projections too."""
        return [each for each in self.handlers if event in each.handles]

    def reactors(self, event: str) -> list[HandlerFacts]:
        """Whoever does something about it: a projection only shows it."""
        return [each for each in self.hearers(event) if each.kind != "projection"]

    def is_failure(self, event: str) -> bool:
        return event in self.events and self.events[event].failure

    def is_end(self, event: str) -> bool:
        return any(event in saga.ends for _, saga in self.sagas)

    @cached_property
    def starts(self) -> set[str]:
        """The events with which paths begin: sagas' starts, and what commands publish that ask for no row."""
        opened = {
            event
            for each in self.handlers
            if each.kind == "command" and set(each.touches) <= set(each.makes) and not each.own_sql
            for event in each.answers
        }
        return opened.union(saga.starts for _, saga in self.sagas)

    def consequences(self, failure: str) -> list[str]:
        """The failure and those that are published because of it."""
        found, waiting = list[str](), [failure]
        while waiting:
            event = waiting.pop(0)
            if event not in found:
                found.append(event)
                reached = [answer for each in self.reactors(event) for answer in each.answers]
                waiting += [each for each in reached if self.is_failure(each)]
        return found

    def begins_failure(self, handler: HandlerFacts) -> bool:
        """Whether it may publish a failure that answers to no other failure."""
        triggers = [each for each in handler.handles if not self.is_failure(each)]
        return handler.kind == "command" or bool(triggers)

    def together(self, handler: HandlerFacts) -> set[str]:
        """The rows that it touches, and those of its service that some function touches together with one of them."""
        rows, grows = set(handler.touches), True
        while grows:
            before = len(rows)
            for each in self.services[handler.service].handlers:
                if not rows.isdisjoint(each.touches):
                    rows.update(each.touches)
            grows = len(rows) > before
        return rows

    def before(self, handler: HandlerFacts) -> list[HandlerFacts]:
        """What may have been done in a saga, before it or beside it, when `handler` runs; not what follows a failure.

        What only runs when `handler` answers otherwise is not among it.
        """
        begun_by = {saga.deadline_event: saga.starts for _, saga in self.sagas}
        strange = {begun_by.get(each, each) for each in handler.handles if not self.publishers(each)}
        roots = {each for each in self.starts if handler in self.walk([each])} | strange
        return [each for each in self.walk(roots, without=handler) if each.kind in ("step", "command")]

    def walk(self, roots: Iterable[str], *, without: HandlerFacts | None = None) -> list[HandlerFacts]:
        """All functions that run after `roots`, and those that publish them, as long as nothing fails."""
        heard, ran = set[str](), dict[str, HandlerFacts]()
        waiting = sorted(roots)
        for root in waiting:
            ran |= {each.full_name: each for each in self.publishers(root) if each is not without}
        while waiting:
            while waiting:
                event = waiting.pop()
                heard.add(event)
                for each in self.reactors(event):
                    if each is not without and each.full_name not in ran:
                        ran[each.full_name] = each
                        waiting += self._good_answers(each, heard)
            for command in self.possible_commands(ran.values()):
                if command is not without and command.full_name not in ran:
                    ran[command.full_name] = command
                    waiting += self._good_answers(command, heard)
        return list(ran.values())

    def possible_commands(self, ran: Collection[HandlerFacts]) -> Iterator[HandlerFacts]:
        """Commands about rows that these functions have made or changed."""
        touched = {(each.service, row) for each in ran for row in each.touches}
        by_sql = {each.service for each in ran if each.own_sql}
        for command in self.handlers:
            if (
                command.kind == "command"
                and command.answers
                and not self.starts.intersection(command.answers)
            ):
                asked = {(command.service, row) for row in command.touches if row not in command.makes}
                if asked & touched or command.service in by_sql or (command.own_sql and not asked):
                    yield command

    def _good_answers(self, handler: HandlerFacts, heard: Collection[str]) -> list[str]:
        return [each for each in handler.answers if not self.is_failure(each) and each not in heard]
