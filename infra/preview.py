"""Shows what a stack would make, without engine, cloud or cluster: `scripts/preview [STACK|FILE] [--out DIR]`."""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import yaml

from infra.names import PROJECT
from infra.recording import Program, Recorded, record
from infra.settings import SettingsError

__all__ = ["PreviewError", "main", "manifest_of", "tree", "write_manifests"]

COLOURS = {"component": "1", "kubernetes": "36", "azure": "34", "chart": "35", "note": "2"}
HIDDEN = "***"
INDEX = "written-by-preview.txt"
"""Lists what a preview wrote into its folder, and may take away again; kubectl passes over it."""


class PreviewError(Exception):
    """The manifests can't be written; the message is one sentence that names where."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/preview", description=__doc__)
    parser.add_argument("stack", nargs="?", default="local", help="dev, prod, local, or a stack file's path")
    parser.add_argument("--out", metavar="DIR", help="write the manifests there, with made-up secrets")
    options = parser.parse_args(arguments)
    try:
        program = record(options.stack)
        files = None if options.out is None else write_manifests(program, options.out)
    except (pulumi.RunError, SettingsError, PreviewError) as exc:
        print(exc, file=sys.stderr)
        return 1
    for line in tree(program, colours=sys.stdout.isatty() and "NO_COLOR" not in os.environ):
        print(line)
    if program.digests_made_up:
        print(f"\n{program.stack} has no {PROJECT}:images.digests: those of its images are made up here")
    if files is not None:
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


def write_manifests(program: Program, where: str | Path) -> list[Path]:
    """One file each, numbered in the order of dependencies: all of them, in place of an earlier preview's, or none.

    Raises `PreviewError`.
    """
    if not str(where):
        raise PreviewError("--out names no folder: say where to write")
    folder = Path(where).resolve()
    _refuse_others(folder)
    beside = folder.with_name(f".{folder.name}-{os.getpid()}")
    gone = beside.with_name(f"{beside.name}-old")
    try:
        beside.mkdir(parents=True)
        names = [_write(each, number, beside) for number, each in enumerate(program.manifests(), 1)]
        (beside / INDEX).write_text("".join(f"{name}\n" for name in names))
        if folder.exists():
            folder.rename(gone)
        beside.rename(folder)
    except OSError as exc:
        raise PreviewError(
            f"the manifests can't be written to {folder} ({exc.strerror}): mend that, or name another folder"
        ) from None
    finally:
        if gone.exists() and not folder.exists():
            gone.rename(folder)
        for rest in (beside, gone):
            shutil.rmtree(rest, ignore_errors=True)
    return [folder / name for name in names]


def _refuse_others(folder: Path) -> None:
    """What a preview did not write may be somebody's work."""
    try:
        found = {each.name for each in folder.iterdir()} if folder.exists() else set[str]()
        written = {INDEX, *(folder / INDEX).read_text().splitlines()} if INDEX in found else set[str]()
    except (OSError, ValueError):
        raise PreviewError(f"{folder} is no folder that can be read: name another one") from None
    if others := sorted(found - written):
        raise PreviewError(
            f"{folder} has {others[0]}, which no preview wrote: name a new folder, or take out what is in it"
        )


def _write(each: Recorded, number: int, folder: Path) -> str:
    where = f"{each.namespace}-" if each.namespace else ""
    name = f"{number:03}-{where}{each.kind.lower()}-{each.object_name}.yaml"
    (folder / name).write_text(yaml.safe_dump(manifest_of(each), sort_keys=True))
    return name


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has enough, like head, ends us quietly
    sys.exit(main())
