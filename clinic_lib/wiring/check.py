"""All rules over one system, less what its services waive."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from clinic_lib.wiring.changes import written_otherwise
from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.events import event_unheard, event_unpublished, fact_heard, key_differs
from clinic_lib.wiring.failures import compensation_missing, compensation_uncaused
from clinic_lib.wiring.findings import Finding
from clinic_lib.wiring.manifest import WaiverFacts
from clinic_lib.wiring.paths import (
    cycle_without_exit,
    deadline_undecided,
    end_followed,
    end_shared,
    end_unheard,
    path_open,
)
from clinic_lib.wiring.restores import restore_unanswered
from clinic_lib.wiring.views import view_uncovered

__all__ = ["RULES", "check", "without_waived"]

RULES: Sequence[Callable[[Choreography], Iterator[Finding]]] = (
    *(compensation_missing, compensation_uncaused, event_unheard, event_unpublished, fact_heard, key_differs),
    *(path_open, cycle_without_exit, end_followed, end_shared, end_unheard, deadline_undecided),
    *(restore_unanswered, view_uncovered, written_otherwise),
)


def check(system: Choreography, more: Iterable[Finding] = ()) -> list[Finding]:
    """What the rules find, and `more` that was found already; a waiver that matches nothing is a finding, too."""
    found = [finding for rule in RULES for finding in rule(system)]
    waivers = [each for service in system.services.values() for each in service.waivers]
    return without_waived([*found, *more], waivers)


def without_waived(found: Sequence[Finding], waivers: Sequence[WaiverFacts]) -> list[Finding]:
    used = {waiver for waiver in waivers for finding in found if _names(waiver, finding)}
    waived = {(waiver.rule, waiver.about) for waiver in waivers}
    left = [
        each
        for each in found
        if (each.rule, each.about) not in waived
        and not (each.because_of and all((each.rule, step) in waived for step in each.because_of))
    ]
    return [*left, *(_unused(each) for each in waivers if each not in used)]


def _names(waiver: WaiverFacts, finding: Finding) -> bool:
    return waiver.rule == finding.rule and waiver.about in (finding.about, *finding.because_of)


def _unused(waiver: WaiverFacts) -> Finding:
    return Finding(
        rule="waiver-unused",
        about=waiver.about,
        place=waiver.place,
        wrong=f"{waiver.rule} of {waiver.about} is waived, and there is nothing to waive",
        write="take the waiver away",
    )
