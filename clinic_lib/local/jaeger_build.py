"""Jaeger: the one on the PATH, otherwise built with Go, once per machine, into the user's cache.

It is built without its pages: traces are looked at through Grafana, or asked for at `/api/traces`.
Run as a module (`python -m clinic_lib.local.jaeger_build`) it builds.
"""

import os
import shutil
import subprocess
from pathlib import Path

from clinic_lib.local.errors import StackError
from clinic_lib.local.once import COMPLETE, kept, made, main

__all__ = ["VERSION", "build", "find"]

VERSION = "v1.76.0"
"""Of the module; the program in it is Jaeger 2.13.0, whose own tag no Go module can have."""

MODULE = "github.com/jaegertracing/jaeger"
GO_MOD = f"""\
module clinic.local/jaeger

go 1.24.6

require {MODULE} {VERSION}

replace github.com/Shopify/sarama => github.com/Shopify/sarama v1.33.0
"""
"""Its own go.mod has this `replace`, which is why `go install` does not take it."""

WAYS_OUT = (
    "put `jaeger` on the PATH, or set JAEGER_URL to one that runs "
    "(`docker compose -f .clinic/observe/compose.yaml up jaeger` starts one)"
)


def find() -> Path | None:
    """Where `jaeger` is; None when it has to be built first."""
    if on_path := shutil.which("jaeger"):
        return Path(on_path)
    built = _folder() / "jaeger"
    return built if built.exists() else None


def build() -> None:
    """Builds it unless it is there.

    Raises `StackError` on a machine without Go, and when the build fails.
    """
    target = _folder()
    if target.exists():
        return
    if shutil.which("go") is None:
        raise StackError(f"Jaeger is built with Go, and there is no go here: {WAYS_OUT}.")
    with made(target) as work:
        complete = work / COMPLETE
        complete.mkdir()
        (work / "go.mod").write_text(GO_MOD)
        command = ("go", "build", "-mod=mod", "-ldflags=-s -w", "-o", str(complete), f"{MODULE}/cmd/jaeger")
        ran = subprocess.run(  # noqa: S603
            command,
            cwd=work,
            env={**os.environ, "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            said = ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"]
            raise StackError(f"Jaeger can't be built (go: {said[-1]}): {WAYS_OUT}.")


def _folder() -> Path:
    return kept(f"jaeger-{VERSION}")


if __name__ == "__main__":
    main(build)
