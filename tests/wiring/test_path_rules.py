"""Rules about where sagas end, each with a system that breaks it and one that does not."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from clinic_lib.messages import Event
from clinic_lib.saga import Saga
from clinic_lib.service import Service
from tests.wiring.market import (
    Cancelled,
    Confirmed,
    Filed,
    Kept,
    KeptBack,
    Placed,
    Purchase,
    Refused,
    buy,
    called,
    cancel,
    found,
    manifest,
)


def keep(event: Placed) -> Kept:
    raise NotImplementedError


def confirm(event: Kept) -> Confirmed | None:
    raise NotImplementedError


def note(event: Kept) -> None: ...


def owns(*ends: type[Event], deadline: timedelta | None = None) -> Callable[[Service], None]:
    return lambda service: service.saga(Saga("purchase", starts=Placed, ends=ends, deadline=deadline))


def steps(name: str, *functions: Callable[..., object]) -> Service:
    return called(name, *(lambda service, each=each: service.step(each) for each in functions))


def about(rule: str, *services: Service) -> list[str]:
    return [each.about for each in found(*services, rule=rule)]


def test_a_path_that_leads_to_no_end_is_found_where_it_stops() -> None:
    findings = found(buy(owns(Confirmed)), steps("store", keep, note), rule="path-open")

    assert [each.about for each in findings] == ["Kept"]
    assert findings[0].place.line == keep.__code__.co_firstlineno
    assert "after Kept no end of the saga purchase can be reached" in findings[0].wrong
    assert "(nor after Placed, which leads to it)" in findings[0].wrong
    assert findings[0].write.startswith("@service.step\ndef …(event: Kept) -> Confirmed: ...")


def test_a_failure_that_the_saga_does_not_name_is_found_at_the_saga() -> None:
    def refuse(event: Placed) -> Kept | Refused:
        raise NotImplementedError

    (finding,) = found(buy(owns(Confirmed)), steps("store", refuse, confirm), rule="path-open")

    assert (finding.about, finding.place.line) == ("Refused", owns.__code__.co_firstlineno + 1)
    assert finding.write.startswith('Saga("purchase", …, ends=(Confirmed, Refused))')


def decides(function: Callable[..., object]) -> Callable[[Service], None]:
    def declare(service: Service) -> None:
        saga = Saga("purchase", starts=Placed, ends=(Confirmed,), deadline=timedelta(hours=1))
        service.saga(saga)
        service.deadline(saga)(function)

    return declare


def test_a_decision_at_the_deadline_that_leads_to_no_end_does_not_help() -> None:
    def expire(event: Placed) -> Cancelled | None:
        raise NotImplementedError

    assert about("path-open", buy(decides(expire)), steps("store", keep, note)) == ["Cancelled", "Kept"]


def test_a_decision_at_the_deadline_may_lead_to_an_end_by_a_step() -> None:
    def expire(event: Placed) -> KeptBack:
        raise NotImplementedError

    def settle(event: KeptBack) -> Confirmed:
        raise NotImplementedError

    assert about("path-open", buy(decides(expire)), steps("store", keep, settle)) == []


def test_a_path_may_end_by_a_step() -> None:
    assert about("path-open", buy(owns(Confirmed)), steps("store", keep, confirm)) == []


def test_a_path_may_end_by_a_command_about_a_row_that_is_there_by_then() -> None:
    def cancels(service: Service) -> None:
        service.command("POST", "/purchases/{purchase_id}/cancellation")(cancel)

    assert about("path-open", buy(owns(Cancelled), cancels), steps("store", keep, note)) == []


def test_a_command_about_a_row_that_nobody_on_the_path_made_does_not_help() -> None:
    def cancels(service: Service) -> None:
        service.command("POST", "/purchases/{purchase_id}/cancellation")(cancel)

    other = called("other", cancels)

    assert about("path-open", buy(owns(Cancelled)), steps("store", keep, note), other) == ["Kept"]


def test_a_path_may_end_at_the_deadline() -> None:
    saga = Saga("purchase", starts=Placed, ends=(Cancelled,), deadline=timedelta(hours=1))

    def decided(service: Service) -> None:
        service.saga(saga)

        @service.deadline(saga)
        def expire(event: Placed) -> Cancelled:
            raise NotImplementedError

    assert about("path-open", buy(decided), steps("store", keep, note)) == []
    assert about("deadline-undecided", buy(decided)) == []


def test_a_deadline_at_which_nobody_decides_is_found_at_its_saga() -> None:
    (finding,) = found(buy(owns(Cancelled, deadline=timedelta(hours=1))), rule="deadline-undecided")

    assert (finding.about, finding.place.file) == ("saga purchase", "test_path_rules.py")
    assert "@service.deadline(purchase)\ndef expire(event: Placed, …) -> Cancelled | None" in finding.write


def back(event: Kept) -> KeptBack:
    raise NotImplementedError


def forth(event: KeptBack) -> Kept:
    raise NotImplementedError


def test_steps_that_always_answer_each_other_go_round_for_ever() -> None:
    (finding,) = found(buy(), steps("store", keep, back), steps("other", forth), rule="cycle-without-exit")

    assert finding.about in ("Kept", "KeptBack")
    assert "goes round for ever" in finding.wrong
    assert finding.place.file == "test_path_rules.py"


def test_a_circle_in_which_one_may_stop_has_an_exit() -> None:
    def forth_or_not(event: KeptBack) -> Kept | None:
        raise NotImplementedError

    def forth_or_file(event: KeptBack) -> Kept | Filed:
        raise NotImplementedError

    for exit_ in (forth_or_not, forth_or_file):
        assert about("cycle-without-exit", buy(), steps("store", keep, back), steps("other", exit_)) == []


def test_a_circle_whose_ways_all_lead_back_has_no_exit() -> None:
    def either(event: Kept) -> KeptBack | Filed:
        raise NotImplementedError

    def again(event: Filed) -> Kept:
        raise NotImplementedError

    (finding,) = found(buy(), steps("store", keep, either, forth, again), rule="cycle-without-exit")

    assert finding.wrong.startswith("Kept → KeptBack → Kept goes round for ever")


def test_a_step_that_always_answers_itself_goes_round_for_ever() -> None:
    def again(event: Kept, purchase: Purchase | None) -> tuple[Kept, Filed]:
        raise NotImplementedError

    assert about("cycle-without-exit", buy(), steps("store", keep, again)) == ["Kept"]


def test_what_goes_on_after_an_end_is_found() -> None:
    def go_on(event: Confirmed) -> KeptBack:
        raise NotImplementedError

    store = steps("store", keep, confirm)

    (finding,) = found(buy(owns(Confirmed)), store, steps("other", go_on), rule="end-followed")

    assert finding.about == "other.go_on"
    assert finding.wrong == "Confirmed ends the saga purchase, and other.go_on goes on with KeptBack"


def test_after_an_end_it_may_be_noted_told_called_off_and_begun_anew() -> None:
    def note_end(event: Confirmed) -> None: ...

    def tell(event: Confirmed) -> Filed:
        raise NotImplementedError

    def call_off(event: Confirmed) -> Cancelled | None:
        raise NotImplementedError

    def begin_anew(event: Confirmed) -> Placed | None:
        raise NotImplementedError

    others: Sequence[Callable[..., object]] = (note_end, tell, call_off, begin_anew)

    store = steps("store", keep, confirm)
    assert about("end-followed", buy(owns(Confirmed)), store, steps("other", *others)) == []


def test_an_end_of_which_the_owner_does_not_hear_is_found() -> None:
    store = steps("store", keep, confirm)

    (finding,) = found(buy(owns(Confirmed)), store, rule="end-unheard")

    assert finding.about == "Confirmed"
    assert "store.confirm ends the saga purchase by Confirmed, and its owner shop" in finding.wrong


def test_an_owner_may_hear_of_the_end_or_tell_it_itself() -> None:
    def complete(event: Confirmed, purchase: Purchase) -> None: ...

    hears = buy(owns(Confirmed), lambda service: service.step(complete))
    tells = buy(owns(Confirmed), lambda service: service.step(confirm))

    assert about("end-unheard", hears, steps("store", keep, confirm)) == []
    assert about("end-unheard", tells, steps("store", keep)) == []


def test_an_end_is_told_by_the_owner_or_by_others() -> None:
    tells = buy(owns(Confirmed), lambda service: service.step(confirm))

    assert about("end-shared", tells, steps("store", keep)) == []
    assert about("end-shared", tells, steps("store", keep, confirm)) == ["Confirmed"]


def test_an_owner_without_rows_has_nothing_to_learn_from_an_end() -> None:
    def open_(event: Filed) -> Placed:
        raise NotImplementedError

    owner = called("owner", lambda service: service.step(open_), owns(Confirmed))

    assert about("end-unheard", owner, steps("store", keep, confirm)) == []


def test_a_step_may_answer_with_several_events_or_none() -> None:
    def many(event: Kept) -> list[Confirmed]:
        raise NotImplementedError

    def both(event: Kept) -> tuple[Confirmed, Filed | None]:
        raise NotImplementedError

    (store,) = manifest(steps("store", many, both)).services

    assert [each.outcomes for each in store.handlers] == [
        (("Confirmed",), ()),
        (("Confirmed", "Filed"), ("Confirmed",)),
    ]
