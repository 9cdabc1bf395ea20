"""A service's settings, from the environment: what a ConfigMap and a Secret carry in the cluster."""

import ssl
from datetime import timedelta
from typing import Annotated, Literal, TypeVar

from faststream.security import BaseSecurity, SASLScram512
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from clinic_lib.addresses import address_of
from clinic_lib.errors import ConfigurationError

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

__all__ = ["AdminSettings", "ServiceSettings", "load_settings"]

LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)]
"""`info` is one, too."""


class AdminSettings(BaseSettings):
    """Where a process serves its admin port, and how much it logs."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    admin_host: str = "127.0.0.1"
    admin_port: int = Field(default=9080, ge=0, le=65535)
    admin_token: SecretStr | None = None
    log_level: LogLevel = "INFO"


class ServiceSettings(AdminSettings):
    """Where PostgreSQL and Kafka are, and the limits of a service.

    `database_user` and `database_password` override those of the address, so that the password alone is a
    secret. `database_connections` are for queries; polls, commands and the like have six of their own. The
    number of a topic's partitions is for ever: keys would move to others. `replica` is a process's own number
    where each has a lasting one: then it comes back to its partitions without waiting. `kafka_ca` is the
    certificate, in PEM, of who signed the brokers'; without one the system's are trusted.
    `saga_deadline_seconds` stands in for the deadlines that the code declares.
    """

    database_url: str
    database_user: str | None = None
    database_password: SecretStr | None = None
    database_connections: int = Field(default=5, ge=1)
    kafka_bootstrap_servers: str
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_user: str | None = None
    kafka_password: SecretStr | None = None
    kafka_ca: str | None = None
    kafka_partitions: int = Field(default=24, ge=1)
    kafka_replication_factor: int = Field(default=1, ge=1)
    replica: int | None = Field(default=None, ge=1)
    poll_records: int = Field(default=500, ge=1, le=1000)
    waiting_commands: int = Field(default=1000, ge=1)
    largest_event_bytes: int = Field(default=1_000_000, ge=1000, le=1_000_000)
    saga_deadline_seconds: float | None = Field(default=None, gt=0)

    @property
    def saga_deadline(self) -> timedelta | None:
        return timedelta(seconds=self.saga_deadline_seconds) if self.saga_deadline_seconds else None

    def database_address(self) -> str:
        """The full address, with user and password in it."""
        url = address_of(self.database_url)
        password = self.database_password.get_secret_value() if self.database_password else url.password
        return url.set(username=self.database_user or url.username, password=password).render_as_string(False)

    def kafka_security(self) -> BaseSecurity | None:
        """How Kafka's clients prove who they are (SCRAM-SHA-512) and whom they speak to; None in the clear."""
        if self.kafka_security_protocol == "PLAINTEXT":
            return None
        encrypted = self.kafka_security_protocol.endswith("SSL")
        context = self._kafka_tls() if encrypted else None
        if not self.kafka_security_protocol.startswith("SASL"):
            return BaseSecurity(ssl_context=context)
        if not self.kafka_user or not self.kafka_password:
            raise ConfigurationError(
                f"KAFKA_SECURITY_PROTOCOL is {self.kafka_security_protocol}: "
                "KAFKA_USER and KAFKA_PASSWORD are needed"
            )
        password = self.kafka_password.get_secret_value()
        return SASLScram512(self.kafka_user, password, ssl_context=context, use_ssl=encrypted)

    def _kafka_tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cadata=self.kafka_ca)
        except (ssl.SSLError, ValueError):
            raise ConfigurationError("KAFKA_CA is no certificate in PEM") from None


def load_settings(settings: type[SettingsT]) -> SettingsT:
    """Read the environment. Raises `ConfigurationError` with one sentence that names each wrong variable."""
    try:
        return settings()
    except ValidationError as exc:
        problems = "; ".join(
            f"{'_'.join(str(part) for part in error['loc']).upper()}: {error['msg']}"
            for error in exc.errors()
        )
        raise ConfigurationError(f"wrong settings in the environment: {problems}") from None
