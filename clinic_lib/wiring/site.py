"""The documents of a system as files: for programs as JSON, for people as one page without scripts."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from clinic_lib.wiring import merged
from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.graph import page as pictures
from clinic_lib.wiring.manifest import EventFacts
from clinic_lib.wiring.systems import Loaded

__all__ = ["files"]

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8885; }
details { margin: .4rem 0; padding: .3rem .6rem; border: 1px solid #8885; border-radius: .4rem; }
summary { cursor: pointer; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; }
td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
.failure { color: #c81e1e; } .end { color: #057a55; } .quiet { opacity: .7; }
"""


def files(system: Choreography, services: Sequence[Loaded], url: str) -> dict[str, str]:
    """By path: the system's documents, each service's, the page that shows them, and the pictures."""
    openapi, asyncapi = merged.openapi(system.system, services, url), merged.asyncapi(system.system, services)
    made = {
        "index.html": _page(system, openapi, asyncapi),
        "choreography.md": pictures(system),
        "openapi.json": _json(openapi),
        "asyncapi.json": _json(asyncapi),
    }
    for each in services:
        made[f"{each.service.name}/openapi.json"] = _json(each.openapi)
        made[f"{each.service.name}/asyncapi.json"] = _json(each.asyncapi)
    return made


def _page(system: Choreography, openapi: Mapping[str, Any], asyncapi: Mapping[str, Any]) -> str:
    services = "".join(_service(name, openapi) for name in system.services)
    messages = asyncapi["components"]["messages"]
    events = "".join(_event(system, event, messages.get(event.type, {})) for event in system.events.values())
    title = escape(system.system)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>\n'
        f"<h1>{title}</h1>\n<p>Written from the functions' signatures. For programs: "
        '<a href="openapi.json">OpenAPI</a>, <a href="asyncapi.json">AsyncAPI</a>; '
        '<a href="choreography.md">pictures</a>.</p>\n'
        f"{services}<h2>Events</h2>\n{events}</body></html>\n"
    )


def _service(name: str, openapi: Mapping[str, Any]) -> str:
    requests = [
        _request(method, path, operation)
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
        if name in operation["tags"]
    ]
    links = f'<a href="{name}/openapi.json">OpenAPI</a>, <a href="{name}/asyncapi.json">AsyncAPI</a>'
    return f'<h2 id="{name}">{escape(name.replace("_", " "))}</h2>\n<p>{links}</p>\n{"".join(requests)}'


def _request(method: str, path: str, operation: Mapping[str, Any]) -> str:
    shown = _example("takes", operation["requestBody"]) if "requestBody" in operation else ""
    refusals = []
    for status, answer in operation["responses"].items():
        said = f'{status} <span class="quiet">{escape(answer["description"])}</span>'
        if status < "300":
            shown += f"<p>{said}</p>{_example('', answer)}"
        else:
            refusals.append(f"<li>{said}</li>")
    name = operation["operationId"].removeprefix(f"{operation['tags'][0]}_").replace("_", " ")
    summary = f"<code>{method.upper()} {escape(path)}</code> {escape(operation.get('summary') or name)}"
    return _details(summary, f"{shown}<ul>{''.join(refusals)}</ul>")


def _event(system: Choreography, event: EventFacts, message: Mapping[str, Any]) -> str:
    looks = [("failure", event.failure), ("end", system.is_end(event.type)), ("fact", event.fact)]
    words = [word for word, holds in looks if holds]
    rows = [
        ("published by", ", ".join(each.full_name for each in system.publishers(event.type))),
        ("handled by", ", ".join(each.full_name for each in system.hearers(event.type)) or "nobody"),
        ("log, key", f"{event.topic}, {event.key}"),
        ("version", str(event.version)),
    ]
    table = "".join(f'<tr><td class="quiet">{name}</td><td>{escape(text)}</td></tr>' for name, text in rows)
    examples = message.get("examples", [])
    shown = f"<table>{table}</table>" + (_pre(examples[0]["payload"]) if examples else "")
    look = f' <span class="{words[0]}">{", ".join(words)}</span>' if words else ""
    return _details(f"<code>{event.type}</code>{look} {escape(event.summary)}", shown)


def _example(title: str, body: Mapping[str, Any]) -> str:
    media = body.get("content", {}).get("application/json", {})
    return (f"<p>{title}</p>" if title else "") + _pre(media["example"]) if "example" in media else ""


def _details(summary: str, shown: str) -> str:
    return f"<details><summary>{summary}</summary>{shown}</details>\n"


def _pre(content: object) -> str:
    return f"<pre>{escape(_json(content))}</pre>"


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
