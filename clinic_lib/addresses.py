"""A database's address, as DATABASE_URL carries it."""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from clinic_lib.errors import ConfigurationError

__all__ = ["address_of"]

LAST_PORT = 65535


def address_of(url: str) -> URL:
    """The parts of PostgreSQL's address `url`.

    Raises `ConfigurationError` for one that is none; it quotes nothing, since a password may stand anywhere in it.
    The driver itself would take port 99999 for 34463.
    """
    try:
        address = make_url(url)
        is_one = address.get_backend_name() in {"postgresql", "postgres"}
    except (ArgumentError, ValueError):
        is_one = False
    if not is_one or not 0 <= (address.port or 0) <= LAST_PORT:
        raise ConfigurationError("DATABASE_URL is not an address: write postgresql://user@host:5432/database")
    return address
