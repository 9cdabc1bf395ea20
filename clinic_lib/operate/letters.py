"""Dead letters of several services, as people read them."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from clinic_lib.operate.screen import day_and_time, harmless

__all__ = ["Letter", "letter_table", "loss_of", "outcome_of", "whole_letter"]

COLOURS = {"failed": "red", "retrying": "yellow", "waiting": "dim", "malformed": "magenta"}

Letter = Mapping[str, Any]
"""As the admin port gives it, with its `service`."""


def letter_table(letters: Iterable[Letter]) -> Table:
    """One line a letter."""
    table = Table(
        "service", "id", "state", "key", "event", "handler", "error", "attempts", "since", "again at"
    )
    for each in letters:
        table.add_row(
            each["service"],
            str(each["id"]),
            f"[{COLOURS[each['state']]}]{each['state']}[/]",
            escape(each["key"] or ""),
            each["type"] or "",
            each["handler"] or "",
            escape(each["error"] or ""),
            str(each["attempts"] or ""),
            day_and_time(each["created_at"]),
            day_and_time(each["retry_at"]),
        )
    return table


def whole_letter(letter: Letter) -> str:
    """All of it: what is known, the record's headers and value, and the traceback."""
    place = f"{letter['topic']}, partition {letter['partition']}, offset {letter['offset']}"
    facts = {
        "state": letter["state"],
        "key": letter["key"],
        "event": letter["type"],
        "message id": letter["message_id"],
        "handler": letter["handler"],
        "error": letter["error"],
        "attempts": letter["attempts"],
        "since": day_and_time(letter["created_at"]),
        "again at": day_and_time(letter["retry_at"]),
        "record": place,
        "record key": letter["record_key"],
    }
    facts |= {f"header {name}": _header(name, value) for name, value in letter["headers"]}
    lines = [f"{letter['service']} {letter['id']}"]
    lines += [f"  {name:<14}{value}" for name, value in facts.items() if value not in (None, "")]
    value = letter["value"]
    shown = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    lines += ["", "value:", shown]
    if letter["traceback"]:
        lines += ["", letter["traceback"].rstrip()]
    lines = [harmless(line) for line in lines]
    return "\n".join(lines)


def loss_of(letter: Letter) -> str:
    """What is lost when it is discarded."""
    place = f"{letter['topic']}, partition {letter['partition']}, offset {letter['offset']}"
    if letter["key"] is None:
        return f"The record at {place} will never be handled by {letter['service']}."
    by = f"{letter['handler']} of {letter['service']}" if letter["handler"] else letter["service"]
    return (
        f"{letter['type']} of {letter['key']} will never be handled by {by}: what it would have changed and "
        f"published there is lost; the record stays in the log ({place}). What waits behind it is handled next."
    )


def outcome_of(outcome: Mapping[str, Any]) -> str:
    """How a redrive went, in a sentence."""
    sentence = f"{outcome['handled']} handled, {outcome['remaining']} remaining"
    return f"{sentence}; it stopped at {outcome['error']}" if outcome["error"] else sentence


def _header(name: str, value: str | None) -> str:
    """Its text when it is one, otherwise its bytes in hexadecimal."""
    raw = base64.b64decode(value or "")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw.hex()
    return text if text.isprintable() and name != "id" else raw.hex()
