"""Whatever is taken away from the two systems is missed, one by one, and the place is named."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from clinic_lib.wiring.errors import LookError
from clinic_lib.wiring.findings import Finding
from clinic_lib.wiring.manifest import HandlerFacts, Manifest
from tests.wiring.copies import ROOT, Copy, statements

APPS = {
    "clinic": ("reception", "diagnosis", "examination", "patient_management"),
    "reservation": ("order", "seat", "my_page"),
}
BASELINE = ("operation-gone", "baseline-stale", "schema-incompatible")
REGISTERED = re.compile(r"(?:(?P<variable>\w+) = )?service\.(?P<kind>\w+)\b.*\(domain\.(?P<name>\w+)\)$")


@dataclass(frozen=True)
class Removal:
    """A function that a service does without: the statement that registers it goes."""

    system: str
    service: str
    kind: str
    name: str

    @property
    def file(self) -> str:
        return f"services/{self.system}/{self.service}/app.py"

    def edit(self, text: str) -> str:
        """A compensation goes with its step: it could not be registered without it."""
        for statement in statements(text):
            found = REGISTERED.match(statement)
            if found and found["name"] == self.name:
                text = text.replace(statement + "\n", "")
                for other in statements(text):
                    if found["variable"] and other.startswith(f"service.compensation({found['variable']})"):
                        text = text.replace(other + "\n", "")
        return text


@dataclass(frozen=True)
class Deafness:
    """A function that does not handle one of its events any more."""

    system: str
    service: str
    name: str
    event: str

    @property
    def file(self) -> str:
        return f"services/{self.system}/{self.service}/domain.py"

    def edit(self, text: str) -> str:
        """Out of the union in its signature, or out of the alias that stands there."""
        signature = next(each for each in statements(text) if each.startswith(f"def {self.name}("))
        first = re.search(r"event: ([\w |]+)", signature)
        assert first
        union = next((each for each in statements(text) if each.startswith(f"{first[1]} = (")), signature)
        less = re.sub(rf"\|\s*{self.event}\b|\b{self.event}\s*\|", "", union, count=1)
        assert less != union
        return text.replace(union, less)


def removals() -> Iterator[Removal]:
    for system, services in APPS.items():
        for service in services:
            text = (ROOT / "services" / system / service / "app.py").read_text()
            for statement in statements(text):
                if (found := REGISTERED.match(statement)) and found["kind"] != "query":
                    yield Removal(system, service, found["kind"], found["name"])


def deafnesses() -> Iterator[Deafness]:
    for system, services in APPS.items():
        for service in services:
            text = (ROOT / "services" / system / service / "domain.py").read_text()
            for statement in statements(text):
                if found := re.match(r"def ([a-z]\w*)\(\s*event: ([\w |]+)", statement):
                    alias = next(
                        (each for each in statements(text) if each.startswith(f"{found[2]} = (")), found[2]
                    )
                    events = re.findall(
                        r"[A-Z]\w+(?=\s*\||\n?\)?$|\s)", alias.partition("= (")[2] or found[2]
                    )
                    for event in events if len(events) > 1 else ():
                        yield Deafness(system, service, found[1], event)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def whole(copy: Copy) -> dict[str, Manifest]:
    return {system: copy.manifest(system) for system in APPS}


def function(whole: dict[str, Manifest], removed: Removal | Deafness) -> HandlerFacts:
    handlers = [each for service in whole[removed.system].services for each in service.handlers]
    return next(each for each in handlers if each.full_name == f"{removed.service}.{removed.name}")


def after(copy: Copy, change: Removal | Deafness) -> tuple[list[Finding], dict[Finding, str]]:
    """What is found then, and the statement at each place."""
    with copy.edited(change.file, change.edit((copy.folder / change.file).read_text())):
        found = [each for each in copy.findings(change.system) if each.rule not in BASELINE]
        return found, {each: copy.statement_at(each.place.file, each.place.line) for each in found}


def test_every_function_of_both_systems_is_tried(whole: dict[str, Manifest]) -> None:
    tried = {f"{each.service}.{each.name}" for each in removals()}

    assert tried == {
        handler.full_name
        for manifest in whole.values()
        for service in manifest.services
        for handler in service.handlers
    }
    assert len(tried) == 33


@pytest.mark.parametrize("removed", [each for each in removals() if each.kind != "command"], ids=str)
def test_a_function_that_is_taken_away_is_missed(
    copy: Copy, whole: dict[str, Manifest], removed: Removal
) -> None:
    was = function(whole, removed)

    found, places = after(copy, removed)

    fitting = [each for each in found if _names(each, places[each], was)]
    assert fitting, found


def _names(finding: Finding, statement: str, was: HandlerFacts) -> bool:
    """Whether the finding leads to what is missing: by what it is about, and by what stands at its place."""
    match was.kind:
        case "compensation":
            undone = f"def {was.compensates}("
            return finding.rule == "compensation-missing" and statement.startswith(undone)
        case "projection":
            is_view = statement.startswith("service.view(")
            return finding.rule == "view-uncovered" and is_view and was.handles[0] in finding.wrong
        case "deadline":
            return finding.rule == "deadline-undecided" and "= Saga(" in statement
        case _:
            return finding.about in (*was.handles, *was.answers) and finding.about in statement


@pytest.mark.parametrize("deaf", list(deafnesses()), ids=str)
def test_an_event_that_a_function_does_not_handle_any_more_is_missed(
    copy: Copy, whole: dict[str, Manifest], deaf: Deafness
) -> None:
    undone = f"def {function(whole, deaf).compensates}("

    found, places = after(copy, deaf)

    named = [each for each in found if deaf.event in each.wrong]
    assert [each for each in named if deaf.event in places[each] or places[each].startswith(undone)], found


@pytest.mark.parametrize("removed", [each for each in removals() if each.kind == "command"], ids=str)
def test_a_command_that_is_taken_away_is_missed(
    copy: Copy, whole: dict[str, Manifest], removed: Removal
) -> None:
    request = function(whole, removed).request
    assert request

    with copy.edited(removed.file, removed.edit((copy.folder / removed.file).read_text())):
        try:
            found = [each.wrong for each in copy.findings(removed.system) if each.rule == "operation-gone"]
        except LookError as exc:  # it began the service's saga, which can't be declared without it
            found = [f"{request} {exc}" if "contracts.py:" in str(exc) else ""]

    assert any(request in each for each in found)


@pytest.mark.parametrize("system", APPS)
def test_a_query_that_is_taken_away_is_missed(copy: Copy, system: str) -> None:
    for service in APPS[system]:
        file = f"services/{system}/{service}/app.py"
        text = (copy.folder / file).read_text()
        query = next(each for each in statements(text) if each.startswith("service.query("))
        with copy.edited(file, text.replace(query + "\n", "")):
            gone = [each for each in copy.findings(system) if each.rule == "operation-gone"]

        path = re.search(r'"(/\w+)"', query)
        assert path
        assert [path[1] in each.wrong for each in gone] == [True, True], service


def test_a_step_without_which_its_compensation_stands_alone_says_where(copy: Copy) -> None:
    file = "services/reservation/seat/app.py"
    text = (copy.folder / file).read_text()

    without = copy.edited(file, text.replace("reserve = service.step(domain.reserve)\n", ""))
    with without, pytest.raises(LookError, match=r"'reserve' is not defined \(.*seat/app\.py:\d+\)"):
        copy.findings("reservation")


CONTRACTS, DOMAIN = "services/reservation/contracts.py", "services/reservation/order/domain.py"
SAID_WRONGLY = {
    "an end is not named": (
        (CONTRACTS, "ends=(OrderConfirmed, OrderCancelled)", "ends=(OrderConfirmed,)"),
        ("path-open", "OrderCancelled", "reservation = Saga("),
        'Saga("reservation", …, ends=(OrderConfirmed, OrderCancelled))',
    ),
    "an end is not marked as a failure": (
        (
            CONTRACTS,
            "class OrderCancelled(ReservationEvent, failure=True)",
            "class OrderCancelled(ReservationEvent)",
        ),
        ("restore-unanswered", "saga reservation", "class OrderCancelled("),
        "class OrderCancelled(…, failure=True): ...",
    ),
    "a refusal is not marked as a failure": (
        (
            CONTRACTS,
            "class SeatsRefused(ReservationEvent, failure=True)",
            "class SeatsRefused(ReservationEvent)",
        ),
        ("compensation-uncaused", "order.cancel_refused", "def cancel_refused("),
        "class SeatsRefused(…, failure=True): ...",
    ),
    "a compensation takes what is no failure": (
        (
            DOMAIN,
            "def cancel_refused(event: SeatsRefused,",
            "def cancel_refused(event: SeatsRefused | SeatsReserved,",
        ),
        ("compensation-uncaused", "order.cancel_refused", "def cancel_refused("),
        "def cancel_refused(event: SeatsRefused, …): ...",
    ),
}


@pytest.mark.parametrize(("edit", "expected", "write"), SAID_WRONGLY.values(), ids=SAID_WRONGLY)
def test_what_is_said_wrongly_is_found_with_what_to_write(
    copy: Copy, edit: tuple[str, str, str], expected: tuple[str, str, str], write: str
) -> None:
    file, old, new = edit
    text = (copy.folder / file).read_text()
    assert old in text

    with copy.edited(file, text.replace(old, new)):
        found = [each for each in copy.findings("reservation") if (each.rule, each.about) == expected[:2]]
        places = [copy.statement_at(each.place.file, each.place.line) for each in found]

    assert [each.startswith(expected[2]) for each in places] == [True]
    assert found[0].write.startswith(write)


@pytest.mark.parametrize("system", APPS)
def test_in_the_systems_as_they_are_nothing_is_found(copy: Copy, system: str) -> None:
    assert copy.findings(system) == []


def test_the_copy_is_what_is_looked_at(copy: Copy, whole: dict[str, Manifest]) -> None:
    file = "services/reservation/contracts.py"
    renamed = (copy.folder / file).read_text().replace("SeatsReleased", "SeatsFreed")

    with copy.edited(file, renamed), pytest.raises(LookError, match="SeatsReleased"):
        copy.manifest("reservation")

    assert copy.manifest("reservation") == whole["reservation"]
