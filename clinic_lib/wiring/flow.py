"""The choreography as one picture: functions by service, and the events between them."""

from collections.abc import Iterator
from typing import Literal

from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.manifest import HandlerFacts

__all__ = ["dot", "mermaid"]

Look = Literal[
    "command", "step", "compensation", "projection", "deadline", "event", "failure", "finish", "fact"
]

MERMAID_SHAPES: dict[str, str] = {
    "command": '[/"{}"/]',
    "step": '["{}"]',
    "compensation": '[\\"{}"\\]',
    "projection": '[("{}")]',
    "deadline": '{{{{"{}"}}}}',
}
MERMAID_EVENT = '(["{}"])'
MERMAID_CLASSES = (
    "classDef failure fill:#fde8e8,stroke:#c81e1e,color:#771d1d",
    "classDef finish fill:#def7ec,stroke:#057a55,color:#014737",
    "classDef fact fill:#f3f4f6,stroke:#6b7280,color:#374151,stroke-dasharray:3",
    "classDef compensation fill:#fdf6b2,stroke:#9f580a,color:#633112",
)
DOT_SHAPES: dict[str, str] = {
    "command": 'shape=house style=filled fillcolor="#e1effe"',
    "step": "shape=box",
    "compensation": 'shape=box style=filled fillcolor="#fdf6b2"',
    "projection": "shape=cylinder",
    "deadline": "shape=hexagon",
    "event": "shape=oval",
    "failure": 'shape=oval style=filled fillcolor="#fde8e8" color="#c81e1e"',
    "finish": 'shape=oval style=filled fillcolor="#def7ec" color="#057a55"',
    "fact": 'shape=oval style=dashed color="#6b7280"',
}


def mermaid(system: Choreography) -> str:
    """Mermaid's `flowchart`."""
    lines = ["flowchart LR"]
    for service in system.services.values():
        lines.append(f'    subgraph service_{service.name}["{service.name.replace("_", " ")}"]')
        for each in service.handlers:
            look = ":::compensation" if each.kind == "compensation" else ""
            shape = MERMAID_SHAPES[each.kind].format("<br/>".join(_label(each)))
            lines.append(f"        {_id(each)}{shape}{look}")
        lines.append("    end")
    for event in system.events:
        look = _look(system, event)
        lines.append(f"    {event}{MERMAID_EVENT.format(event)}{'' if look == 'event' else ':::' + look}")
    lines += [f"    {start} --> {end}" for start, end in _arrows(system)]
    lines += [f"    {step} -.- {compensation}" for step, compensation in _undone(system)]
    lines += [f"    {each}" for each in MERMAID_CLASSES]
    return "\n".join(lines) + "\n"


def dot(system: Choreography) -> str:
    """Graphviz's language."""
    lines = [f'digraph "{system.system}" {{', '    rankdir=LR; node [fontname="sans-serif" fontsize=11];']
    for service in system.services.values():
        lines.append(
            f'    subgraph "cluster_{service.name}" {{ label="{service.name}"; fontname="sans-serif";'
        )
        for each in service.handlers:
            label = "\\n".join(_label(each))
            lines.append(f'        {_id(each)} [label="{label}" {DOT_SHAPES[each.kind]}];')
        lines.append("    }")
    lines += [f"    {event} [{DOT_SHAPES[_look(system, event)]}];" for event in system.events]
    lines += [f"    {start} -> {end};" for start, end in _arrows(system)]
    lines += [f"    {step} -> {undoing} [style=dotted dir=none];" for step, undoing in _undone(system)]
    return "\n".join([*lines, "}"]) + "\n"


def _label(handler: HandlerFacts) -> list[str]:
    """Its name, and what tells it from others of its kind."""
    if handler.kind == "compensation":
        return [handler.name, f"undoes {handler.compensates}"]
    if handler.kind == "deadline":
        return [handler.name, "at the deadline"]
    return [handler.name, *([handler.request] if handler.request else [])]


def _look(system: Choreography, event: str) -> Look:
    if system.is_failure(event):
        return "failure"
    if system.is_end(event):
        return "finish"
    return "fact" if system.events[event].fact else "event"


def _arrows(system: Choreography) -> Iterator[tuple[str, str]]:
    for event in system.events:
        yield from ((_id(each), event) for each in system.publishers(event))
        yield from ((event, _id(each)) for each in system.hearers(event))


def _undone(system: Choreography) -> Iterator[tuple[str, str]]:
    for service in system.services.values():
        steps = {each.name: each for each in service.handlers}
        for each in service.handlers:
            if each.compensates:
                yield _id(steps[each.compensates]), _id(each)


def _id(handler: HandlerFacts) -> str:
    return f"{handler.service}__{handler.name}"
