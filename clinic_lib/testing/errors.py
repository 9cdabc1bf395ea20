"""What a run finds: failures of the test, not of the stack.

AssertionError
├── NotSettledError     the system did not come to rest
└── InvariantError      a promise was broken
"""

__all__ = ["InvariantError", "NotSettledError"]


class NotSettledError(AssertionError):
    """The system did not come to rest in time, or can't any more; the message says what is still open."""


class InvariantError(AssertionError):
    """A promise of the library was broken; the message holds the evidence."""
