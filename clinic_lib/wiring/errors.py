"""What can't be looked at."""

from clinic_lib.errors import ClinicError

__all__ = ["LookError"]


class LookError(ClinicError):
    """A system, a service or a file can't be looked at; the message is one sentence that says what to do."""
