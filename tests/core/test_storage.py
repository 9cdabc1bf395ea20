"""A service's database: addresses that are none, and connections whose users are cancelled."""

import asyncio

import pytest

from clinic_lib.addresses import address_of
from clinic_lib.errors import ConfigurationError
from clinic_lib.local.database import create_databases
from clinic_lib.local.errors import StackError
from clinic_lib.settings import ServiceSettings
from clinic_lib.storage import Database
from tests.core.worker import value

SENTENCE = "^DATABASE_URL is not an address: write postgresql://user@host:5432/database"
SECRET = "tell-nobody"
NONE = [
    *("", "garbage", "//x", f"mysql://u:{SECRET}@localhost/x"),
    *(f"postgresql://u:{SECRET}@localhost:{port}/x" for port in ("0", "99999", "-1", "port")),
    *(f"postgresql://u:{SECRET}@/x?host=localhost&port={port}" for port in ("99999", "5432,0", "port")),
]


@pytest.mark.parametrize("url", NONE)
def test_an_address_that_is_none_is_refused_and_its_password_is_not_told(url: str) -> None:
    with pytest.raises(ConfigurationError, match=SENTENCE) as refused:
        Database(url)

    assert SECRET not in str(refused.value)
    with pytest.raises(ConfigurationError, match=SENTENCE):
        ServiceSettings(database_url=url, kafka_bootstrap_servers="localhost:9092").database_address()


@pytest.mark.parametrize("url", NONE)
async def test_no_database_is_made_at_an_address_that_is_none(url: str) -> None:
    with pytest.raises(StackError, match=SENTENCE) as refused:
        await create_databases(url, ["order"])

    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "url", ["postgresql://u@h/x", "postgres://u@h:5432/x", "postgresql+asyncpg://h:65535/x?ssl=verify-full"]
)
def test_an_address_is_one_with_every_scheme_that_names_postgresql(url: str) -> None:
    assert address_of(url).host == "h"


@pytest.mark.parametrize("times", [1, 2])
async def test_a_connection_whose_user_was_cancelled_is_in_no_transaction(
    times: int, database_url: str, other_database: Database
) -> None:
    database = Database(database_url, connections=1)
    await value(database, "select 1")

    for seat in range(1, 25):
        doing = asyncio.create_task(_fail_in_a_transaction(database))
        for _ in range(seat // 2):
            await asyncio.sleep(0)
        for _ in range(times):
            doing.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(doing, return_exceptions=True)
        async with database.transaction() as transaction:
            await transaction.execute("insert into seat values ($1, 10)", seat)

        assert await value(other_database, "select count(*) from seat") == seat

    await database.close()


async def _fail_in_a_transaction(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.execute("insert into seat values (100, 10)")
        raise ValueError("nothing is committed")
