"""view-uncovered: a view's projections handle just the events that it is declared to cover."""

from collections.abc import Iterator

from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.findings import Finding, snake

__all__ = ["view_uncovered"]


def view_uncovered(system: Choreography) -> Iterator[Finding]:
    """In both directions: what is shown and not declared would not be missed."""
    for service in system.services.values():
        for coverage in service.coverages:
            projections = [
                each
                for each in service.handlers
                if each.kind == "projection" and (coverage.row in each.touches or each.own_sql)
            ]
            shown = {event: each for each in projections for event in each.handles}
            about = f"{service.name}.{coverage.row}"
            for event in (each for each in coverage.events if each not in shown):
                yield Finding(
                    rule="view-uncovered",
                    about=about,
                    place=coverage.place,
                    wrong=f"the view {coverage.row} of {service.name} covers {event}, and no projection handles it",
                    write=f"@service.projection\n"
                    f"def show_{snake(event)}(event: {event}, view: {coverage.row}) -> None: ...",
                )
            for event, each in shown.items():
                if event not in coverage.events and not each.own_sql:
                    yield Finding(
                        rule="view-uncovered",
                        about=about,
                        place=each.place,
                        wrong=f"{each.full_name} shows {event}, which the view {coverage.row} is not declared to cover",
                        write=f"service.view({coverage.row}, covers=({', '.join((*coverage.events, event))}))",
                    )
