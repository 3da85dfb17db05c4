"""Fits that go on after a crash: what is saved of them, and when."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from sklearn_ae._failures import OUT_OF_MEMORY
from sklearn_ae.data.ranks import current_ranks
from sklearn_ae.persistence import files
from sklearn_ae.persistence.files import Encoded
from sklearn_ae.persistence.fingerprint import differences, digest, manifest_of
from sklearn_ae.persistence.state import dump_state, load_state
from sklearn_ae.training.loop import Outcome, Training, TrainingResult
from sklearn_ae.training.recording import (
    Checkpoint,
    Record,
    Recorder,
    current_recorder,
    recorded_by,
    resolve_checkpoint,
)
from sklearn_ae.training.seeding import global_states, set_global_states

_RANDOM = (torch.Generator, np.random.Generator, np.random.RandomState)


class Session:
    """The saving of one fit. It does nothing without a checkpoint.

    Parameters
    ----------
    estimator : estimator
        Whose `fit` it is.
    contexts : ExitStack
        Ended with the block in which trainings are recorded.
    """

    def __init__(self, estimator: Any, contexts: ExitStack) -> None:
        self._estimator, self._contexts = estimator, contexts
        self._recorder: FileRecorder | None = None

    def begin(self, data: dict[str, Any]) -> None:
        """Record all trainings from now on, and look for those of an earlier run.

        Parameters
        ----------
        data : dict of str to arrays, sparse matrices or nested plain values
            Whatever the result depends on besides the parameters, by its name.
        """
        options = resolve_checkpoint(self._estimator.checkpoint)
        # A part of another fit is recorded there.
        if options is None or current_recorder().is_ordered:
            return
        if current_ranks() is not None:
            raise ValueError(
                f"checkpoint={self._estimator.checkpoint!r} must be None where several "
                "ranks train together: their files would not be of one moment."
            )
        path, manifest = Path(options.path), manifest_of(self._estimator, data)
        if options.per_fit:
            own = digest([manifest["parameters"], manifest["data"]])[:16]
            path /= f"{type(self._estimator).__name__}-{own}.npz"
        self._recorder = FileRecorder(options, path, manifest)
        if self._recorder.resumes and getattr(self._estimator, "verbose", 0):
            # The progress bar starts again.
            print(f"Resuming from checkpoint={str(path)!r}.")
        self._contexts.enter_context(recorded_by(self._recorder))

    def complete(self) -> None:
        """The fit has finished: remove the file, unless it is to be kept."""
        if self._recorder is not None:
            self._recorder.complete()


@contextmanager
def resumable(estimator: Any) -> Iterator[Session]:
    """Around a fit whose trainings are recorded from `Session.begin` on."""
    with ExitStack() as contexts:
        yield Session(estimator, contexts)


class FileRecorder(Recorder):
    """Records trainings in a file.

    Parameters
    ----------
    options : Checkpoint
    path : Path
        The file.
    manifest : dict
        What a fit must have in common with that of the file.

    Raises
    ------
    ValueError
        If the file belongs to another fit, is damaged, or cannot be written.

    Attributes
    ----------
    resumes : bool
        Whether there was a file.
    """

    is_ordered: ClassVar[bool] = True

    def __init__(
        self, options: Checkpoint, path: Path, manifest: dict[str, Any]
    ) -> None:
        self._options, self._path, self._manifest = options, path, manifest
        self._seeds: list[int] = []
        # By the positions of trainings in the fit.
        self._records: dict[int, Encoded] = {}
        self._n_begun = self._n_seeds = self._n_epochs = 0
        self._has_news = False
        self.resumes = self._exists()
        if self.resumes:
            self._read()
        else:
            self._try_to_write()
        self._saved_at = time.monotonic()

    def _exists(self) -> bool:
        try:
            # A link stays one; its target is replaced.
            self._file = Path(os.path.realpath(self._path))
            return self._file.exists()
        except (OSError, ValueError) as error:
            # No such name is possible, or its folder is closed to the user.
            raise ValueError(
                f"checkpoint={str(self._path)!r} cannot be used: {error}"
            ) from error

    def _read(self) -> None:
        if self._file.is_dir():
            raise ValueError(
                f"checkpoint={str(self._path)!r} is a folder. Give the name of a file, "
                "or Checkpoint(..., per_fit=True) for one file per fit."
            )
        with self.damages_named():
            found = files.read(self._file)
            head = found.pop("head").value()
            manifest, self._seeds = head["manifest"], list(map(int, head["seeds"]))
            self._records = {int(name): one for name, one in found.items()}
            different = differences(manifest, self._manifest)
        if different:
            raise ValueError(
                f"checkpoint={str(self._path)!r} belongs to another fit: "
                f"{'; '.join(different)}. Remove the file to start anew, or give "
                "another name. The fits of a search or cross-validation need "
                "Checkpoint(..., per_fit=True)."
            )

    def _try_to_write(self) -> None:
        """Rather an error now than after hours."""
        probe = files.unfinished(self._file)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink(missing_ok=True)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"checkpoint={str(self._path)!r} cannot be written: {error}"
            ) from error

    @contextmanager
    def damages_named(self) -> Iterator[None]:
        """Around the use of what was read, any error of which is the file's."""
        try:
            yield
        except OUT_OF_MEMORY:
            raise
        except Exception as error:
            raise ValueError(
                f"checkpoint={str(self._path)!r} is damaged, or no checkpoint of "
                f"sklearn_ae ({type(error).__name__}: {error}). Remove the file to "
                "start anew."
            ) from error

    def seed(self, drawn: int) -> int:
        position, self._n_seeds = self._n_seeds, self._n_seeds + 1
        if position == len(self._seeds):
            self._seeds.append(drawn)
        return self._seeds[position]

    def begin(self, trainings: Sequence[Training]) -> Record:
        for training in trainings:
            _check_generators(training)
        position, self._n_begun = self._n_begun, self._n_begun + 1
        return _FileRecord(self, position, trainings, self._records.get(position))

    def epoch_ended(
        self, position: int, state: Callable[[], dict[str, Any]], *, is_stack: bool
    ) -> None:
        """Save the state of trainings if it is time for that."""
        self._note_epoch()
        is_due = self._is_due()
        # Once in any case, so that what cannot be saved is an error at the start. Only
        # networks whose parts are known are stacked.
        if is_due or not (is_stack or position in self._records):
            self._records[position] = Encoded.of(state())
        if is_due:
            self._save()

    def ended(self, position: int, state: dict[str, Any]) -> None:
        """Keep what has come of trainings, and save it if it is time for that."""
        self._note_epoch()
        self._records[position] = Encoded.of(state)
        if self._is_due():
            self._save()

    def _note_epoch(self) -> None:
        self._n_epochs += 1
        self._has_news = True

    def _is_due(self) -> bool:
        n_epochs, seconds = self._options.every_n_epochs, self._options.every_seconds
        return (n_epochs is not None and self._n_epochs >= n_epochs) or (
            seconds is not None and time.monotonic() >= self._saved_at + seconds
        )

    def _save(self) -> None:
        """Write everything."""
        head = {"manifest": self._manifest, "seeds": self._seeds}
        records = {str(position): one for position, one in self._records.items()}
        try:
            files.write(self._file, {"head": Encoded.of(head), **records})
        except OSError as error:
            # No reason to lose the fit.
            warnings.warn(
                f"checkpoint={str(self._path)!r} could not be written, and the fit "
                f"goes on without: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
        self._n_epochs, self._has_news = 0, False
        self._saved_at = time.monotonic()

    def complete(self) -> None:
        """Keep or remove the file of a fit that has finished."""
        if not self._options.keep:
            self._file.unlink(missing_ok=True)
        elif self._has_news:
            self._save()
        files.remove_unfinished(self._file)


class _FileRecord(Record):
    """Trainings that are done at once, by their position in the fit."""

    def __init__(
        self,
        recorder: FileRecorder,
        position: int,
        trainings: Sequence[Training],
        saved: Encoded | None,
    ) -> None:
        self._recorder, self._position = recorder, position
        self._trainings = trainings
        self._kinds = [_kind(training) for training in trainings]
        self._states: list[dict[str, Any]] = []
        if saved is None:
            return
        with recorder.damages_named():
            found = saved.value()
            kinds, self._states = found["kinds"], found["trainings"]
            self.outcomes = [_outcome(one) for one in found["outcomes"]]
            self.stack = found["stack"]
        if kinds != self._kinds:
            old, new = (", ".join(dict.fromkeys(one)) for one in (kinds, self._kinds))
            raise ValueError(
                f"The fit does not repeat itself: training {position} of the "
                f"checkpoint has {len(kinds)} networks with {old}; now it has "
                f"{len(self._kinds)} with {new}. Something beyond its parameters and "
                "data has changed, such as a function or class of yours, the device, "
                "or a splitter without a random_state."
            )
        self.has_ended = None not in self.outcomes
        if self.has_ended:
            self.restore()

    def restore(self) -> None:
        states, self._states = self._states, []
        with self._recorder.damages_named():
            for training, outcome, state in zip(
                self._trainings, self.outcomes, states, strict=False
            ):
                _restore(training, state, has_ended=outcome is not None)

    def save(
        self,
        outcomes: Sequence[Outcome | None] = (None,),
        stack: Callable[[], Any] = lambda: None,
    ) -> None:
        self._recorder.epoch_ended(
            self._position,
            lambda: self._state(outcomes, stack()),
            is_stack=len(self._trainings) > 1,
        )

    def end(self, outcomes: Sequence[Outcome | None]) -> None:
        # What was interrupted goes on.
        if not any(isinstance(o, TrainingResult) and o.interrupt for o in outcomes):
            self._recorder.ended(self._position, self._state(outcomes, None))

    def _state(self, outcomes: Sequence[Outcome | None], stack: Any) -> dict[str, Any]:
        pairs = zip(self._trainings, outcomes, strict=True)
        return {
            "kinds": self._kinds,
            "outcomes": [_plain(outcome) for outcome in outcomes],
            "trainings": [_dumped(one, outcome is not None) for one, outcome in pairs],
            "stack": stack,
        }


def _kind(training: Training) -> str:
    """By what trainings are told apart, beyond parameters and data of the fit."""
    net, valid = training.net, training.valid
    n_parameters = sum(parameter.numel() for parameter in net.module_.parameters())
    rows = [training.train.rows, None if valid is None else valid.rows]
    return (
        f"{n_parameters} weights on {net.device}, {training.n_epochs} epochs, "
        f"{len(training.train)} rows ({digest(rows)[:8]})"
    )


def _plain(outcome: Outcome | None) -> Any:
    if isinstance(outcome, TrainingResult):
        return [outcome.has_changed, outcome.best_loss]
    return None if outcome is None else str(outcome)


def _outcome(plain: Any) -> Outcome | None:
    if isinstance(plain, list):
        has_changed, best_loss = plain
        return TrainingResult(bool(has_changed), float(best_loss), None)
    return None if plain is None else ValueError(plain)


def _dumped(training: Training, has_ended: bool) -> dict[str, Any]:
    net = training.net
    state = dump_state(net)
    if has_ended:
        # Its moments are of no more use.
        optimizer = {**state["optimizer"], "state": {}}
        return {"net": {**state, "optimizer": optimizer}}
    isolated = None
    if net.needs_isolation_:
        isolated = global_states(torch.device(net.device))
    return {"net": state, "progress": training.progress(), "global": isolated}


def _restore(training: Training, state: dict[str, Any], *, has_ended: bool) -> None:
    net = training.net
    load_state(net, state["net"])
    if has_ended:
        net.set_mode(False)
        return
    training.go_on_from(state["progress"])
    if net.needs_isolation_:
        set_global_states(state["global"], torch.device(net.device))


def _check_generators(training: Training) -> None:
    """Raise a ValueError if a part has random numbers whose state is not saved."""
    net = training.net
    ours = {id(generator) for generator in net.generators_.values()}
    objective = net.criterion_
    parts = [net.module_, objective.loss, *objective.penalties.values()]
    for part in (*net.module_.modules(), *parts, net.corruption):
        for name, value in getattr(part, "__dict__", {}).items():
            if isinstance(value, _RANDOM) and id(value) not in ours:
                raise ValueError(
                    f"checkpoint cannot save the random generator {name!r} of a "
                    f"{type(part).__name__}. Draw from the generator that penalties "
                    "and corruptions are given or, in a network, from torch's global "
                    "one. Or set checkpoint=None."
                )
