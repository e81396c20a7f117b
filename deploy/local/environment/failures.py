"""The one error of the local environment."""


class LocalEnvironmentError(RuntimeError):
    """The environment cannot do what was asked; the message states what failed and what to do."""
