"""What runs leave on the servers: nothing."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from clinic_lib.local.database import create_databases
from clinic_lib.local.errors import StackError
from tests.benchmarks import bench
from tests.benchmarks.alone import make_topic
from tests.benchmarks.contenders import Floor
from tests.benchmarks.ground import Run, Servers, fresh_run, in_full
from tests.benchmarks.product import SERVICES
from tests.benchmarks.steps import Steps
from tests.benchmarks.stopwatch import KAFKA_PID

MEMBER = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer

async def main():
    kafka, topic, group = sys.argv[1:]
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, group_id=group, session_timeout_ms=6_000)
    await consumer.start()
    print("joined", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_databases_topics_and_groups_go_with_the_run(ground: Servers) -> None:
    async def measure() -> tuple[list[str], list[str]]:
        async with fresh_run(ground, SERVICES) as run:
            assert (await Floor().measure(run, 300)).gate == []
            during = await left_by(run)
        return during, await left_by(run)

    during, after = asyncio.run(measure())

    assert len(during) == 9
    assert after == []


def test_a_group_whose_member_was_killed_goes_when_its_session_is_over(ground: Servers) -> None:
    async def measure() -> list[str]:
        async with fresh_run(ground, []) as run:
            await make_topic(run, f"seat-{run.name}")
            arguments = (ground.kafka, f"seat-{run.name}", f"seat_{run.name}")
            member = await asyncio.create_subprocess_exec(
                sys.executable, "-c", MEMBER, *arguments, stdout=PIPE
            )
            assert member.stdout
            await member.stdout.readline()
            member.kill()
            await member.wait()
            assert f"seat_{run.name}" in await left_by(run)
        return await left_by(run)

    assert asyncio.run(measure()) == []


@pytest.fixture
def signals() -> Iterator[None]:
    """Handled afterwards as before."""
    before = {number: signal.getsignal(number) for number in bench.ENDS_ON}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_only_the_first_signal_ends_a_run_and_says_that_it_clears_up(
    ground: Servers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in ground.environment.items():
        monkeypatch.setenv(name, value)
    runs = []

    async def part(on: Servers, steps: Steps) -> None:
        async with fresh_run(on, ["order"]) as run:
            runs.append(run)
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(60)
            finally:
                for _ in range(3):
                    os.kill(os.getpid(), signal.SIGTERM)
                    await asyncio.sleep(0.05)
                runs.append(run)

    with pytest.raises(StackError, match=r"Ended before it was done; nothing was written\."):
        bench._run(part)
    os.kill(os.getpid(), signal.SIGTERM)

    assert len(runs) == 2
    assert asyncio.run(left_by(runs[0])) == []
    assert capsys.readouterr().err.count("Clearing up, which may take half a minute.") == 1


def test_a_run_is_over_when_a_server_of_its_own_dies(
    monkeypatch: pytest.MonkeyPatch, postgresql_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgresql_url)
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setenv(KAFKA_PID, "")
    clearing = []

    async def part(on: Servers, steps: Steps) -> None:
        assert on.kafka_data
        clearing.append(on.kafka_data.parents[1])
        os.kill(int(on.processes[KAFKA_PID]), signal.SIGKILL)
        await asyncio.sleep(60)

    with pytest.raises(StackError, match=r"kafka, which was started for this run, died \(signal SIGKILL\)"):
        bench._run(part)

    assert not clearing[0].exists()


def test_a_database_address_at_which_kafka_is_is_refused_with_a_reason(ground: Servers) -> None:
    with pytest.raises(StackError, match=r"can't be made at DATABASE_URL: \w+.*\.$"):
        asyncio.run(create_databases(f"postgresql://postgres@{ground.kafka}/postgres", ["order"]))


def test_what_is_cancelled_while_it_clears_up_clears_up_first() -> None:
    done = []

    async def clear() -> None:
        await asyncio.sleep(0.1)
        done.append("cleared")

    async def cancelled_twice() -> None:
        task = asyncio.create_task(in_full(clear()))
        for _ in range(2):
            await asyncio.sleep(0.02)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled_twice())

    assert done == ["cleared"]


async def left_by(run: Run) -> list[str]:
    """All that has its name."""
    connection = await asyncpg.connect(run.servers.postgresql)
    names = [row[0] for row in await connection.fetch("select datname from pg_database")]
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=run.servers.kafka)
    await admin.start()
    names += await admin.list_topics()
    names += [name for name, *_ in await admin.list_consumer_groups()]
    await admin.close()
    return [name for name in names if run.name in name]


def test_a_run_s_bytes_on_kafka_are_those_of_its_own_topics(tmp_path: Path) -> None:
    for folder, size in (
        ("reservation-bench_1-0", 5),
        ("reservation-bench_1-1", 7),
        ("reservation-bench_2-0", 11),
    ):
        (tmp_path / "data" / folder).mkdir(parents=True)
        (tmp_path / "data" / folder / "0.log").write_bytes(b"x" * size)

    run = Run("bench_1", Servers("", "", kafka_data=tmp_path))

    assert run.kafka_bytes() == 12
