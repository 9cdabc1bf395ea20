"""Wiring: a service as its processes need it. It is made once, for it takes longer than a whole run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from sqlalchemy import MetaData

from clinic_lib.commands import CommandEndpoint
from clinic_lib.decoding import Subscription, subscriptions
from clinic_lib.handlers import Handler
from clinic_lib.ledger import Sagas
from clinic_lib.messages import Event
from clinic_lib.rows import RowTable, row_table
from clinic_lib.service import Service

__all__ = ["Wiring", "wiring_of"]


@dataclass(frozen=True)
class Wiring:
    """What a service declares. `known` is what it reads of the log, by type."""

    name: str
    handlers: Sequence[Handler]
    endpoints: Sequence[CommandEndpoint]
    known: Mapping[bytes, Subscription]
    sagas: Sagas
    metadata: Sequence[MetaData]
    rows: Sequence[RowTable]

    @cached_property
    def topics(self) -> list[str]:
        return sorted({each.event.declaration.topic for each in self.known.values()})

    @cached_property
    def types(self) -> frozenset[str]:
        """The types of events that it receives."""
        return frozenset(each.decode() for each in self.known)

    @cached_property
    def events(self) -> dict[str, type[Event]]:
        """All that it publishes or receives, by type."""
        published = [event for handler in self.handlers for event in handler.events]
        received = [each.event for each in self.known.values()]
        decided = [each.deadline_reached for each in self.sagas.all]
        return {each.declaration.type: each for each in (*published, *received, *decided)}

    @property
    def writes_sql(self) -> bool:
        """Whether a function takes the transaction: then only PostgreSQL can say what it does."""
        return any(handler.uses_transaction for handler in self.handlers)


def wiring_of(service: Service) -> Wiring:
    return _wiring(service, len(service.handlers))


@cache
def _wiring(service: Service, handlers: int) -> Wiring:
    endpoints = service.endpoints()
    published = {event for handler in service.handlers for event in handler.events}
    sagas = service.owned_sagas()
    return Wiring(
        service.name,
        tuple(service.handlers),
        endpoints,
        subscriptions(service.handlers, sagas.observed(published)),
        sagas,
        service.tables,
        [row_table(each) for each in _rows_of(service)],
    )


def _rows_of(service: Service) -> list[type]:
    """The rows that its functions and queries name."""
    rows = [load.row for handler in service.handlers for load in handler.loads]
    rows += [row for handler in service.handlers for row in (*handler.rows, *handler.new_ids)]
    rows += [query.table.row for query in service.queries]
    rows += [load.row for query in service.queries for load in query.loads]
    return list(dict.fromkeys(rows))
