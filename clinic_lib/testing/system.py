"""A system that runs: what tests ask it, and what is done to it."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from time import monotonic
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import httpx2
from aiokafka.errors import KafkaError

from clinic_lib.local.ports import LOOPBACK
from clinic_lib.local.project import System
from clinic_lib.local.replica import ADMIN_PORT_OFFSET, REPLICA_PORT_OFFSET
from clinic_lib.testing.evidence import Published, observe, published
from clinic_lib.testing.faults import Fault
from clinic_lib.testing.ground import Ground
from clinic_lib.testing.log import LogRecord, read_log
from clinic_lib.testing.plan import FaultPlan
from clinic_lib.testing.servers import ADMIN_TOKEN
from clinic_lib.testing.settling import Contract, settle
from clinic_lib.testing.target import Target

__all__ = ["Invariant", "RunningSystem"]

ResultT = TypeVar("ResultT")

ASKED_AGAIN_AFTER_S = 0.2
SETTLES_WITHIN_S = 60.0
ANSWERED_WITHIN_S = 120.0


class RunningSystem:
    """Services as processes. `replicas` are those with a database; `contracts` what each says it receives.

    `faults_done` is the part of the plan that is over, from 0 to 1: a load can last as long as the faults do.
    """

    def __init__(self, declared: System, replicas: Mapping[str, int], ground: Ground, *, seed: int) -> None:
        self.seed = seed
        self.ground = ground
        self.history = ground.history
        self.replicas = {name: replicas.get(name, 1) for name in ground.databases}
        self.contracts: list[Contract] = []
        self.plans: list[FaultPlan] = []
        self.broken: list[str] = []
        self.faults_done = 1.0
        self._ports = {service.name: service.port for service in declared.services}
        self._clients: dict[str, httpx2.AsyncClient] = {}

    async def observe(self) -> None:
        """Learns what the services receive, and lets their databases keep what they publish."""
        for service in self.replicas:
            document = (await self.client(service).get("/asyncapi.json")).raise_for_status().json()
            received = [each for each in document["operations"].values() if each["action"] == "receive"]
            types = {each["messages"][0]["$ref"].rpartition("/")[2] for each in received}
            topics = {each["channel"]["$ref"].rpartition("/")[2] for each in received}
            title = document["info"]["title"]
            self.contracts.append(Contract(service, title, frozenset(types), frozenset(topics)))
            async with self.ground.connect(service) as connection:
                await observe(connection)

    def client(self, service: str) -> httpx2.AsyncClient:
        """Speaks to the service's public port."""
        return self._client(self._ports[service])

    def admin(self, service: str, replica: int = 1) -> httpx2.AsyncClient:
        """Speaks to a replica's admin port, with the token."""
        port = self._ports[service] + ADMIN_PORT_OFFSET + REPLICA_PORT_OFFSET * (replica - 1)
        return self._client(port, {"Authorization": f"Bearer {ADMIN_TOKEN}"})

    async def post(
        self, service: str, path: str, body: Mapping[str, object], *, within_s: float = ANSWERED_WITHIN_S
    ) -> httpx2.Response:
        """POSTs under one Idempotency-Key until it is answered by anything but 503.

        Raises the last `httpx2.TransportError` when that takes longer than `within_s`.
        """
        headers, deadline = {"Idempotency-Key": str(uuid4())}, monotonic() + within_s
        while True:
            try:
                answer = await self.client(service).post(path, json=body, headers=headers)
            except httpx2.TransportError:
                if monotonic() > deadline:
                    raise
            else:
                if answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE or monotonic() > deadline:
                    return answer
            await asyncio.sleep(ASKED_AGAIN_AFTER_S)

    async def rows(self, service: str, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """What a statement (PostgreSQL's, with `$1`) selects in the service's database."""
        return await self.ground.rows(service, statement, *arguments)

    async def log(self) -> list[LogRecord]:
        """Every record of every topic, those of one partition in their order."""
        return await read_log(self.ground.kafka)

    async def published(self, service: str) -> list[Published]:
        """What the service has committed to publish since the system is up, in its order."""
        async with self.ground.connect(service) as connection:
            return await published(connection)

    def target(self, name: str) -> Target:
        """A process by its name in plans: `seat-2`, `kafka`."""
        return self.ground.targets[name]

    def plan(self, *, seconds: float, **counts: int) -> FaultPlan:
        """A plan drawn from the run's seed for this system: see `FaultPlan.random`."""
        return FaultPlan.random(self.seed, self.replicas, seconds=seconds, **counts)

    async def under(self, plan: FaultPlan, load: Coroutine[Any, Any, ResultT]) -> ResultT:
        """What the load returns; meanwhile the plan's faults happen. Returns when both have ended."""
        self.plans.append(plan)
        self.faults_done = 0.0 if plan.faults else 1.0
        began = monotonic()

        async def happen(fault: Fault) -> None:
            await asyncio.sleep(began + fault.at - monotonic())
            await self.happen(fault)
            self.faults_done += 1 / len(plan.faults)

        async with asyncio.TaskGroup() as tasks:
            loading = tasks.create_task(load)
            for fault in plan:
                tasks.create_task(happen(fault))
        return loading.result()

    async def happen(self, fault: Fault) -> None:
        """One fault, now. Another one that happens at the same time may keep it from happening."""
        try:
            await fault.happen(self.ground)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError) as exc:
            self.history.note(f"{fault.what}: ended by {exc!r}")

    async def settled(self, *, letters: Collection[str] = (), within_s: float = SETTLES_WITHIN_S) -> None:
        """Returns when nothing is on its way any more, with no dead letters but of the types `letters`.

        Raises `NotSettledError` that says what is still open.
        """
        await settle(self.ground, self.contracts, letters=letters, within_s=within_s)

    async def check(self, *invariants: "Invariant") -> None:
        """Asks every invariant, so that a failure shows all that broke.

        Raises what the invariant raised, several in a group.
        """
        errors: list[Exception] = []
        for invariant in invariants:
            try:
                outcome = invariant(self)
                if inspect.isawaitable(outcome):
                    await outcome
            except Exception as exc:
                self.broken.append(f"{getattr(invariant, '__name__', invariant)}: {exc}")
                errors.append(exc)
        if len(errors) > 1:
            raise ExceptionGroup("invariants do not hold", errors)
        for error in errors:
            raise error

    async def close(self) -> None:
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))

    def _client(self, port: int, headers: Mapping[str, str] | None = None) -> httpx2.AsyncClient:
        url = f"http://{LOOPBACK}:{port}"
        if url not in self._clients:
            self._clients[url] = httpx2.AsyncClient(base_url=url, timeout=10, headers=headers)
        return self._clients[url]


Invariant = Callable[[RunningSystem], Awaitable[None] | None]
"""A function that raises, as by `assert`, when what it states does not hold; its name says what that is."""
