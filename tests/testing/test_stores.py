"""Where a scenario's services stand: in memory, or on PostgreSQL when memory can't be one."""

from decimal import Decimal

import pytest
from sqlalchemy import CheckConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.service import Service
from clinic_lib.storage import NewIds
from clinic_lib.testing.scenario import Scenario
from clinic_lib.testing.simulation.postgresql import Postgresql
from tests.core.shop import OrderConfirmed
from tests.testing import planted_bugs as planted


class Till(MappedAsDataclass, DeclarativeBase):
    pass


class Receipt(Till):
    __tablename__ = "receipt"
    __table_args__ = (CheckConstraint("round(paid) > 0", name="receipt_is_paid"),)

    receipt_id: Mapped[int] = mapped_column(primary_key=True)
    paid: Mapped[Decimal]


def test_functions_with_sql_of_their_own_ask_for_a_postgresql() -> None:
    with pytest.raises(ValueError, match=r"say stores=Postgresql\(url\).store"):
        Scenario(planted.careful_payment)


def test_a_check_that_memory_cannot_judge_asks_for_a_postgresql(postgresql_url: str) -> None:
    service = Service("till", system="shop")

    @service.step
    def pay(event: OrderConfirmed, ids: NewIds[Receipt]) -> Receipt:
        return Receipt(next(ids), Decimal(1))

    with pytest.raises(
        ValueError, match=r"check \(round\(paid\) > 0\) of table receipt .*it calls round\): say stores="
    ):
        Scenario(service)
    with Postgresql(postgresql_url) as postgresql:
        scenario = Scenario(service, stores=postgresql.store).given(Receipt(1, Decimal(3)))
        scenario.given(OrderConfirmed(order_id=1), OrderConfirmed(order_id=2)).run()

        assert scenario.rows(Receipt) == [Receipt(n, Decimal(3 if n == 1 else 1)) for n in (1, 2, 3)]
