"""A system without Kafka and PostgreSQL: services with their outboxes and one log, interleaved in every way.

A saga's events are in one order; those of different sagas have none, as they may be in different partitions.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from clinic_lib.errors import Refused
from clinic_lib.messages import Event

__all__ = ["Choreography", "Peer", "interleave"]

Handler = Callable[[Any], Event | None]


@dataclass
class Peer:
    """A service as the log sees it: how far it read of each saga, and what it has not published yet."""

    handlers: dict[type[Event], Handler] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    outbox: list[Event] = field(default_factory=list)

    def handle(self, event: Event) -> None:
        handler = self.handlers.get(type(event))
        self.publish(handler(event) if handler else None)

    def publish(self, event: Event | None) -> None:
        if event is not None:
            self.outbox.append(event)


class Choreography(RuleBasedStateMachine):
    """Commands, publications and deliveries come in any order; at the end everything settles and is checked.

    A test adds what people do as rules, the peers' handlers, and `check`.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.logs: dict[str, list[Event]] = defaultdict(list)
        self.peers = {name: Peer() for name in names}

    def command(self, name: str, decide: Callable[[], Event]) -> None:
        with suppress(Refused):
            self.peers[name].publish(decide())

    @rule(number=st.integers(0, 11))
    def publish(self, number: int) -> None:
        self._publish(self._peer(number))

    @rule(number=st.integers(0, 11), saga=st.integers(0, 11), most=st.integers(1, 5))
    def deliver(self, number: int, saga: int, most: int) -> None:
        if keys := list(self.logs):
            self._deliver(self._peer(number), keys[saga % len(keys)], most)

    @rule()
    def settle(self) -> None:
        while any(peer.outbox or self._is_behind(peer) for peer in self.peers.values()):
            for peer in self.peers.values():
                self._publish(peer)
                for key in list(self.logs):
                    self._deliver(peer, key, len(self.logs[key]))

    def teardown(self) -> None:
        self.settle()
        self.check()

    def check(self) -> None:
        """What must hold at rest."""
        raise NotImplementedError

    def _peer(self, number: int) -> Peer:
        return list(self.peers.values())[number % len(self.peers)]

    def _publish(self, peer: Peer) -> None:
        for event in peer.outbox:
            self.logs[event.subject].append(event)
        peer.outbox.clear()

    def _deliver(self, peer: Peer, key: str, most: int) -> None:
        begin = peer.positions[key]
        for event in self.logs[key][begin : begin + most]:
            peer.handle(event)
            peer.positions[key] += 1

    def _is_behind(self, peer: Peer) -> bool:
        return any(peer.positions[key] < len(log) for key, log in self.logs.items())


def interleave(machine: type[Choreography], examples: int = 400, steps: int = 20) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    )
