"""What goes wrong with the operator's commands.

OperateError         what was asked can't be done
├── DownError        a service does not answer
└── NotThereError    a service has no such thing
"""

from clinic_lib.errors import ClinicError

__all__ = ["DownError", "NotThereError", "OperateError"]


class OperateError(ClinicError):
    """What was asked can't be done; the message is one sentence that says what to do."""


class DownError(OperateError):
    """A service does not answer; the message says how to start it."""


class NotThereError(OperateError):
    """A service knows no such dead letter, saga or instance."""
