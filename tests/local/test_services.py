"""Services under `clinic up`, on the session's Kafka and PostgreSQL."""

import os
import signal
import socket
import time
import urllib.request
from collections.abc import Callable

import asyncpg

from tests.local.conftest import Clinic, processes_of


def test_the_status_names_every_process(running_clinic: Clinic) -> None:
    tiny, other = running_clinic.pid("tiny"), running_clinic.pid("other")

    assert running_clinic.status() == {
        "services": [
            {"name": "tiny", "pid": tiny, "port": running_clinic.port, "state": "running"},
            {"name": "other", "pid": other, "port": running_clinic.port + 1, "state": "running"},
        ],
        "infrastructure": [],
    }


async def test_a_service_has_its_own_database_unless_it_wants_none(
    running_clinic: Clinic, postgresql_url: str
) -> None:
    connection = await asyncpg.connect(postgresql_url)
    names = {row["datname"] for row in await connection.fetch("select datname from pg_database")}
    await connection.close()

    assert "tiny" in names
    assert "other" not in names


def test_a_second_stack_in_the_folder_is_refused(running_clinic: Clinic) -> None:
    second = running_clinic("up")

    assert second.returncode == 1
    assert "A stack runs in" in second.stderr


def test_unknown_names_are_answered_with_the_known_ones(running_clinic: Clinic) -> None:
    assert "it has tiny, other" in running_clinic("start", "nothing").stderr
    assert "declares tiny, broken" in running_clinic("up", "nothing").stderr


def test_logs_show_what_a_service_wrote(running_clinic: Clinic) -> None:
    assert "tiny began" in running_clinic("logs", "tiny").stdout.splitlines()
    assert {line.split()[0] for line in running_clinic("logs").stdout.splitlines()} == {"tiny", "other"}


def test_the_demo_is_told_where_people_enter(running_clinic: Clinic) -> None:
    demo = running_clinic("demo")

    assert demo.stdout == f"told http://localhost:{running_clinic.port}\n"
    assert demo.returncode == 7


def test_a_killed_service_stays_dead_until_it_is_started(running_clinic: Clinic) -> None:
    os.kill(running_clinic.pid("tiny"), signal.SIGKILL)
    _until(lambda: running_clinic.states() == {"tiny": "dead", "other": "running"})
    assert "SIGKILL" in running_clinic("status").stdout

    assert running_clinic("start", "tiny").returncode == 0

    assert running_clinic.states() == {"tiny": "running", "other": "running"}
    assert _replica_behind(running_clinic.port) == "1"


def test_a_hanging_service_is_killed_when_it_is_stopped(running_clinic: Clinic) -> None:
    os.kill(running_clinic.pid("tiny"), signal.SIGSTOP)

    assert running_clinic("stop", "tiny").returncode == 0

    assert running_clinic.states() == {"tiny": "stopped", "other": "running"}
    assert running_clinic("start", "tiny").returncode == 0


def test_a_hanging_service_does_not_keep_the_stack_from_its_end(clinic_beside: Clinic) -> None:
    with clinic_beside.up():
        os.kill(clinic_beside.pid("tiny"), signal.SIGSTOP)
        began = time.monotonic()

    assert time.monotonic() - began < 10
    assert not processes_of(clinic_beside.folder)


def test_replicas_share_the_port(running_clinic: Clinic) -> None:
    assert running_clinic("scale", "tiny", "2").returncode == 0
    assert {_replica_behind(running_clinic.port) for _ in range(40)} == {"1", "2"}

    assert running_clinic("scale", "tiny", "1").returncode == 0
    assert {_replica_behind(running_clinic.port) for _ in range(10)} == {"1"}

    assert "1 to 9" in running_clinic("scale", "tiny", "0").stderr


def test_a_port_in_use_is_named_with_who_wants_it(clinic_beside: Clinic) -> None:
    with socket.create_server(("127.0.0.1", clinic_beside.port)):
        refused = clinic_beside("up")

    assert refused.returncode == 1
    assert f"Port {clinic_beside.port}, which tiny needs" in refused.stderr
    assert str(os.getpid()) in refused.stderr


def test_a_service_that_can_not_start_says_why(clinic_beside: Clinic) -> None:
    refused = clinic_beside("up", "broken")

    assert refused.returncode == 1
    assert "typo ended before it served (exit code" in refused.stderr
    assert "no_such_module" in refused.stderr
    assert not processes_of(clinic_beside.folder)


def test_nothing_runs_without_up(clinic: Clinic) -> None:
    answer = clinic("status")

    assert answer.returncode == 1
    assert "clinic up" in answer.stderr


def _replica_behind(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        return str(answer.read().decode())


def _until(holds: Callable[[], bool], within_s: float = 5) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)
