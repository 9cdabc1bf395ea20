"""compensation-missing: who has to undo something when a failure is published, and who has not."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from clinic_lib.declarations import Rule
from clinic_lib.errors import WiringError
from clinic_lib.saga import Saga
from clinic_lib.service import Service
from tests.wiring.market import (
    Cancelled,
    Confirmed,
    Kept,
    KeptBack,
    Placed,
    Priced,
    Purchase,
    Refused,
    Shelf,
    buy,
    called,
    cancel,
    found,
)

RULE: Rule = "compensation-missing"


def keep(event: Placed, shelf: Shelf) -> Kept:
    raise NotImplementedError


def keep_or_refuse(event: Placed, shelf: Shelf) -> Kept | Refused:
    raise NotImplementedError


def give_back(event: Cancelled, done: Kept, shelf: Shelf) -> None: ...


def give_back_refused(event: Refused, done: Kept, shelf: Shelf) -> None: ...


def call_off(event: Refused, done: Placed, purchase: Purchase) -> Cancelled:
    raise NotImplementedError


def cancels(service: Service) -> None:
    service.command("POST", "/purchases/{purchase_id}/cancellation")(cancel)


def undone(step: Callable[..., object], by: Callable[..., object]) -> Callable[[Service], None]:
    def declare(service: Service) -> None:
        service.compensation(service.step(step))(by)

    return declare


def about(*services: Service) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.about, each.because_of) for each in found(*services, rule=RULE)]


def test_a_service_that_did_something_before_a_failure_undoes_it() -> None:
    store = called("store", lambda service: service.step(keep))

    (finding,) = found(buy(cancels), store, rule=RULE)

    assert (finding.about, finding.because_of) == ("Cancelled", ("store.keep",))
    assert finding.place.file == "test_failure_rule.py"
    assert finding.place.line == keep.__code__.co_firstlineno
    assert "shop.cancel may publish the failure Cancelled when store has done keep" in finding.wrong
    assert (
        "@service.compensation(keep)\ndef undo_keep(event: Cancelled, done: Kept, shelf: Shelf)"
        in finding.write
    )


def test_a_compensation_is_enough() -> None:
    assert about(buy(cancels), called("store", undone(keep, give_back))) == []


def test_a_compensation_on_a_failure_that_follows_is_enough() -> None:
    def refuse(event: Kept) -> Refused:
        raise NotImplementedError

    store = called("store", undone(keep, give_back))
    shop = buy(lambda service: service.compensation(place_of(service))(call_off))

    assert about(shop, store, called("bank", lambda service: service.step(refuse))) == []


def test_a_failure_that_nobody_answers_by_another_has_to_be_undone_itself() -> None:
    def refuse(event: Kept) -> Refused:
        raise NotImplementedError

    store = called("store", undone(keep, give_back))
    bank = called("bank", lambda service: service.step(refuse))

    assert about(buy(), store, bank) == [("Refused", ("shop.place",)), ("Refused", ("store.keep",))]


def test_a_step_that_answered_with_the_failure_has_done_nothing() -> None:
    store = called("store", lambda service: service.step(keep_or_refuse))
    shop = buy(lambda service: service.compensation(place_of(service))(call_off_placed))

    assert about(shop, store) == []


def place_of(service: Service) -> Callable[..., object]:
    return service.handlers[0].function


def call_off_placed(event: Refused, done: Placed, purchase: Purchase) -> None: ...


def test_a_step_that_may_have_run_beside_the_failure_is_undone_too() -> None:
    def charge(event: Placed, purchase: Purchase | None) -> None: ...

    bank = called("bank", lambda service: service.step(charge))
    store = called("store", lambda service: service.step(keep_or_refuse))

    assert ("Refused", ("bank.charge",)) in about(buy(), store, bank)


def test_a_step_that_only_runs_when_it_went_well_is_not_before_the_failure() -> None:
    def send(event: Kept, purchase: Purchase | None) -> None: ...

    carrier = called("carrier", lambda service: service.step(send))
    store = called("store", lambda service: service.step(keep_or_refuse))
    shop = buy(lambda service: service.compensation(place_of(service))(call_off_placed))

    assert about(shop, store, carrier) == []


def test_a_step_without_rows_has_nothing_to_undo() -> None:
    def price(event: Placed) -> Priced:
        raise NotImplementedError

    assert about(buy(cancels), called("bank", lambda service: service.step(price))) == []


def test_a_step_with_sql_of_its_own_may_have_done_anything() -> None:
    async def charge(event: Placed, tx: AsyncConnection) -> None: ...

    bank = called("bank", lambda service: service.step(charge))

    assert about(buy(cancels), bank) == [("Cancelled", ("bank.charge",))]


def test_whoever_fails_with_its_own_row_in_hand_decides_itself() -> None:
    def keep_back(event: KeptBack, shelf: list[Shelf]) -> None: ...

    def refuse(event: Confirmed, purchase: Purchase) -> Refused:
        raise NotImplementedError

    def confirm(event: Placed) -> Confirmed:
        raise NotImplementedError

    shop = buy(lambda service: service.step(refuse))

    assert about(shop, called("bank", lambda service: service.step(confirm))) == []


def test_whoever_fails_without_a_look_at_what_it_did_undoes_it() -> None:
    def confirm(event: Placed) -> Confirmed:
        raise NotImplementedError

    def refuse(event: Confirmed) -> Refused:
        raise NotImplementedError

    shop = buy(lambda service: service.step(refuse))

    assert about(shop, called("bank", lambda service: service.step(confirm))) == [
        ("Refused", ("shop.place",))
    ]


def test_that_nothing_is_to_be_undone_is_said_with_a_reason() -> None:
    def look_up(event: Placed, shelf: Shelf) -> Kept:
        raise NotImplementedError

    def waived(service: Service) -> None:
        service.step(look_up)
        service.waive(RULE, look_up, reason="it looks a price up and changes nothing")

    assert about(buy(cancels), called("store", waived)) == []


def test_a_waiver_of_one_step_says_nothing_of_another() -> None:
    def look_up(event: Placed, shelf: Shelf) -> Kept:
        raise NotImplementedError

    def waived(service: Service) -> None:
        service.step(look_up)
        service.step(keep)
        service.waive(RULE, look_up, reason="it looks a price up and changes nothing")

    assert about(buy(cancels), called("store", waived)) == [("Cancelled", ("store.look_up", "store.keep"))]


def test_a_failure_may_be_waived_as_a_whole() -> None:
    def waived(service: Service) -> None:
        service.step(keep)
        service.waive(RULE, Cancelled, reason="the shelf is counted every night")

    store = called("store", waived)

    assert found(buy(cancels), store, rule=RULE) == found(buy(cancels), store, rule="waiver-unused") == []


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_waiver_without_a_reason_is_refused_at_import(reason: str) -> None:
    with pytest.raises(WiringError, match=r"needs a reason.*test_failure_rule\.py:\d+"):
        called("store").waive(RULE, keep, reason=reason)


def test_a_waiver_of_a_rule_that_there_is_not_is_refused_at_import() -> None:
    with pytest.raises(
        WiringError, match=r"no rule 'compensation': compensation-missing, .*test_failure_rule"
    ):
        called("store").waive("compensation", keep, reason="none")  # type: ignore[arg-type]


def test_a_waiver_that_matches_nothing_is_found() -> None:
    def waived(service: Service) -> None:
        service.compensation(service.step(keep))(give_back)
        service.waive(RULE, keep, reason="it used to have none")

    (finding,) = found(buy(cancels), called("store", waived), rule="waiver-unused")

    assert finding.about == "store.keep"
    assert finding.place.file == "test_failure_rule.py"
    assert finding.write == "take the waiver away"


def test_rows_of_its_own_are_not_undone_by_the_compensation_of_another_step() -> None:
    def charge(event: Placed, purchase: Purchase | None) -> None: ...

    def give_money_back(event: Cancelled, purchase: Purchase | None) -> None: ...

    half = called("store", undone(keep, give_back), lambda service: service.step(charge))
    whole = called("store", undone(keep, give_back), undone(charge, give_money_back))

    assert about(buy(cancels), half) == [("Cancelled", ("store.charge",))]
    assert about(buy(cancels), whole) == []


def test_rows_that_a_function_touches_together_are_undone_together() -> None:
    def charge(event: Placed, purchase: Purchase | None) -> None: ...

    def count(event: Kept, purchase: Purchase | None, shelf: Shelf) -> None: ...

    store = called("store", undone(keep, give_back), *(each_step(each) for each in (charge, count)))

    assert about(buy(cancels), store) == []


def each_step(step: Callable[..., object]) -> Callable[[Service], None]:
    def declare(service: Service) -> None:
        service.step(step)

    return declare


def test_a_compensation_with_sql_of_its_own_may_undo_anything() -> None:
    async def undo(event: Cancelled, done: Kept, tx: AsyncConnection) -> None: ...

    def charge(event: Placed, purchase: Purchase | None) -> None: ...

    assert about(buy(cancels), called("store", undone(keep, undo), each_step(charge))) == []


def test_a_compensation_at_what_is_no_failure_is_found() -> None:
    def too_early(event: Cancelled | KeptBack, done: Kept, shelf: Shelf) -> None: ...

    (finding,) = found(buy(cancels), called("store", undone(keep, too_early)), rule="compensation-uncaused")

    assert (finding.about, finding.place.line) == ("store.too_early", too_early.__code__.co_firstlineno)
    assert finding.wrong == "store.too_early undoes keep at KeptBack, which is no failure"
    assert finding.write == (
        "def too_early(event: Cancelled, …): ...\n# or class KeptBack(…, failure=True): ..."
    )


def test_a_failure_that_is_not_marked_is_found_at_its_compensation() -> None:
    def give_kept_back(event: KeptBack, done: Kept, shelf: Shelf) -> None: ...

    store = called("store", undone(keep, give_kept_back))

    (finding,) = found(buy(), store, rule="compensation-uncaused")

    assert finding.write.startswith("class KeptBack(…, failure=True): ...")


def expires(service: Service) -> None:
    saga = Saga("purchase", starts=Placed, ends=(Cancelled,), deadline=timedelta(hours=1))
    service.saga(saga)

    @service.deadline(saga)
    def expire(event: Placed, purchase: Purchase) -> Cancelled | None:
        raise NotImplementedError


def test_what_was_done_before_the_deadline_is_undone_when_it_fails() -> None:
    store = called("store", lambda service: service.step(keep))

    assert about(buy(expires), store) == [("Cancelled", ("store.keep",))]
    assert about(buy(expires), called("store", undone(keep, give_back))) == []
