"""Keys: a saga's name in a service, and the lock that every transaction about it takes.

Invariant: whoever reads or writes anything of a saga (rows, barrier, letters, its instance) holds its key's
lock: polls, commands, redrives and deadlines alike. Keys are locked in one order, so nobody waits in a circle.
"""

import zlib
from collections.abc import Collection

from clinic_lib.arrays import Array
from clinic_lib.messages import Event
from clinic_lib.storage import Transaction

__all__ = ["key_of", "lock", "lock_free", "number_of", "saga_of"]

LOCK_SPACE = 0x6B65 << 32
LOCK = """
select pg_current_xact_id()::text, count(pg_advisory_xact_lock(k)) from unnest($1::text::bigint[]) as k
"""
LOCK_FREE = """
select key from unnest($1::text[], $2::bigint[]) as k (key, number) where pg_try_advisory_xact_lock(number)
"""


def key_of(event: Event) -> str:
    """The saga's name among all keys of a service: `reception_id:17`."""
    return f"{event.declaration.key}:{event.subject}"


def saga_of(key: str) -> str:
    """What a key identifies: `reception` for `reception_id:17`."""
    return key.partition(":")[0].removesuffix("_id")


async def lock(transaction: Transaction, keys: Collection[str]) -> str:
    """Wait for the locks of `keys`, held until the transaction ends; return the transaction's id."""
    (row,) = await transaction.fetch(LOCK, Array("bigint", sorted(map(number_of, keys))))
    return str(row[0])


async def lock_free(transaction: Transaction, keys: Collection[str]) -> set[str]:
    """Those of `keys` whose lock could be had at once."""
    rows = await transaction.fetch(LOCK_FREE, list(keys), [number_of(key) for key in keys])
    return {row[0] for row in rows}


def number_of(key: str) -> int:
    """What is locked for a key. Two keys with one number only wait for each other."""
    return LOCK_SPACE | zlib.crc32(key.encode())
