"""Whatever stands in the place of a setting: it is taken, or refused in one sentence of ours."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pulumi.runtime import config as pulumi_config
from pulumi.runtime import mocks

from infra.answers import Answers
from infra.images import matrix
from infra.names import PROJECT
from infra.recording import stack_config
from infra.settings import Settings, SettingsError

INSTEAD: tuple[object, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, "", "x", "a\nb", "true", "1"),
    *([], {}, [None], ["x"], [[]], {"a": 1}, {"a": {"b": [1]}}),
)
PYTHONS_WORDS = ("Input", "valid ", "should", "String", "Tuple", "Value")
MORE: dict[str, dict[str, Any]] = {
    "local": {
        "clinic:kubeconfig": {"context": "a", "serviceType": "NodePort", "diskClass": "a", "path": __file__},
        "clinic:images": {"tag": "a", "registry": "registry.example.com"},
        "clinic:workloads": {"logLevel": "INFO", "smallest": 1, "systems": ["clinic"]},
    },
    "dev": {"clinic:images": {"digests": {each["image"]: f"sha256:{0:064}" for each in matrix().values()}}},
}
"""Settings that the stack's file does not have."""


def places(value: object, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of all that is in it, as the keys and indices that lead there."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*above, key)
        yield from places(each, (*above, key))


def with_instead(config: Mapping[str, Any], place: tuple[Any, ...], value: object) -> dict[str, Any]:
    spoilt = copy.deepcopy(dict(config))
    *above, last = place
    inside: Any = spoilt
    for key in above:
        inside = inside[key]
    inside[last] = value
    return spoilt


def load(config: Mapping[str, Any]) -> None:
    texts = {key: each if isinstance(each, str) else json.dumps(each) for key, each in config.items()}
    pulumi_config.set_all_config(texts, [])
    Settings.load([])


@pytest.mark.parametrize("stack", ["local", "dev"])
async def test_a_spoilt_setting_is_taken_or_refused_in_one_sentence(stack: str) -> None:
    mocks.set_mocks(Answers(), project=PROJECT, stack=stack, preview=False)
    config = {**stack_config(stack), "clinic:protect": True, **MORE[stack]}
    load(config)

    said: dict[tuple[tuple[Any, ...], str], str] = {}
    for place in places(config):
        for value in INSTEAD:
            try:
                load(with_instead(config, place, value))
            except SettingsError as exc:
                said[place, repr(value)] = str(exc)

    assert len(said) > 10 * len(list(places(config)))
    for case, sentence in said.items():
        assert "\n" not in sentence, case
        assert not any(words in sentence for words in PYTHONS_WORDS), (case, sentence)
