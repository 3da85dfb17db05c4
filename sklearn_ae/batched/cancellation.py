"""How threads are told to end."""


class Cancelled(BaseException):
    """Ends a fit because another one failed, or because the user interrupts."""


class Cancellation:
    """A flag that everything which runs longer looks at after each of its steps.

    Attributes
    ----------
    requested : bool
        Whether to end. Only ever set, so that it may be set from anywhere.
    """

    def __init__(self) -> None:
        self.requested = False

    def check(self) -> None:
        """Raise `Cancelled` once it is requested."""
        if self.requested:
            raise Cancelled
