"""A stack's secrets: each from `pulumi config set --secret`, a secret from there to where it is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi.runtime import config as pulumi_config

from infra.names import PROJECT
from infra.settings import SettingsError
from infra.systems import SYSTEMS, System

__all__ = ["Passwords", "optional_secret_names", "secret_names"]


@dataclass(frozen=True)
class Passwords:
    """`database` and `kafka` are by a service's Kubernetes name."""

    database_admin: pulumi.Output[str]
    database: Mapping[str, pulumi.Output[str]]
    kafka: Mapping[str, pulumi.Output[str]]
    admin_token: pulumi.Output[str]
    grafana: pulumi.Output[str]
    alert_webhooks: Mapping[str, pulumi.Output[str]]
    """Where alerts go, by severity; none has to be there."""

    @classmethod
    def load(cls, systems: Sequence[System]) -> "Passwords":
        """Raises `SettingsError` that names every one that is missing or stands in the file in clear."""
        config = pulumi.Config(PROJECT)
        names = secret_names(systems)
        optional = [name for name in optional_secret_names() if config.get(name) is not None]
        for name in (*names, *optional):
            key = f"{PROJECT}:{name}"
            if config.get(name) is None:
                raise SettingsError(f"{key} is missing: pulumi config set --secret {key}")
            if not pulumi_config.is_config_secret(key):
                raise SettingsError(f"{key} stands there in clear: pulumi config set --secret {key}")
        of = _services_with_a_database(systems)
        return cls(
            database_admin=config.require_secret("databaseAdminPassword"),
            database={name: config.require_secret(f"databasePassword-{name}") for name in of},
            kafka={name: config.require_secret(f"kafkaPassword-{name}") for name in of},
            admin_token=config.require_secret("adminToken"),
            grafana=config.require_secret("grafanaPassword"),
            alert_webhooks={name.rpartition("-")[2]: config.require_secret(name) for name in optional},
        )


def secret_names(systems: Sequence[System]) -> list[str]:
    """The keys, without the project's name."""
    of = _services_with_a_database(systems)
    return [
        "databaseAdminPassword",
        "adminToken",
        "grafanaPassword",
        *(f"databasePassword-{name}" for name in of),
        *(f"kafkaPassword-{name}" for name in of),
    ]


def optional_secret_names() -> list[str]:
    """Addresses that alerts are sent to, as a webhook."""
    return ["alertWebhook-page", "alertWebhook-ticket"]


def _services_with_a_database(systems: Sequence[System]) -> list[str]:
    return [each.kubernetes_name for system in systems for each in system.services if each.database]


if __name__ == "__main__":
    print(*secret_names(SYSTEMS), sep="\n")
