"""Shows what a stack would make, without engine, cloud or cluster: `scripts/preview [STACK] [--out DIR]`."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import yaml

from infra.recording import Program, Recorded, record

__all__ = ["main", "manifest_of", "tree", "write_manifests"]

COLOURS = {"component": "1", "kubernetes": "36", "azure": "34", "chart": "35", "note": "2"}
HIDDEN = "***"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/preview", description=__doc__)
    parser.add_argument("stack", nargs="?", default="local", help="dev, prod, local, or a stack file's path")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write the manifests there, with made-up secrets"
    )
    options = parser.parse_args(arguments)
    try:
        program = record(options.stack)
    except (pulumi.RunError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    for line in tree(program, colours=sys.stdout.isatty() and "NO_COLOR" not in os.environ):
        print(line)
    if options.out:
        try:
            files = write_manifests(program, options.out)
        except OSError as exc:
            print(f"{options.out}: {exc.strerror}: name a folder to write to", file=sys.stderr)
            return 1
        print(f"\n{len(files)} manifests in {options.out}, in the order in which they depend on each other")
    return 0


def tree(program: Program, *, colours: bool = False) -> Iterator[str]:
    """Every resource under its parent, with its type and what is special about it."""

    def paint(text: str, colour: str) -> str:
        return f"\033[{COLOURS[colour]}m{text}\033[0m" if colours else text

    def below(parent: str, indent: str) -> Iterator[str]:
        children = [each for each in program.resources if known(each.parent) == parent]
        for each in children:
            last = each is children[-1]
            notes = ", ".join(_notes(each))
            line = f"{indent}{'└─ ' if last else '├─ '}{paint(_type(each), _colour(each))} {each.name}"
            yield line + (paint(f"  ({notes})", "note") if notes else "")
            yield from below(each.urn, indent + ("   " if last else "│  "))

    urns = {each.urn for each in program.resources}

    def known(urn: str) -> str:
        return urn if urn in urns else ""

    kinds = [each for each in program.resources if each.custom]
    yield f"{program.stack}: {len(kinds)} resources in {len(program.resources) - len(kinds)} components"
    yield from below("", "")


def _type(each: Recorded) -> str:
    return each.type.removeprefix("kubernetes:").removeprefix("clinic:")


def _colour(each: Recorded) -> str:
    if not each.custom:
        return "component"
    if each.is_release:
        return "chart"
    return "azure" if each.type.startswith("azure-native:") else "kubernetes"


def _notes(each: Recorded) -> Iterator[str]:
    if each.protect:
        yield "protected"
    if each.read:
        yield "looked up"
    if each.is_release:
        yield str(each.inputs["version"])
    if each.secrets:
        yield "secret: " + " ".join(sorted(path.rpartition(".")[2] for path in each.secrets))


def manifest_of(resource: Recorded, *, secrets: bool = True) -> dict[str, Any]:
    """The object as the server gets it; without its secrets, stars stand in their place."""
    manifest = dict(resource.inputs)
    if not secrets:
        for path in resource.secrets:
            _hide(manifest, path.split("."))
    return manifest


def _hide(value: dict[str, Any], path: list[str]) -> None:
    *parents, last = path
    for key in parents:
        value[key] = dict(value[key])
        value = value[key]
    value[last] = dict.fromkeys(value[last], HIDDEN) if isinstance(value[last], dict) else HIDDEN


def write_manifests(program: Program, folder: Path) -> list[Path]:
    """One file each, numbered in the order of dependencies. What was there by that kind of name goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("[0-9][0-9][0-9]-*.yaml"):
        old.unlink()
    files = []
    for number, each in enumerate(program.manifests(), 1):
        where = f"{each.namespace}-" if each.namespace else ""
        file = folder / f"{number:03}-{where}{each.kind.lower()}-{each.object_name}.yaml"
        file.write_text(yaml.safe_dump(manifest_of(each), sort_keys=True))
        files.append(file)
    return files


if __name__ == "__main__":
    sys.exit(main())
