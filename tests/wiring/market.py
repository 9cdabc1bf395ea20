"""Events and rows from which the tests of the rules make small systems."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.messages import Command, Event, Id, Text
from clinic_lib.service import Service
from clinic_lib.storage import COLUMN_TYPES, NewIds
from clinic_lib.wiring.check import check
from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.describe import describe
from clinic_lib.wiring.findings import Finding
from clinic_lib.wiring.manifest import Manifest

__all__ = [
    "Buy",
    "Cancelled",
    "CancelPurchase",
    "Confirmed",
    "Filed",
    "Kept",
    "KeptBack",
    "MarketEvent",
    "Placed",
    "Priced",
    "Purchase",
    "Refused",
    "Shelf",
    "buy",
    "called",
    "cancel",
    "found",
    "manifest",
    "place",
]

Here = Path(__file__).parent


class MarketEvent(Event, topic="market", key="purchase_id"):
    purchase_id: Id


class Placed(MarketEvent):
    shelf_id: Id


class Priced(MarketEvent): ...


class Kept(MarketEvent):
    shelf_id: Id


class KeptBack(MarketEvent): ...


class Refused(MarketEvent, failure=True): ...


class Confirmed(MarketEvent): ...


class Cancelled(MarketEvent, failure=True): ...


class Filed(MarketEvent, fact=True): ...


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES


class Purchase(Base):
    __tablename__ = "market_purchase"

    purchase_id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]


class Shelf(Base):
    __tablename__ = "market_shelf"

    shelf_id: Mapped[int] = mapped_column(primary_key=True)
    free: Mapped[int]


class Buy(Command):
    shelf_id: Id
    note: Text = "none"


class CancelPurchase(Command):
    purchase_id: Id


def place(command: Buy, ids: NewIds[Purchase]) -> tuple[Purchase, Placed]:
    raise NotImplementedError


def cancel(command: CancelPurchase, purchase: Purchase) -> Cancelled:
    raise NotImplementedError


def buy(*more: Callable[[Service], Any]) -> Service:
    """A service that begins purchases, with what else is declared in it."""
    service = Service("shop", system="market")
    service.command("POST", "/purchases")(place)
    for declare in more:
        declare(service)
    return service


def called(name: str, *more: Callable[[Service], Any]) -> Service:
    """A service with what is declared in it."""
    service = Service(name, system="market")
    for declare in more:
        declare(service)
    return service


def manifest(*services: Service) -> Manifest:
    described = [describe(each, each.asgi().state.documents["openapi"], Here) for each in services]
    return Manifest(system="market", services=tuple(described))


def found(*services: Service, rule: str = "") -> list[Finding]:
    """What `clinic check` finds in a system of these; of one rule, when it is named."""
    return [each for each in check(Choreography([manifest(*services)])) if rule in ("", each.rule)]
