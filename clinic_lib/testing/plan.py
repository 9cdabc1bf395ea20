"""Which faults happen, and when: drawn from a seed, printed line by line, given again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from clinic_lib.testing.database_faults import Cut, Deadlock, Lock
from clinic_lib.testing.faults import Crash, Fault, Kill, Pause, Restart
from clinic_lib.testing.log_faults import Repeat

__all__ = ["FaultPlan"]

Replicas = Mapping[str, int]
"""How many processes each service has."""

KINDS: tuple[type[Fault], ...] = (Kill, Crash, Pause, Restart, Cut, Lock, Deadlock, Repeat)
POINTS = ("before-commit", "after-commit", "after-publish", "before-offset-commit")


@dataclass(frozen=True)
class FaultPlan:
    """Faults in the order of their times. `str(plan)` is one line a fault, and `FaultPlan.read` takes it."""

    faults: tuple[Fault, ...]

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.faults)

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))

    @classmethod
    def read(cls, text: str) -> "FaultPlan":
        """The plan that prints itself as `text`. Raises `ValueError` for a line that is no fault."""
        return cls.of(*(_fault(line) for line in text.splitlines() if line.strip()))

    @classmethod
    def of(cls, *faults: Fault) -> "FaultPlan":
        """These faults, each at its time."""
        return cls(tuple(sorted(faults, key=lambda fault: fault.at)))

    @classmethod
    def random(cls, seed: int, replicas: Replicas, *, seconds: float, **counts: int) -> "FaultPlan":
        """So many faults of each kind, at random times within `seconds`; one seed, one plan.

        `counts` are any of kills, crashes, pauses, kafka, postgresql (restarts), cuts, locks, deadlocks and
        repeats. Raises `ValueError` for another one.
        """
        if unknown := counts.keys() - DRAW.keys():
            raise ValueError(f"there are no {', '.join(sorted(unknown))}: say {', '.join(DRAW)}")
        deck = _Deck(Random(seed), replicas)
        rng = deck.rng
        kinds = [kind for kind, count in sorted(counts.items()) for _ in range(count)]
        rng.shuffle(kinds)
        width = seconds / max(len(kinds), 1)
        times = [round(width * (n + rng.random()), 2) for n in range(len(kinds))]
        return cls(tuple(DRAW[kind](at, deck) for kind, at in zip(kinds, times, strict=True)))


def _fault(line: str) -> Fault:
    for kind in KINDS:
        if fault := kind.read(line):
            return fault
    raise ValueError(f"this is no fault: {line}")


class _Deck:
    """Deals processes and services: each comes once before one comes again, so that faults spread."""

    def __init__(self, rng: Random, replicas: Replicas) -> None:
        self.rng = rng
        self._all = {
            "process": [f"{service}-{n + 1}" for service, count in replicas.items() for n in range(count)],
            "service": list(replicas),
        }
        self._left: dict[str, list[str]] = {"process": [], "service": []}

    def process(self) -> str:
        return self._deal("process")

    def service(self) -> str:
        return self._deal("service")

    def seconds(self, most: float) -> float:
        return round(self.rng.uniform(0, most), 2)

    def _deal(self, kind: str) -> str:
        if not self._left[kind]:
            self._left[kind] = self.rng.sample(self._all[kind], len(self._all[kind]))
        return self._left[kind].pop()


DRAW: dict[str, Callable[[float, _Deck], Fault]] = {
    "kills": lambda at, deck: Kill(at=at, target=deck.process(), seconds=deck.seconds(1)),
    "crashes": lambda at, deck: Crash(at=at, target=deck.process(), point=deck.rng.choice(POINTS)),
    "pauses": lambda at, deck: Pause(at=at, target=deck.process(), seconds=deck.seconds(15)),
    "kafka": lambda at, deck: Restart(at=at, server="kafka", seconds=deck.seconds(2)),
    "postgresql": lambda at, deck: Restart(at=at, server="postgresql", seconds=deck.seconds(2)),
    "cuts": lambda at, deck: Cut(at=at, service=deck.service()),
    "locks": lambda at, deck: Lock(at=at, service=deck.service(), seconds=deck.seconds(5)),
    "deadlocks": lambda at, deck: Deadlock(at=at, service=deck.service()),
    "repeats": lambda at, deck: Repeat(at=at, records=deck.rng.randint(1, 50), seconds=deck.seconds(5)),
}
