"""The clinic under load, as siege would put it: 20 clients for a minute, on GET /diagnoses and on registering.

All four services run, a process each. Afterwards everybody who was registered has to be known to three of them; the
examination hears of nobody before something is prescribed.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import asyncpg

from clinic_lib.testing.ports import free_ports
from tests.benchmarks.ground import Run, Servers, fresh_run
from tests.benchmarks.load import closed_loop, connections, get, post
from tests.benchmarks.steps import Steps
from tests.benchmarks.worker import Wanted
from tests.benchmarks.workers import started
from tests.benchmarks.workload import RunError

__all__ = ["measure"]

SERVICES = ("reception", "diagnosis", "examination", "patient_management")
KNOW = ("reception", "diagnosis", "patient_management")
"""Who hears of everybody who is registered."""
CLIENTS = 20
SECONDS = 60.0
SETTLES_WITHIN_S = 60.0
REGISTER = post(
    "/receptions", {"patient": {"name": "Ada Byron", "birth_date": "1985-12-10"}, "symptoms": "cough"}
)
LOOK = get("/diagnoses")


async def measure(servers: Servers, steps: Steps, seconds: float = SECONDS) -> dict[str, Any]:
    """Requests a second and latencies of both. Raises `RunError` when somebody is lost or refused."""
    steps.expect(2)
    ports = {"reception": free_ports([0]), "diagnosis": free_ports([0])}
    wanted = [
        Wanted((f"services.clinic.{name}.app",), {name: ports[name]} if name in ports else {})
        for name in SERVICES
    ]
    async with AsyncExitStack() as stack:
        run = await stack.enter_async_context(fresh_run(servers, SERVICES))
        await stack.enter_async_context(started(run, wanted))
        steps("the clinic: registering")
        async with connections(ports["reception"], CLIENTS) as clients:
            registering = await closed_loop(clients, seconds, lambda: REGISTER)
        await _until_known(run, len(registering.latencies))
        steps("the clinic: GET /diagnoses")
        async with connections(ports["diagnosis"], CLIENTS) as clients:
            looking = await closed_loop(clients, seconds, lambda: LOOK)
    if failures := registering.failures + looking.failures:
        raise RunError(f"the clinic refused {failures} requests")
    return {"clinic": {"POST /receptions": registering.to_json(), "GET /diagnoses": looking.to_json()}}


async def _until_known(run: Run, receptions: int) -> None:
    """Raises `RunError` when somebody who was registered is not known to all of `KNOW` in time."""
    for name in KNOW:
        connection = await asyncpg.connect(run.database(name))
        try:
            async with asyncio.timeout(SETTLES_WITHIN_S):
                while (known := await connection.fetchval(f"select count(*) from {name}")) < receptions:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise RunError(f"{name} knows {known} of {receptions} patients") from None
        finally:
            await connection.close()
        if known > receptions:
            raise RunError(f"{name} knows {known} patients, and {receptions} were registered")
