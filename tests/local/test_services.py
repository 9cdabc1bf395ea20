"""Services under `clinic up`, on the session's Kafka and PostgreSQL."""

import os
import signal
import socket
import time
import urllib.request
from collections.abc import Callable

import asyncpg

from clinic_lib.local.database import database_url
from tests.local.conftest import Clinic, processes_of


def test_up_serves_until_it_is_ended(clinic_beside: Clinic) -> None:
    with clinic_beside.up():
        tiny, other = clinic_beside.pid("tiny"), clinic_beside.pid("other")
        assert clinic_beside.status() == {
            "services": [
                {"name": "tiny", "pid": tiny, "port": clinic_beside.port, "state": "running"},
                {"name": "other", "pid": other, "port": clinic_beside.port + 1, "state": "running"},
            ],
            "infrastructure": [],
        }
        assert _replica_behind(clinic_beside.port) == "1"
    assert not processes_of(clinic_beside.folder)


async def test_a_service_has_its_own_database_unless_it_wants_none(
    clinic_beside: Clinic, postgresql_url: str
) -> None:
    with clinic_beside.up():
        pass

    connection = await asyncpg.connect(database_url(postgresql_url, "tiny"))
    names = {row["datname"] for row in await connection.fetch("select datname from pg_database")}
    await connection.close()

    assert "other" not in names


def test_a_killed_service_stays_dead_until_it_is_started(clinic_beside: Clinic) -> None:
    with clinic_beside.up():
        os.kill(clinic_beside.pid("tiny"), signal.SIGKILL)
        _until(lambda: clinic_beside.states() == {"tiny": "dead", "other": "running"})
        assert "SIGKILL" in clinic_beside("status").stdout

        assert clinic_beside("start", "tiny").returncode == 0

        assert clinic_beside.states() == {"tiny": "running", "other": "running"}
        assert _replica_behind(clinic_beside.port) == "1"


def test_a_hanging_service_is_killed_when_it_is_stopped(clinic_beside: Clinic) -> None:
    with clinic_beside.up():
        os.kill(clinic_beside.pid("tiny"), signal.SIGSTOP)

        assert clinic_beside("stop", "tiny").returncode == 0

        assert clinic_beside.states() == {"tiny": "stopped", "other": "running"}


def test_a_hanging_service_does_not_keep_the_stack_from_its_end(clinic_beside: Clinic) -> None:
    with clinic_beside.up():
        os.kill(clinic_beside.pid("tiny"), signal.SIGSTOP)
        began = time.monotonic()

    assert time.monotonic() - began < 10
    assert not processes_of(clinic_beside.folder)


def test_replicas_share_the_port(clinic_beside: Clinic) -> None:
    with clinic_beside.up():
        assert clinic_beside("scale", "tiny", "2").returncode == 0
        assert {_replica_behind(clinic_beside.port) for _ in range(40)} == {"1", "2"}

        assert clinic_beside("scale", "tiny", "1").returncode == 0
        assert {_replica_behind(clinic_beside.port) for _ in range(10)} == {"1"}

        assert "1 to 9" in clinic_beside("scale", "tiny", "0").stderr


def test_a_port_in_use_is_named_with_who_wants_it(clinic_beside: Clinic) -> None:
    with socket.create_server(("127.0.0.1", clinic_beside.port)):
        refused = clinic_beside("up")

    assert refused.returncode == 1
    assert f"Port {clinic_beside.port}, which tiny needs" in refused.stderr
    assert str(os.getpid()) in refused.stderr


def test_a_second_stack_in_the_folder_is_refused(clinic_beside: Clinic) -> None:
    with clinic_beside.up() as first:
        second = clinic_beside("up")

    assert second.returncode == 1
    assert f"process {first.pid}" in second.stderr


def test_a_service_that_can_not_start_says_why(clinic_beside: Clinic) -> None:
    refused = clinic_beside("up", "broken")

    assert refused.returncode == 1
    assert "typo ended before it served (exit code 1)" in refused.stderr
    assert "no_such_module" in refused.stderr
    assert not processes_of(clinic_beside.folder)


def test_unknown_names_are_answered_with_the_known_ones(clinic_beside: Clinic) -> None:
    assert "tiny, broken" in clinic_beside("up", "nothing").stderr
    with clinic_beside.up():
        assert "tiny, other" in clinic_beside("start", "nothing").stderr


def test_nothing_runs_without_up(clinic: Clinic) -> None:
    answer = clinic("status")

    assert answer.returncode == 1
    assert "clinic up" in answer.stderr


def test_logs_show_what_a_service_wrote(clinic_beside: Clinic) -> None:
    with clinic_beside.up():
        assert "tiny began" in clinic_beside("logs", "tiny").stdout.splitlines()
        assert {line.split()[0] for line in clinic_beside("logs").stdout.splitlines()} == {"tiny", "other"}


def test_the_demo_is_told_where_people_enter(clinic_beside: Clinic) -> None:
    with clinic_beside.up():
        demo = clinic_beside("demo")

    assert demo.stdout == f"told http://localhost:{clinic_beside.port}\n"
    assert demo.returncode == 7


def _replica_behind(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        return str(answer.read().decode())


def _until(holds: Callable[[], bool], within_s: float = 5) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)
