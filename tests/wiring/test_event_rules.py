"""Rules about events, views and restores, each with a system that breaks it and one that does not."""

from datetime import timedelta

from clinic_lib.messages import Event, Id
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
    Shelf,
    buy,
    called,
    cancel,
    found,
)


def file_away(event: Placed) -> Filed:
    raise NotImplementedError


def show(event: Placed | Kept, purchase: Purchase | None) -> None: ...


def keep(event: Placed) -> Kept:
    raise NotImplementedError


def refuse(event: Placed) -> Refused:
    raise NotImplementedError


def test_an_event_that_nobody_does_anything_about_is_found_at_its_publisher() -> None:
    page = called("page", lambda service: service.projection(show))

    (finding,) = found(buy(), page, rule="event-unheard")

    assert (finding.about, finding.place.file) == ("Placed", "market.py")
    assert "shop.place publishes Placed, and no service does anything about it" in finding.wrong
    assert "page.show only shows it" in finding.wrong
    assert "def note_placed(event: Placed)" in finding.write


def test_an_event_may_be_heard_end_a_saga_or_be_a_fact() -> None:
    filing = called("filing", lambda service: service.step(file_away))
    saga = Saga("purchase", starts=Placed, ends=(Placed,))

    assert found(buy(), filing, rule="event-unheard") == []
    assert found(buy(lambda service: service.saga(saga)), rule="event-unheard") == []


def test_the_start_of_a_saga_waits_for_a_second_service() -> None:
    shop = buy(lambda service: service.saga(Saga("purchase", starts=Placed, ends=(Confirmed,))))
    page = called("page", lambda service: service.projection(show))

    assert found(shop, rule="event-unheard") == []
    assert [each.about for each in found(shop, page, rule="event-unheard")] == ["Placed"]


def test_a_fact_that_a_step_acts_on_is_none() -> None:
    def act(event: Filed) -> None: ...

    filing = called("filing", lambda service: service.step(file_away))

    (finding,) = found(buy(), filing, called("other", lambda service: service.step(act)), rule="fact-heard")

    assert finding.about == "Filed"
    assert "other.act acts on it" in finding.wrong


def test_a_fact_may_be_shown() -> None:
    def see(event: Filed, purchase: Purchase) -> None: ...

    filing = called("filing", lambda service: service.step(file_away))
    page = called("page", lambda service: service.projection(see))

    assert found(buy(), filing, page, rule="fact-heard") == []


def test_an_event_that_nobody_publishes_is_found_at_whoever_handles_it() -> None:
    page = called("page", lambda service: service.projection(show))

    (finding,) = found(buy(), page, rule="event-unpublished")

    assert finding.about == "Kept"
    assert finding.place.line == show.__code__.co_firstlineno
    assert "page.show handles Kept, which no service publishes" in finding.wrong


def test_whoever_handles_an_event_that_nobody_publishes_is_named() -> None:
    def see(event: Kept, purchase: Purchase | None) -> None: ...

    page = called("page", lambda service: service.projection(show), lambda service: service.projection(see))

    (finding,) = found(buy(), page, rule="event-unpublished")

    assert finding.wrong == "page.show, page.see handle Kept, which no service publishes"


def test_an_end_that_nobody_publishes_is_found_at_its_saga() -> None:
    saga = Saga("purchase", starts=Placed, ends=(Confirmed,))

    (finding,) = found(buy(lambda service: service.saga(saga)), rule="event-unpublished")

    assert (finding.about, finding.place.file) == ("Confirmed", "test_event_rules.py")


def test_a_view_shows_just_what_it_covers() -> None:
    def declare(service: Service) -> None:
        service.projection(show)
        service.view(Purchase, covers=(Placed, Confirmed))

    page = called("page", declare)

    missed, undeclared = found(buy(), page, rule="view-uncovered")

    assert missed.about == undeclared.about == "page.Purchase"
    assert "covers Confirmed, and no projection handles it" in missed.wrong
    assert "def show_confirmed(event: Confirmed, view: Purchase)" in missed.write
    assert "page.show shows Kept" in undeclared.wrong
    assert undeclared.write == "service.view(Purchase, covers=(Placed, Confirmed, Kept))"


def test_what_another_view_shows_does_not_cover_this_one() -> None:
    def declare(service: Service) -> None:
        service.projection(show)
        service.view(Shelf, covers=(Placed,))

    (finding,) = found(buy(), called("page", declare), rule="view-uncovered")

    assert finding.about == "page.Shelf"


def test_all_events_of_a_log_have_one_key() -> None:
    class Restocked(Event, topic="market", key="shelf_id"):
        shelf_id: Id

    class Renamed(Event, topic="market", key="purchase_id"):
        purchase_id: str

    class Elsewhere(Event, topic="suppliers", key="shelf_id"):
        shelf_id: Id

    def tell(event: Placed) -> Restocked | Renamed | Elsewhere:
        raise NotImplementedError

    findings = found(buy(), called("store", lambda service: service.step(tell)), rule="key-differs")

    assert {each.about: each.wrong for each in findings} == {
        "Restocked": "the log market is keyed by purchase_id (integer), and Restocked by shelf_id",
        "Renamed": "the log market is keyed by purchase_id (integer), and Renamed has it as string",
    }


def test_an_event_that_holds_others_of_its_class_has_a_key_too() -> None:
    class Split(Event, topic="market", key="purchase_id"):
        purchase_id: Id
        parts: "list[Split]"

    Split.model_rebuild(_types_namespace={"Split": Split})

    def split(event: Placed) -> Split:
        raise NotImplementedError

    assert found(buy(), called("store", lambda service: service.step(split)), rule="key-differs") == []


def restorable(service: Service) -> None:
    saga = Saga("purchase", starts=Placed, ends=(Cancelled,), deadline=timedelta(hours=1))
    service.saga(saga, restorable=True)
    service.command("POST", "/purchases/{purchase_id}/cancellation")(cancel)


def test_an_owner_that_bears_a_restore_answers_for_rows_that_are_gone() -> None:
    def note_kept(event: Kept, purchase: Purchase) -> None: ...

    shop = buy(restorable, lambda service: service.step(note_kept))
    store = called("store", lambda service: service.step(keep))

    findings = found(shop, store, rule="restore-unanswered")

    assert [each.about for each in findings] == ["Kept", "Cancelled"]
    assert findings[0].place.line == note_kept.__code__.co_firstlineno
    assert "purchase: Purchase | None) -> Cancelled | None" in findings[0].write
    assert "shop.cancel published Cancelled, and no step hears it back" in findings[1].wrong


def test_an_owner_with_such_steps_bears_it() -> None:
    def disown(event: Kept, purchase: Purchase | None) -> Cancelled | None:
        raise NotImplementedError

    def recall(event: Cancelled, purchase: Purchase | None) -> None: ...

    shop = buy(restorable, lambda service: service.step(disown), lambda service: service.step(recall))

    assert found(shop, called("store", lambda service: service.step(keep)), rule="restore-unanswered") == []


def test_an_owner_that_says_nothing_of_restores_is_not_asked() -> None:
    saga = Saga("purchase", starts=Placed, ends=(Refused,))
    store = called("store", lambda service: service.step(refuse))

    assert found(buy(lambda service: service.saga(saga)), store, rule="restore-unanswered") == []


def test_an_owner_whose_ends_are_no_failures_can_answer_with_none() -> None:
    def disown(event: Kept, purchase: Purchase | None) -> Cancelled | None:
        raise NotImplementedError

    saga = Saga("purchase", starts=Placed, ends=(Confirmed,))
    shop = buy(lambda service: service.saga(saga, restorable=True), lambda service: service.step(disown))

    (finding,) = found(shop, called("store", lambda service: service.step(keep)), rule="restore-unanswered")

    assert (finding.about, finding.place.file) == ("saga purchase", "test_event_rules.py")
    assert "no end of purchase is a failure (Confirmed)" in finding.wrong
    assert finding.write.startswith('Saga("purchase", …, ends=(Confirmed, Cancelled))')


def test_an_end_that_is_undone_and_not_marked_is_to_be_marked() -> None:
    def disown(event: Kept, purchase: Purchase | None) -> KeptBack | None:
        raise NotImplementedError

    def give_back(event: KeptBack, done: Kept) -> None: ...

    saga = Saga("purchase", starts=Placed, ends=(KeptBack, Confirmed))
    shop = buy(lambda service: service.saga(saga, restorable=True), lambda service: service.step(disown))
    store = called("store", lambda service: service.compensation(service.step(keep))(give_back))

    (finding,) = found(shop, store, rule="restore-unanswered")

    assert finding.place.file == "market.py"
    assert finding.write.startswith("class KeptBack(…, failure=True): ...")
