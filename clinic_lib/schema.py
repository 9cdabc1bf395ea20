"""The schema follows the metadata: Alembic compares and what only adds is applied at start.

Tables, indexes and columns that old code can live with (nullable, or with a server default) are added under
an advisory lock, so that replicas that start together migrate once. Anything else could break the version
that still runs; it is refused with the difference named. What the database has and the metadata lacks stays.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, text

from clinic_lib.errors import ConfigurationError, TransientError
from clinic_lib.storage import LIBRARY, SCHEMA, Database, is_transient

__all__ = ["migrate"]

MIGRATION_LOCK = 0x636C696E6963
OLDEST_SERVER = 18_00_00
REMOVALS = (ops.DropTableOp, ops.DropIndexOp, ops.DropConstraintOp)
LOCK_SECONDS = 5


async def migrate(database: Database, metadata: Sequence[MetaData]) -> None:
    """Bring the database to `metadata` and the library's tables.

    Raises `ConfigurationError` when a change does more than add, or the server is older than PostgreSQL 18.
    """
    engine = database.engine.execution_options(isolation_level="READ COMMITTED")
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_migrate, [LIBRARY, *metadata])
    except Exception as exc:
        if not is_transient(exc):
            raise
        raise TransientError(f"{type(exc).__name__}: {exc}") from exc


def _migrate(connection: Connection, metadata: Sequence[MetaData]) -> None:
    version = connection.execute(text("show server_version_num")).scalar_one()
    if int(version) < OLDEST_SERVER:
        raise ConfigurationError(f"PostgreSQL 18 or newer is needed, the server is {int(version) // 10_000}")
    connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    # a table that waits for its lock would hold up everybody behind it
    connection.execute(text(f"set local lock_timeout = '{LOCK_SECONDS}s'"))
    connection.execute(text(f"create schema if not exists {SCHEMA}"))
    wanted = {(table.schema, table.name) for each in metadata for table in each.tables.values()}

    def include(name: str | None, kind: str, parents: object) -> bool:
        if kind == "schema":
            return name in (None, SCHEMA)
        schema = parents.get("schema_name") if isinstance(parents, dict) else None
        return kind != "table" or (schema, name) in wanted

    context = MigrationContext.configure(
        connection, opts={"include_schemas": True, "include_name": include, "compare_server_default": False}
    )
    upgrade = produce_migrations(context, _together(metadata)).upgrade_ops
    assert upgrade is not None
    apply = Operations(context)
    operations = list(_flat(upgrade.ops))
    new = {each.table_name for each in operations if isinstance(each, ops.CreateTableOp)}
    for operation in operations:
        if isinstance(operation, REMOVALS) or (
            isinstance(operation, ops.DropColumnOp) and _may_stay(operation)
        ):
            continue
        if not _only_adds(operation, new):
            raise ConfigurationError(
                f"the schema change {operation.to_diff_tuple()!r} does more than add: "
                "apply it by hand when no older version runs any more"
            )
        apply.invoke(operation)


def _together(metadata: Sequence[MetaData]) -> MetaData:
    """One copy of all tables: what Alembic compares with the database."""
    together = MetaData()
    for each in metadata:
        for table in each.tables.values():
            table.to_metadata(together)
    return together


def _flat(operations: Sequence[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
    for operation in operations:
        if isinstance(operation, ops.OpContainer):
            yield from _flat(operation.ops)
        else:
            yield operation


def _only_adds(operation: ops.MigrateOperation, new_tables: set[str]) -> bool:
    """Whether the version that still runs can live with it."""
    match operation:
        case ops.CreateTableOp():
            return True
        case ops.AddColumnOp():
            return _is_optional(operation.column)
        case ops.CreateIndexOp():
            return not operation.unique or operation.table_name in new_tables
        case _:
            return False


def _may_stay(operation: ops.DropColumnOp) -> bool:
    """A column that the code no longer knows may stay while rows can be inserted without it."""
    return _is_optional(operation.to_column())


def _is_optional(column: Column[Any]) -> bool:
    return bool(column.nullable) or column.server_default is not None
