"""What goes wrong with the local stack."""

from clinic_lib.errors import ClinicError

__all__ = ["StackError"]


class StackError(ClinicError):
    """The local stack can't do what was asked; the message is one sentence that says what to do."""
