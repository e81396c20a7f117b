"""How the command line ends: exit codes and the one error that carries them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every `pilotage` command; documented in docs/reference/cli.md, scripts may match them."""

    OK = 0
    FAILED = 1
    """The answer is no: a command was refused, a file is invalid, a watched promotion was closed or aborted."""
    USAGE = 2
    """Wrong arguments, or a setting with a wrong value."""
    NOT_FOUND = 3
    """The object named is not there."""
    TIMEOUT = 4
    """No answer in time."""
    UNREACHABLE = 5
    """The cluster cannot be reached, or does not let this user in."""
    INTERRUPTED = 130
    """Ctrl-C."""


class CliError(Exception):
    """End the command with a message for people and an exit code."""

    def __init__(self, message: str, *, code: ExitCode = ExitCode.FAILED, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.advice = advice
        """What to do about it, on a line of its own."""
