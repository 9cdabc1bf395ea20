"""Kafka's jars: fetched from Maven Central once per machine, kept in the user's cache.

Run as a module (`python -m clinic_lib.local.kafka_jars`) it fetches and prints its progress.
"""

import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from clinic_lib.local.errors import StackError
from clinic_lib.local.once import COMPLETE, kept, made, main

__all__ = ["KAFKA_VERSION", "fetch", "jars_folder"]

KAFKA_VERSION = "4.3.1"
ABOUT_MEGABYTES = 45
REPORTED_EVERY_BYTES = 5_000_000
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"


def jars_folder() -> Path:
    """Where the jars are once they were fetched."""
    return kept(f"kafka-{KAFKA_VERSION}")


def fetch() -> None:
    """Fetches the jars unless they are there.

    Raises `StackError` when Maven Central can't be reached.
    """
    target = jars_folder()
    if target.exists():
        return
    with made(target) as work:
        complete = work / COMPLETE
        complete.mkdir()
        for jar in _resolve(work):
            _require_whole(jar)
            shutil.copy(jar, complete)


def _resolve(work: Path) -> list[Path]:
    # Imported here: they take half a second, and are needed once per machine.
    import requests  # noqa: PLC0415
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    from jgo.env import EnvironmentBuilder  # noqa: PLC0415
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

    context = MavenContext(
        resolver=PythonResolver(progress_callback=_progress()),
        repo_cache=work / "repository",
        remote_repos={"central": MAVEN_CENTRAL_URL},
    )
    builder = EnvironmentBuilder(context=context, cache_dir=work / "environments")
    try:
        return list(builder.from_endpoint(COORDINATES).all_jars)
    except requests.RequestException as exc:
        raise StackError(
            f"Kafka's jars can't be fetched from {MAVEN_CENTRAL_URL} ({type(exc).__name__}): connect this "
            "machine to it, or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL to use servers that run already."
        ) from exc
    except RuntimeError as exc:  # says which one is missing there
        raise StackError(f"Kafka's jars can't be fetched: {exc}.") from exc


def _progress() -> Callable[[str, int], AbstractContextManager[Callable[[int], None]]]:
    fetched = 0

    @contextmanager
    def report(_filename: str, size: int) -> Iterator[Callable[[int], None]]:
        nonlocal fetched
        yield lambda _: None
        before, fetched = fetched, fetched + size
        if before // REPORTED_EVERY_BYTES < fetched // REPORTED_EVERY_BYTES:
            sys.stdout.write(f"fetched {fetched / 1e6:.0f} of about {ABOUT_MEGABYTES} MB\n")
            sys.stdout.flush()

    return report


def _require_whole(jar: Path) -> None:
    try:
        with zipfile.ZipFile(jar) as archive:
            broken = archive.testzip()
    except zipfile.BadZipFile:
        broken = jar.name
    if broken:
        raise StackError(f"{jar.name} arrived broken from Maven Central: try again.")


if __name__ == "__main__":
    main(fetch)
