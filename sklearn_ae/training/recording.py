"""Recording trainings, so that a fit can go on after a crash.

A fit is a sequence of trainings whose order depends on data, parameters and seed only.
This is the interface between trainings and whatever records them; the files are the
business of `sklearn_ae.persistence`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from sklearn_ae._sklearn_compat import Interval, validate_params

# Trainings and their outcomes are those of `sklearn_ae.training.loop`, which imports
# this module.
Training = Any
Outcome = Any


@dataclass(eq=False, repr=False)
class Checkpoint(BaseEstimator):
    """Where and how often the state of a fit is saved.

    A value of the parameter `checkpoint` of all estimators. A path alone stands for
    ``Checkpoint(path)``.

    Parameters
    ----------
    path : str or path-like
        The file or, with `per_fit`, a folder. Missing folders are made.

    every_seconds : float or None, default=60.0
        Save at the end of the first epoch after so many seconds. A crash loses at most
        this much work and one epoch.

    every_n_epochs : int or None, default=None
        Save after so many epochs, too.

    keep : bool, default=False
        Keep the file when the fit has finished. The same fit then takes its result from
        the file, without training.

    per_fit : bool, default=False
        Give each fit a file of its own in the folder `path`, named after its class,
        parameters and data. This is for searches and cross-validation, whose fits share
        their parameters; set `keep` there as well, or a search that is started again
        repeats the fits that had finished.

    See Also
    --------
    sklearn_ae.Autoencoder : Its parameter `checkpoint`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.persistence import Checkpoint
    >>> X = load_digits().data[:200] / 16
    >>> checkpoint = Checkpoint("digits.checkpoint", every_seconds=600)
    >>> autoencoder = Autoencoder(4, max_epochs=5, checkpoint=checkpoint).fit(X)
    """

    path: str | PathLike[str]
    _: KW_ONLY
    every_seconds: float | None = 60.0
    every_n_epochs: int | None = None
    keep: bool = False
    per_fit: bool = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "path": [str, PathLike],
        "every_seconds": [Interval(Real, 0, None, closed="left"), None],
        "every_n_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "keep": ["boolean"],
        "per_fit": ["boolean"],
    }


def resolve_checkpoint(given: Any) -> Checkpoint | None:
    """A checkpoint with valid fields, or None; a path alone stands for one.

    Raises a ValueError if it is anything else, or if a field is invalid.
    """
    if given is None:
        return None
    if not isinstance(given, str | PathLike | Checkpoint):
        raise ValueError(
            f"checkpoint={given!r} must be a path, a "
            "sklearn_ae.persistence.Checkpoint or None."
        )
    checkpoint = given if isinstance(given, Checkpoint) else Checkpoint(given)
    try:
        validate_params(checkpoint)
        if checkpoint.every_seconds is None and checkpoint.every_n_epochs is None:
            raise ValueError(
                "every_seconds=None and every_n_epochs=None never save; set one of "
                "them to a number."
            )
    except ValueError as error:
        raise ValueError(f"checkpoint={given!r}: {error}") from None
    return checkpoint


class Record:
    """What is recorded of trainings that are done at once. Here that is nothing.

    Attributes
    ----------
    outcomes : list of (TrainingResult, Exception or None)
        The outcomes of those that had ended when they were last recorded, else None, in
        the order of the trainings.
    has_ended : bool
        Whether all had ended; their nets are then restored.
    stack : dict or None
        What was saved of the stack, if the trainings were one and had not all ended.
    """

    outcomes: Sequence[Outcome | None] = ()
    has_ended: bool = False
    stack: Any = None

    def restore(self) -> None:
        """Restore the nets, and the progress of trainings that have begun."""

    def save(
        self,
        outcomes: Sequence[Outcome | None] = (None,),
        stack: Callable[[], Any] = lambda: None,
    ) -> None:
        """Record the state after an epoch, if it is time for that.

        Parameters
        ----------
        outcomes : sequence of (TrainingResult, Exception or None)
            Of the trainings that have ended, else None.
        stack : callable
            Returns the state of what the trainings share, if they are stacked.
        """

    def end(self, outcomes: Sequence[Outcome | None]) -> None:
        """Record the outcomes."""


class Recorder:
    """Records the trainings of a fit. This one records nothing."""

    # If so, trainings must come in the same order each time.
    is_ordered: ClassVar[bool] = False

    def begin(self, trainings: Sequence[Training]) -> Record:
        """Begin trainings that are done at once; those of an earlier run are found."""
        return Record()

    def seed(self, drawn: int) -> int:
        """The seed to use in place of one that was drawn from an unknown state."""
        return drawn


_NO_RECORDER = Recorder()
_recorder: ContextVar[Recorder] = ContextVar("recorder")


def current_recorder() -> Recorder:
    """The recorder of the present fit."""
    return _recorder.get(_NO_RECORDER)


@contextmanager
def recorded_by(recorder: Recorder) -> Iterator[None]:
    """Have the trainings that are made in this block, in this thread, recorded."""
    token = _recorder.set(recorder)
    try:
        yield
    finally:
        _recorder.reset(token)
