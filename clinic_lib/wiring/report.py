"""How findings are told: to people, and to programs."""

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from clinic_lib.plural import counted
from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.findings import Finding

__all__ = ["as_json", "tell"]

FORMAT = "clinic-check/1"


def tell(system: Choreography, found: Sequence[Finding]) -> None:
    """Each finding with its place, what is wrong and what to write; then how many there are."""
    console = Console(highlight=False, soft_wrap=True)
    for each in found:
        console.print(Text.assemble((each.rule, "bold red"), "  ", (str(each.place), "cyan")))
        console.print(Text(f"  {each.wrong}."))
        console.print(Text("\n".join(f"    {line}" for line in each.write.splitlines()), "green"))
    waivers = sum(len(service.waivers) for service in system.services.values())
    size = [
        counted(len(system.services), "service"),
        counted(len(system.handlers), "function"),
        counted(len(system.events), "event"),
        counted(waivers, "waiver"),
    ]
    console.print(f"{system.system}: {', '.join(size)}: {counted(len(found), 'finding')}")


def as_json(found: Mapping[str, Sequence[Finding]]) -> str:
    findings = [{"system": system, **each.as_json()} for system, all_ in found.items() for each in all_]
    return json.dumps({"format": FORMAT, "findings": findings}, indent=1)
