"""What follows from a service's name, and which names can't be."""

import keyword
import re
from collections.abc import Collection
from dataclasses import dataclass

from clinic_lib.local.project import RESERVED
from clinic_lib.scaffold.errors import ScaffoldError

__all__ = ["ServiceNames", "check_name"]

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST = 24
"""Kubernetes' names are made from it, with a namespace before and a suffix behind."""

TAKEN = {*RESERVED, "postgres", "template0", "template1", "gateway", "contracts", "demo"}
"""What the local stack, PostgreSQL and a system's folder call so already."""

USED_IN_TEMPLATES = {
    "base",
    "mapped",
    "literal",
    "service",
    "declarative_base",
    "mapped_as_dataclass",
    "failure",
}


@dataclass(frozen=True)
class ServiceNames:
    """A service of a system, `patient_file` of `clinic`."""

    name: str
    system: str

    @property
    def class_name(self) -> str:
        """`PatientFile`: its row; its events begin so."""
        return "".join(part.capitalize() for part in self.name.split("_"))

    @property
    def words(self) -> str:
        return self.name.replace("_", " ")

    @property
    def collection(self) -> str:
        """`/patientFiles`: the path of what it serves."""
        one = self.class_name[0].lower() + self.class_name[1:]
        if re.search(r"[^aeiou]y$", one):
            return f"/{one[:-1]}ies"
        return f"/{one}es" if re.search(r"(s|x|z|ch|sh)$", one) else f"/{one}s"

    @property
    def package(self) -> str:
        return f"services.{self.system}.{self.name}"

    @property
    def app(self) -> str:
        return f"{self.package}.app:app"


def check_name(name: str, what: str, existing: Collection[str] = ()) -> None:
    """Raises `ScaffoldError` for a name that can't be one of a service or a project (`what`)."""
    if not NAME.fullmatch(name):
        raise ScaffoldError(
            f"{name!r} can't name a {what}: write lower case letters, digits and single underscores, "
            "as in patient_file."
        )
    if len(name) > LONGEST:
        raise ScaffoldError(f"{name} has {len(name)} characters: {LONGEST} are the most for a {what}.")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise ScaffoldError(f"{name} is a word of Python's: choose another name for the {what}.")
    if name in TAKEN | USED_IN_TEMPLATES:
        raise ScaffoldError(f"{name} means something else here already: choose another name for the {what}.")
    if name in existing:
        raise ScaffoldError(f"There is a {what} {name} already: choose another name.")
