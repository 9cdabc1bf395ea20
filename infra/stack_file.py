"""A stack's file: found, read, and in the shape that Pulumi wants. What its settings mean is `settings.py`'s."""

import json
from pathlib import Path
from typing import Any

import yaml

from infra.settings import SettingsError

__all__ = ["ROOT", "stack_config", "stack_name"]

ROOT = Path(__file__).parents[1]
ENDINGS = (".yaml", ".yml")


def stack_name(stack: str) -> str:
    """Of a stack that is given by its name or by its file's path."""
    return Path(stack).stem.removeprefix("Pulumi.") if _is_file(stack) else stack


def stack_config(stack: str) -> dict[str, Any]:
    """The `config` of a stack's file: by the stack's name, or by the file's path. Raises `SettingsError`."""
    file = Path(stack) if _is_file(stack) else ROOT / f"Pulumi.{stack}.yaml"
    if not file.exists():
        stacks = sorted(stack_name(str(each)) for each in ROOT.glob("Pulumi.*.yaml"))
        there = f"file {file}" if _is_file(stack) else f"stack {stack or 'without a name'}"
        raise SettingsError(f"there is no {there}: say {', '.join(stacks)} or the path of a stack's file")
    document = _read(file)
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict) or not config:
        raise SettingsError(f"{file} has no settings: write them below config:, as Pulumi.local.yaml does")
    for key in config:
        if not isinstance(key, str):
            raise SettingsError(f"{file}: the key {key} of config is no text: write one like clinic:target")
    return config


def _is_file(stack: str) -> bool:
    return "/" in stack or stack.endswith(ENDINGS)


def _read(file: Path) -> object:
    try:
        loader = _Loader(file.read_bytes())
        loader.name = str(file)
        document = loader.get_single_data()
        json.dumps(document, allow_nan=False)  # as Pulumi keeps it
    except OSError as exc:
        raise SettingsError(f"{file} can't be read ({exc.strerror}): name a stack's file") from None
    except yaml.MarkedYAMLError as exc:
        raise _at(exc.problem_mark, f"{exc.problem or exc.context}: mend the YAML there") from None
    except yaml.YAMLError:
        raise SettingsError(f"{file} is no text: name a stack's file") from None
    except (ValueError, RecursionError):
        raise SettingsError(
            f"{file} has what no setting can be (.nan, .inf, lists without an end): write text, numbers, "
            "true or false, lists and mappings"
        ) from None
    return document


def _at(mark: yaml.Mark | None, sentence: str) -> SettingsError:
    return SettingsError(f"{mark.name}, line {mark.line + 1}: {sentence}" if mark else sentence)


class _Loader(yaml.SafeLoader):
    """Refuses what Pulumi's engine reads otherwise, or not at all: tags, dates and a key that is there twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if tag := getattr(event, "tag", None):
            raise _at(event.start_mark, f"no setting has a tag like {tag}: take it out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                raise _at(key.start_mark, f"{key.value} is there twice: keep one")
            keys.add(str(key.value))
        return super().construct_mapping(node, deep)


def _date(_: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
    raise _at(node.start_mark, f"{node.value} is read as a date: put it in quotes")


def _truth(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
    """Yes and on are text, as for the engine."""
    return loader.construct_yaml_bool(node) if node.value.lower() in ("true", "false") else node.value


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _date)
_Loader.add_constructor("tag:yaml.org,2002:bool", _truth)
