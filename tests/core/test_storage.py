"""A service's database: addresses that are none."""

import pytest

from clinic_lib.addresses import address_of
from clinic_lib.errors import ConfigurationError
from clinic_lib.local.database import create_databases
from clinic_lib.local.errors import StackError
from clinic_lib.settings import ServiceSettings
from clinic_lib.storage import Database

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
