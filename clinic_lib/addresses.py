"""A database's address, as DATABASE_URL carries it."""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from clinic_lib.errors import ConfigurationError

__all__ = ["address_of"]

PORTS = range(1, 65536)


def address_of(url: str) -> URL:
    """The parts of PostgreSQL's address `url`.

    Raises `ConfigurationError` for one that is none; it quotes nothing, since a password may stand anywhere in it.
    The driver itself would take port 99999 for 34463, and the default for 0.
    """
    try:
        address = make_url(url)
        ports = ",".join(address.normalized_query.get("port", ())) or address.port
        is_one = address.get_backend_name() in {"postgresql", "postgres"} and (
            ports is None or all(int(port) in PORTS for port in str(ports).split(","))
        )
    except (ArgumentError, ValueError):
        is_one = False
    if not is_one:
        raise ConfigurationError("DATABASE_URL is not an address: write postgresql://user@host:5432/database")
    return address
