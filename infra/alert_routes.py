"""Who is told of an alert, how soon, and which alerts say nothing that another does not say.

Our severities are `page` and `ticket`; kube-prometheus-stack's own alerts say `critical` and `warning`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

__all__ = ["alertmanager_values"]

NOBODY = "nobody"
SEVERITIES = {
    "page": ("page|critical", {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"}),
    "ticket": ("ticket|warning", {"group_wait": "5m", "group_interval": "30m", "repeat_interval": "1d"}),
}
"""A receiver each: its alerts' severities, and how often it is told of a group."""
MOUNTED = "/etc/alertmanager/secrets"
URL = "url"


def alertmanager_values(
    webhooks: Mapping[str, pulumi.Output[str]], resources: dict[str, Any]
) -> dict[str, Any]:
    """The chart's part `alertmanager`. `webhooks` are names of Secrets with the key `url`, by severity."""
    return {
        "alertmanagerSpec": {"resources": resources, "secrets": list(webhooks.values())},
        "config": {
            "route": {
                "receiver": NOBODY,
                "group_by": ["service", "namespace"],
                "routes": [
                    {"receiver": NOBODY, "matchers": ['alertname =~ "Watchdog|InfoInhibitor"']},
                    *(_route(name) for name in SEVERITIES),
                ],
            },
            "receivers": [{"name": NOBODY}, *(_receiver(name, webhooks) for name in SEVERITIES)],
            "inhibit_rules": _silenced(),
        },
    }


def _route(name: str) -> dict[str, Any]:
    severities, times = SEVERITIES[name]
    return {"receiver": name, "matchers": [f'severity =~ "{severities}"'], **times}


def _receiver(name: str, webhooks: Mapping[str, pulumi.Output[str]]) -> dict[str, Any]:
    """The address is read from a file, so that it is in no release's values."""
    if name not in webhooks:
        return {"name": name}
    file = webhooks[name].apply(lambda secret: f"{MOUNTED}/{secret}/{URL}")
    return {"name": name, "webhook_configs": [{"url_file": file, "send_resolved": True}]}


def _silenced() -> list[dict[str, Any]]:
    """The cause silences its consequences; what burns fast needs no word that it burns slowly, too."""
    return [
        _silence(["alertname = ServiceDown"], ["alertname != ServiceDown"], equal=["service"]),
        _silence(
            ['severity =~ "page|critical"'],
            ['severity =~ "ticket|warning|info"'],
            equal=["service", "namespace", "alertname"],
        ),
        _silence(
            ["alertname = ErrorBudgetBurnsFast"], ["alertname = ErrorBudgetBurnsSlowly"], equal=["service"]
        ),
        _silence(
            ["alertname = LatencyBudgetBurnsFast"],
            ["alertname = LatencyBudgetBurnsSlowly"],
            equal=["service"],
        ),
        _silence(["alertname = DeadLettersLie"], ["alertname = KeysParked"], equal=["service"]),
        _silence(["alertname = KafkaDown"], ['alertname =~ "OutboxOld|RelayFails|KafkaPartitionsOffline"']),
        _silence(["alertname = PostgresqlDown"], ['alertname =~ "CensusOld|ErrorBudgetBurns.*|Consumer.*"']),
        _silence(["alertname = InfoInhibitor"], ["severity = info"], equal=["namespace"]),
        _silence(["severity = warning"], ["severity = info"], equal=["namespace", "alertname"]),
    ]


def _silence(source: Sequence[str], target: Sequence[str], equal: Sequence[str] = ()) -> dict[str, Any]:
    rule = {"source_matchers": list(source), "target_matchers": list(target)}
    return rule | ({"equal": list(equal)} if equal else {})
