"""The mistakes that a person can mend, each said in one message.

Every such error says three things: what was found, what was expected, and what to do. The command
line turns them into exit code 2, the endpoint into a 4xx answer. Anything else is a bug and crashes.
"""


class UserError(Exception):
    """A mistake that the user can mend."""

    def __init__(self, found: str, expected: str, remedy: str) -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(found, expected, remedy)

    def __str__(self) -> str:
        return f"{self.found}\n  expected: {self.expected}\n  to do: {self.remedy}"


class BundleError(UserError):
    """A bundle that is incomplete, altered, or of a format that this version does not know."""


class InputError(UserError):
    """A text, a file of texts or a request that the model cannot answer."""
