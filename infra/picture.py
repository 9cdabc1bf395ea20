"""The docs' picture of the platform, drawn from a recorded program: `python -m infra.picture` puts it in its page."""

import re
from collections.abc import Iterator

from infra.recording import ROOT, Program, Recorded, record

__all__ = ["PAGE", "picture", "with_picture"]

PAGE = ROOT / "docs" / "platform.md"
FENCE = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)
SHOWN = 2
"""How many levels of boxes are drawn; what is deeper belongs to its box."""


def picture(program: Program) -> str:
    """Boxes in boxes, and an arrow to each box that one waits for."""
    boxes = [each for each in program.resources if not each.custom]
    depth = {each.urn: _depth(each, {box.urn: box for box in boxes}) for each in boxes}
    lines = ["```mermaid", "flowchart LR"]
    lines += _below("", [each for each in boxes if depth[each.urn] < SHOWN], "  ")
    lines += sorted(set(_arrows(program)))
    return "\n".join([*lines, "```", ""])


def with_picture(page: str, drawn: str) -> str:
    """The page with this picture in place of its own."""
    return FENCE.sub(lambda _: drawn, page, count=1)


def _below(parent: str, boxes: list[Recorded], indent: str) -> Iterator[str]:
    urns = {each.urn for each in boxes}
    for each in boxes:
        if (each.parent if each.parent in urns else "") != parent:
            continue
        inner = list(_below(each.urn, boxes, indent + "  "))
        if inner:
            yield f'{indent}subgraph {_id(each)}["{each.name}"]'
            yield from inner
            yield f"{indent}end"
        else:
            yield f'{indent}{_id(each)}["{each.name}"]'


def _arrows(program: Program) -> Iterator[str]:
    """Between the outermost boxes."""
    by_urn = {each.urn: each for each in program.resources}

    def outermost(each: Recorded) -> Recorded | None:
        while each.parent in by_urn:
            each = by_urn[each.parent]
        return each if not each.custom else None

    for each in program.resources:
        box = outermost(each)
        for urn in each.depends_on:
            other = outermost(by_urn[urn]) if urn in by_urn else None
            if box and other and box is not other:
                yield f"  {_id(box)} --> {_id(other)}"


def _depth(each: Recorded, boxes: dict[str, Recorded]) -> int:
    depth = 0
    while each.parent in boxes:
        each, depth = boxes[each.parent], depth + 1
    return depth


def _id(each: Recorded) -> str:
    return re.sub(r"\W", "_", f"{each.type.rpartition(':')[2]}_{each.name}")


if __name__ == "__main__":
    PAGE.write_text(with_picture(PAGE.read_text(), picture(record("dev"))))
