"""A stack's program, recorded without an engine: every resource that it would register, and how.

Who answers instead of the providers is in `answers.py`.
"""

import asyncio
import hashlib
import json
import runpy
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import config as pulumi_config
from pulumi.runtime import mocks, rpc
from pulumi.runtime import settings as runtime_settings
from pulumi.runtime import stack as runtime_stack

from infra.answers import Answers
from infra.clock import STANDS_STILL
from infra.images import matrix
from infra.names import PROJECT
from infra.passwords import secret_names
from infra.stack_file import ROOT, stack_config, stack_name
from infra.systems import SYSTEMS

__all__ = ["ROOT", "Program", "Recorded", "record", "stack_config"]

RECORDED_AT = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Recorded:
    """One resource. `secrets` are the paths in `inputs` that are secret; `inputs` has their values."""

    urn: str
    type: str
    name: str
    inputs: dict[str, Any]
    secrets: frozenset[str]
    parent: str
    provider: str
    depends_on: tuple[str, ...]
    protect: bool
    ignore_changes: tuple[str, ...]
    custom: bool
    read: bool = False
    """Looked up, not made."""

    @property
    def is_kubernetes(self) -> bool:
        return self.custom and self.type.startswith("kubernetes:") and "apiVersion" in self.inputs

    @property
    def is_release(self) -> bool:
        return self.type.startswith("kubernetes:helm.sh/")

    @property
    def kind(self) -> str:
        return str(self.inputs["kind"]) if self.is_kubernetes else self.type.rpartition(":")[2]

    @property
    def namespace(self) -> str | None:
        metadata: dict[str, Any] = self.inputs.get("metadata", {})
        return metadata.get("namespace")

    @property
    def object_name(self) -> str:
        return str(self.inputs["metadata"]["name"])


@dataclass(frozen=True)
class Program:
    """All that a stack registers, whoever is depended on first."""

    stack: str
    resources: tuple[Recorded, ...]
    outputs: Mapping[str, Any]
    keeps: bool = False
    """Its setting `protect`."""
    digests_made_up: bool = False
    """Because its file has none: a real run would be refused."""

    def of_kind(self, *kinds: str) -> Iterator[Recorded]:
        return (each for each in self.manifests() if each.kind in kinds)

    def manifests(self) -> Iterator[Recorded]:
        """What goes to a cluster by itself; charts are others' manifests."""
        return (each for each in self.resources if each.is_kubernetes and not each.read)

    def releases(self) -> Iterator[Recorded]:
        return (each for each in self.resources if each.is_release)


class Monitor(mocks.MockMonitor):
    """Keeps the whole of each request, not only its inputs."""

    def __init__(self) -> None:
        super().__init__(Answers())
        self.recorded: dict[str, Recorded] = {}
        self._lock = threading.Lock()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 # the protocol's name
        with _own_loop():
            answer = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            self._keep(request, answer, request.object)
        return answer

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        with _own_loop():
            answer = super().ReadResource(request)
        self._keep(request, answer, request.properties, read=True)
        return answer

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        with _own_loop():
            return super().Invoke(request)

    def _keep(self, request: Any, answer: Any, properties: Any, *, read: bool = False) -> None:
        secrets: set[str] = set()
        inputs = _plain(json_format.MessageToDict(properties), "", secrets)
        if request.type.startswith("kubernetes:") and "metadata" in inputs:
            state = json_format.MessageToDict(answer.object if not read else answer.properties)
            inputs["metadata"]["name"] = state["metadata"]["name"]
        recorded = Recorded(
            urn=answer.urn,
            type=request.type,
            name=request.name,
            inputs=inputs,
            secrets=frozenset(secrets),
            parent=request.parent,
            provider=request.provider,
            depends_on=tuple(sorted({*request.dependencies} - {answer.urn})),
            protect=getattr(request, "protect", False),
            ignore_changes=tuple(getattr(request, "ignoreChanges", ())),
            custom=read or request.custom,
            read=read,
        )
        with self._lock:
            if answer.urn in self.recorded:
                raise ValueError(f"two resources have the URN {answer.urn}")
            self.recorded[answer.urn] = recorded


@contextmanager
def _own_loop() -> Iterator[None]:
    """The mocks open a loop in each thread that answers, and leave it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _plain(value: Any, path: str, secrets: set[str]) -> Any:
    """As YAML would have it: whole numbers are integers, and a secret is its value."""
    if isinstance(value, Mapping):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            secrets.add(path)
            return _plain(value["value"], path, secrets)
        return {key: _plain(each, f"{path}.{key}" if path else key, secrets) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, f"{path}[{index}]", secrets) for index, each in enumerate(value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def record(stack: str, config: Mapping[str, Any] | None = None) -> Program:
    """Run the program of a stack. Secrets that `config` lacks are made up, and images' digests where there are none
    and have to be. Raises `SettingsError` for a file that can't be read, and what the program raises.
    """
    given = config if config is not None else stack_config(stack)
    values = _with_digests(given)
    given_secrets = [name for name, value in values.items() if isinstance(value, dict) and "secure" in value]
    made_up = {
        f"{PROJECT}:{name}": f"made-up-{name}"
        for name in secret_names(SYSTEMS)
        if f"{PROJECT}:{name}" not in values
    }
    secrets = {name: values[name]["secure"] for name in given_secrets} | made_up
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in (values | secrets).items()
    }
    program = _run(stack_name(stack), texts, list(secrets))
    return replace(program, digests_made_up=values != given)


def _with_digests(config: Mapping[str, Any]) -> dict[str, Any]:
    """The pipeline writes them; a stack's file in the repository has none."""
    images = config.get(f"{PROJECT}:images") or {}
    ground_only = str(config.get(f"{PROJECT}:groundOnly")).lower() == "true"
    needed = config.get(f"{PROJECT}:target") == "azure" and not ground_only
    if not needed or not isinstance(images, dict) or images.get("digests"):
        return dict(config)
    names = [each["image"] for each in matrix().values()]
    digests = {name: f"sha256:{hashlib.sha256(name.encode()).hexdigest()}" for name in names}
    return {**config, f"{PROJECT}:images": {**images, "digests": digests}}


def _run(stack: str, texts: dict[str, str], secrets: Sequence[str]) -> Program:
    monitor = Monitor()

    async def run() -> Mapping[str, Any]:
        STANDS_STILL.set(RECORDED_AT)
        runtime_settings.reset_options()
        pulumi_config.set_all_config(texts, list(secrets))
        mocks.set_mocks(Answers(), project=PROJECT, stack=stack, preview=False, monitor=monitor)
        await runtime_stack.run_pulumi_func(_execute)
        root = runtime_settings.get_root_resource()
        outputs: Mapping[str, Any] = (
            await pulumi.Output.from_input(getattr(root, "outputs", {})).future() or {}
        )
        return outputs

    outputs = asyncio.run(run())
    keeps = texts.get(f"{PROJECT}:protect") == "true"
    return Program(stack, tuple(_in_order(monitor.recorded)), outputs, keeps)


async def _execute() -> None:
    runpy.run_path(str(ROOT / "infra" / "__main__.py"), run_name="__main__")
    # Pulumi waits for its outputs one by one, over all of them each time: all at once takes a third
    settings: Any = runtime_settings.SETTINGS
    while outputs := list(settings.outputs):
        settings.outputs.clear()
        await asyncio.gather(*outputs)


def _in_order(recorded: Mapping[str, Recorded]) -> Iterator[Recorded]:
    """Whoever is depended on comes first; otherwise by URN, so that the order says nothing of the run."""
    done: set[str] = set()

    def visit(urn: str) -> Iterator[Recorded]:
        each = recorded.get(urn)
        if each is None or urn in done:
            return
        done.add(urn)
        for before in (each.parent, each.provider.rpartition("::")[0], *each.depends_on):
            yield from visit(before)
        yield each

    for urn in sorted(recorded):
        yield from visit(urn)
