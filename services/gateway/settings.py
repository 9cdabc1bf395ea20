"""The gateway's settings: which service owns which paths, and how long one is waited for."""

from typing import Annotated

from pydantic import Field, Json, PositiveFloat, PositiveInt, StringConstraints

from clinic_lib.settings import AdminSettings

__all__ = ["GatewaySettings", "Target"]

Prefix = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._~-]+)+$")]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#\s]+$")]

Target = tuple[Prefix, Origin]


class GatewaySettings(AdminSettings):
    """From the environment, as `GATEWAY_ROUTES='{"/receptions": "http://127.0.0.1:8081"}'`.

    A prefix stands for whole segments of a path. `gateway_connections` is how many are open to one service at
    most; a request waits `gateway_connect_seconds` for one, and `gateway_read_seconds` for each next byte.
    `gateway_name` is the metrics' label `service`: each gateway has its own.
    """

    gateway_name: str = "gateway"
    gateway_routes: Json[Annotated[dict[Prefix, Origin], Field(min_length=1)]]
    gateway_connect_seconds: PositiveFloat = 2.0
    gateway_read_seconds: PositiveFloat = 15.0
    gateway_connections: PositiveInt = 100

    def target(self, path: str) -> Target | None:
        """The longest prefix that `path` lies under, and the service behind it."""
        while path:
            if origin := self.gateway_routes.get(path):
                return path, origin
            path = path.rpartition("/")[0]
        return None
