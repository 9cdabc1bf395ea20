"""Faults that are made on purpose show on the dashboards and raise their alerts, and both pass with the fault.

Time passes thirty times faster here than in the real rules (`conftest.PACE`). What takes long in any case, slow burning
above all, is tried with promtool in tests/infra/test_alerts.py.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from infra.queries import consumers, http, letters, outbox, processes
from tests.observe.conftest import Watched
from tests.observe.happenings import ask, load, poison, register
from tests.scenarios import databases
from tests.scenarios.clinic import Clinic, eventually

pytestmark = pytest.mark.timeout(180)

TOLD_WITHIN_SECONDS = 45
GATEWAY, RECEPTION = 'service="gateway"', 'service="reception"'


@pytest.fixture(autouse=True)
def _what_is_down_is_started(watched: Watched) -> Iterator[None]:
    yield
    if not watched.clinic.pids("diagnosis"):
        watched.clinic.run("start", "diagnosis")


def shows(watched: Watched, expression: str, wanted: Callable[[float | None], bool]) -> None:
    """A panel's expression comes to say so."""
    filled = expression.replace("$__rate_interval", "10s")
    eventually(lambda: wanted(watched.prometheus.value(filled)) or None, within=TOLD_WITHIN_SECONDS)


def tells(watched: Watched, alert: str, service: str) -> None:
    eventually(lambda: told(watched, alert, service) or None, within=TOLD_WITHIN_SECONDS)


def told(watched: Watched, alert: str, service: str) -> bool:
    return (alert, service) in watched.prometheus.firing()


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_a_service_that_is_down_is_seen_and_told_and_so_are_the_errors_that_callers_get(
    watched: Watched,
) -> None:
    eventually(lambda: not told(watched, "ServiceDown", "diagnosis") or None, within=TOLD_WITHIN_SECONDS)
    watched.clinic.kill("diagnosis")

    with meanwhile(lambda: ask(watched.clinic, "/diagnoses?limit=1", seconds=15)):
        shows(watched, http.failed_share(GATEWAY), lambda share: share is not None and share > 0.001)
        shows(watched, http.upstream_failures("gateway"), lambda rate: rate is not None and rate > 0)
        shows(watched, processes.down("diagnosis"), lambda down: down == 1)
        tells(watched, "ServiceDown", "diagnosis")
        tells(watched, "ErrorBudgetBurnsFast", "gateway")

    assert not told(watched, "ServiceDown", "reception")
    watched.clinic.run("start", "diagnosis")
    eventually(lambda: not told(watched, "ServiceDown", "diagnosis") or None, within=TOLD_WITHIN_SECONDS)


def test_answers_that_take_long_are_seen_and_told(watched: Watched) -> None:
    """For most of the time somebody holds the table that callers ask for."""
    assert not told(watched, "LatencyBudgetBurnsFast", "reception")
    asked = meanwhile(lambda: ask(watched.clinic, "/receptions?limit=1", seconds=20, workers=10))
    with asked, meanwhile(lambda: hold(watched.clinic, "reception", times=20)):
        shows(watched, http.duration(0.99, RECEPTION), lambda seconds: seconds is not None and seconds > 0.5)
        tells(watched, "LatencyBudgetBurnsFast", "reception")

    assert not told(watched, "ErrorBudgetBurnsFast", "reception")


def test_more_commands_than_a_service_takes_are_seen_and_told(watched: Watched) -> None:
    """Somebody holds its table meanwhile, so that they wait; what finds no room is turned away."""
    assert not told(watched, "ErrorBudgetBurnsFast", "reception")

    sent = meanwhile(lambda: register(watched.clinic, seconds=15, workers=20))
    with sent, meanwhile(lambda: hold(watched.clinic, "reception", times=15)):
        shows(watched, http.rejected("reception"), lambda rate: rate is not None and rate > 0)
        shows(watched, http.failed_share(RECEPTION), lambda share: share is not None and share > 0.1)
        tells(watched, "ErrorBudgetBurnsFast", "reception")


def hold(clinic: Clinic, table: str, *, times: int) -> None:
    """Nobody reads a service's table meanwhile."""
    for _ in range(times):
        databases.ask(
            clinic,
            table,
            f"do $$ begin lock table {table} in access exclusive mode; perform pg_sleep(0.9); end $$",
        )


def test_a_poisoned_record_is_seen_and_told(watched: Watched) -> None:
    given_up = f"sum({letters.given_up()})"
    before = watched.prometheus.value(given_up) or 0

    poison(watched.clinic)

    shows(watched, given_up, lambda lying: lying is not None and lying > before)
    tells(watched, "DeadLetterStored", "diagnosis")


def test_events_that_do_not_leave_their_service_are_seen_and_told(watched: Watched) -> None:
    """The broker is paused, so that the relay waits: commands are taken as ever."""
    oldest = outbox.oldest(RECEPTION)
    assert not told(watched, "OutboxOld", "reception")
    pids = watched.clinic.pids("kafka")
    if not pids:
        pytest.skip("Kafka is not ours to pause")

    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        load(watched.clinic, seconds=1)
        shows(watched, oldest, lambda age: age is not None and age > 2)
        tells(watched, "OutboxOld", "reception")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    shows(watched, oldest, lambda age: age is not None and age < 2)
    eventually(lambda: not told(watched, "OutboxOld", "reception") or None, within=TOLD_WITHIN_SECONDS)


def test_all_is_calm_again(watched: Watched) -> None:
    """After the faults above: nobody is behind, and everybody answers."""
    shows(watched, f"max({consumers.behind_seconds()})", lambda age: age == 0)
    deadline = time.monotonic() + TOLD_WITHIN_SECONDS
    while paged := {name for name, _ in watched.prometheus.firing()} & {
        "ServiceDown",
        "OutboxOld",
        "ConsumerStandsStill",
    }:
        assert time.monotonic() < deadline, paged
        time.sleep(1)
