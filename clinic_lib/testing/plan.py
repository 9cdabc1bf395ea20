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
        rng = Random(seed)
        kinds = [kind for kind, count in sorted(counts.items()) for _ in range(count)]
        rng.shuffle(kinds)
        width = seconds / max(len(kinds), 1)
        times = [round(width * (n + rng.random()), 2) for n in range(len(kinds))]
        return cls(tuple(DRAW[kind](rng, at, replicas) for kind, at in zip(kinds, times, strict=True)))


def _fault(line: str) -> Fault:
    for kind in KINDS:
        if fault := kind.read(line):
            return fault
    raise ValueError(f"this is no fault: {line}")


def _replica(rng: Random, replicas: Replicas) -> str:
    return rng.choice([f"{service}-{n + 1}" for service, count in replicas.items() for n in range(count)])


def _service(rng: Random, replicas: Replicas) -> str:
    return rng.choice(list(replicas))


def _seconds(rng: Random, most: float) -> float:
    return round(rng.uniform(0, most), 2)


DRAW: dict[str, Callable[[Random, float, Replicas], Fault]] = {
    "kills": lambda rng, at, all_: Kill(at=at, target=_replica(rng, all_), seconds=_seconds(rng, 1)),
    "crashes": lambda rng, at, all_: Crash(at=at, target=_replica(rng, all_), point=rng.choice(POINTS)),
    "pauses": lambda rng, at, all_: Pause(at=at, target=_replica(rng, all_), seconds=_seconds(rng, 15)),
    "kafka": lambda rng, at, all_: Restart(at=at, server="kafka", seconds=_seconds(rng, 2)),
    "postgresql": lambda rng, at, all_: Restart(at=at, server="postgresql", seconds=_seconds(rng, 2)),
    "cuts": lambda rng, at, all_: Cut(at=at, service=_service(rng, all_)),
    "locks": lambda rng, at, all_: Lock(at=at, service=_service(rng, all_), seconds=_seconds(rng, 5)),
    "deadlocks": lambda rng, at, all_: Deadlock(at=at, service=_service(rng, all_)),
    "repeats": lambda rng, at, all_: Repeat(at=at, records=rng.randint(1, 50), seconds=_seconds(rng, 5)),
}
