"""Findings: what a rule found, where it stands, and what to write."""

from dataclasses import dataclass

from clinic_lib.wiring.manifest import Place

__all__ = ["Finding", "snake"]


@dataclass(frozen=True)
class Finding:
    """`about` is what a waiver would name: an event, `saga visit`, `seat.reserve`, `my_page.MyPage`.

    A waiver may also name each of `because_of`: the steps that something is missing for.
    """

    rule: str
    about: str
    place: Place
    wrong: str
    write: str
    because_of: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return {
            "rule": self.rule,
            "about": self.about,
            "file": self.place.file,
            "line": self.place.line,
            "manifest": self.place.manifest,
            "wrong": self.wrong,
            "write": self.write,
        }


def snake(name: str) -> str:
    """A class's name as a function or a parameter has it: `seats_reserved`."""
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name).lstrip("_")
