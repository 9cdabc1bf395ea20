"""The table of docs/change.md, row by row: each change is made to a copy of the contracts, and looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from clinic_lib.wiring.check import check
from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.findings import Finding
from tests.wiring.copies import Copy

CONTRACTS = "services/reservation/contracts.py"
UPCASTER = """
    currency: Text


@OrderPlaced.upcast(from_version=1)
def assume_euros(data: dict[str, object]) -> dict[str, object]:
    return data | {"currency": "EUR"}
"""


@dataclass(frozen=True)
class Change:
    """Texts that are replaced, and what is said then; nothing for a change that breaks nobody."""

    name: str
    edits: Sequence[tuple[str, str]]
    wrong: str = ""

    def applied(self, text: str) -> str:
        for old, new in self.edits:
            assert old in text, old
            text = text.replace(old, new)
        return text


CUSTOMER = "    customer: Text\n"
CHANGES = [
    Change("a field more that may be missing", [(CUSTOMER, CUSTOMER + "    note: Text | None = None\n")]),
    Change(
        "a field more that must be there, without a version",
        [(CUSTOMER, CUSTOMER + "    currency: Text\n")],
        "OrderPlaced: in records that stand in the log, currency is not there, and is read",
    ),
    Change(
        "a field more that must be there, with a version and no upcaster",
        [
            (CUSTOMER, CUSTOMER + "    currency: Text\n"),
            ("OrderPlaced(ReservationEvent", "OrderPlaced(ReservationEvent, version=2"),
        ],
        "OrderPlaced: in records that stand in the log, currency is not there, and is read",
    ),
    Change(
        "a field more that must be there, with an upcaster",
        [
            (CUSTOMER, CUSTOMER + UPCASTER),
            ("OrderPlaced(ReservationEvent", "OrderPlaced(ReservationEvent, version=2"),
        ],
    ),
    Change(
        "a field less that readers need",
        [(CUSTOMER, "")],
        "OrderPlaced: for readers of version 1, customer is not there, and is read",
    ),
    Change("a field less that has a default", [("    seat_name: Text | None = None\n", "")]),
    Change(
        "another type",
        [(CUSTOMER, "    customer: int\n")],
        "OrderPlaced: in records that stand in the log, customer is string, and is read as integer",
    ),
    Change("a wider limit", [("Field(ge=1, le=2**63 - 1)", "Field(ge=0, le=2**63 - 1)")]),
    Change(
        "a narrower limit",
        [("Field(ge=1, le=2**63 - 1)", "Field(ge=1, le=10)")],
        "SeatsReserved: in records that stand in the log, quantity has maximum 9223372036854775807, "
        "and is read up to 10",
    ),
    Change(
        "no failure any more",
        [("class SeatsRefused(ReservationEvent, failure=True)", "class SeatsRefused(ReservationEvent)")],
        "SeatsRefused: its failure was True and is False",
    ),
    Change(
        "another topic",
        [('topic="reservation"', 'topic="orders"')],
        "OrderPlaced: its topic was reservation and is orders",
    ),
]


ELSEWHERE = Change("another log", [('topic="reservation"', 'topic="orders"')])


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy"))


def since_the_baseline(copy: Copy, change: Change) -> list[Finding]:
    with copy.edited(CONTRACTS, change.applied((copy.folder / CONTRACTS).read_text())):
        return copy.findings("reservation")


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_is_told_from_one_that_breaks_somebody(copy: Copy, change: Change) -> None:
    findings = since_the_baseline(copy, change)

    broken = [each for each in findings if each.rule == "schema-incompatible"]
    stale = [each for each in findings if each.rule == "baseline-stale"]
    assert (bool(broken), bool(stale)) == (bool(change.wrong), not change.wrong)
    assert not change.wrong or change.wrong in [each.wrong for each in broken]
    assert {each.place.file for each in broken} <= {CONTRACTS}


def test_an_upcaster_is_never_taken_away(copy: Copy) -> None:
    with_upcaster = CHANGES[3].applied((copy.folder / CONTRACTS).read_text())
    without = with_upcaster.replace("@OrderPlaced.upcast(from_version=1)\n", "")
    baseline = copy.folder / "schemas/reservation.json"

    agreed = baseline.read_text()
    with copy.edited(CONTRACTS, with_upcaster):
        copy.agree("reservation")
        assert copy.findings("reservation") == []
    with copy.edited(CONTRACTS, without):
        findings = copy.findings("reservation")
    baseline.write_text(agreed)

    assert "records of version 1 stand in the log, and their upcaster is gone" in " ".join(
        e.wrong for e in findings
    )


def test_an_event_that_is_gone_is_waived_by_its_name(copy: Copy) -> None:
    domain = "services/reservation/seat/domain.py"
    contracts = (copy.folder / CONTRACTS).read_text().replace("SeatsReleased", "SeatsFreed")
    waived = '\nservice.waive("schema-incompatible", "SeatsReleased", reason="nobody ever read one")\n'
    app = "services/reservation/seat/app.py"
    with (
        copy.edited(CONTRACTS, contracts),
        copy.edited(domain, (copy.folder / domain).read_text().replace("SeatsReleased", "SeatsFreed")),
    ):
        (gone,) = [each for each in copy.findings("reservation") if each.rule == "schema-incompatible"]
        with copy.edited(app, (copy.folder / app).read_text() + waived):
            left = copy.findings("reservation")

    assert gone.wrong == "no service declares SeatsReleased any more, and records of it stand in the log"
    assert [each.rule for each in left] == ["baseline-stale"]


def found_with_seat_of(copy: Copy, change: Change) -> list[Finding]:
    """The system, with the service `seat` as another repository has it."""
    ours = copy.manifest("reservation")
    with copy.edited(CONTRACTS, change.applied((copy.folder / CONTRACTS).read_text())):
        theirs = copy.manifest("reservation")
    seat = tuple(each for each in theirs.services if each.name == "seat")
    rest = tuple(each for each in ours.services if each.name != "seat")
    parts = [ours.model_copy(update={"services": rest}), theirs.model_copy(update={"services": seat})]
    return [each for each in check(Choreography(parts)) if each.rule == "schema-incompatible"]


def test_a_service_elsewhere_with_another_class_for_an_event_is_found(copy: Copy) -> None:
    (finding,) = found_with_seat_of(copy, CHANGES[8])

    assert finding.about == "OrderPlaced"
    assert "seat can't read each OrderPlaced as it is published: quantity has maximum" in finding.wrong


def test_a_service_elsewhere_that_looks_for_an_event_in_another_log_is_found(copy: Copy) -> None:
    found = found_with_seat_of(copy, ELSEWHERE)

    assert all("its topic, key or failure is another one there" in each.wrong for each in found)
    assert "OrderPlaced" in [each.about for each in found]


def test_a_service_elsewhere_that_reads_older_versions_by_an_upcaster_is_right(copy: Copy) -> None:
    assert found_with_seat_of(copy, CHANGES[3]) == []


def test_a_version_never_goes_down(copy: Copy) -> None:
    contracts = (copy.folder / CONTRACTS).read_text()
    baseline = copy.folder / "schemas/reservation.json"
    agreed = baseline.read_text()

    newer = contracts.replace("OrderConfirmed(ReservationEvent", "OrderConfirmed(ReservationEvent, version=2")
    with copy.edited(CONTRACTS, newer):
        copy.agree("reservation")
    (finding,) = copy.findings("reservation")
    baseline.write_text(agreed)

    assert finding.wrong == "OrderConfirmed: its version was 2 and is 1"


def test_what_a_command_takes_stays(copy: Copy) -> None:
    file = "services/reservation/order/domain.py"
    text = (copy.folder / file).read_text()
    needs_more = text.replace(
        "    quantity: Quantity\n    customer: Text\n",
        "    quantity: Quantity\n    customer: Text\n    email: Text\n",
    )
    assert needs_more != text

    with copy.edited(file, needs_more):
        (finding,) = [each for each in copy.findings("reservation") if each.rule == "operation-gone"]

    assert finding.wrong == "POST /orders of order: email is not there, and is read"
    assert finding.place.file == file
