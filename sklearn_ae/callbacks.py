"""Callbacks of skorch for the parameter `callbacks`, beside those of skorch itself."""

import json
from datetime import UTC, datetime
from numbers import Integral, Real
from pathlib import Path
from typing import Any
from uuid import uuid4

from skorch.callbacks import Callback

__all__ = ["EpochLog"]


class EpochLog(Callback):
    """Appends the losses of each epoch to a file, as one line of JSON.

    The file is opened, appended to and closed in each epoch: what has been written
    survives an interrupt or a crash, and other programs can read the file during
    training. Several fits may share a file, also in several processes.

    Parameters
    ----------
    path : str or Path
        The file. It and missing folders are made when the first line is written.

    See Also
    --------
    skorch.callbacks.PrintLog : Prints the losses instead.

    Notes
    -----
    Each line has the fields "fit", which identifies the fit, "time", in UTC, and those
    of `history_`, such as "epoch", "learning_rate", "train_loss" and "valid_loss". A
    warm start continues the previous fit.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.callbacks import EpochLog
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "losses.jsonl"
    >>> log = EpochLog(path)
    >>> autoencoder = Autoencoder(2, callbacks=[log], max_epochs=3, random_state=0)
    >>> _ = autoencoder.fit(load_iris().data)
    >>> table = pd.read_json(path, lines=True)
    >>> table["epoch"].tolist()
    [1, 2, 3]
    >>> folder.cleanup()
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kw: Any) -> None:
        """Give the fit a name of its own, unless it continues one.

        Parameters
        ----------
        net : NeuralNet
            The net that will be trained.

        X, y : object
            Not used.

        **kw : dict
            Not used.
        """
        if not net.history or not hasattr(self, "fit_"):
            self.fit_ = uuid4().hex[:12]

    def on_epoch_end(self, net: Any, **kw: Any) -> None:
        """Append the latest row of the history.

        Parameters
        ----------
        net : NeuralNet
            The net that is trained.

        **kw : dict
            Not used.
        """
        line = {"fit": self.fit_, "time": datetime.now(UTC).isoformat()}
        for name, value in net.history[-1].items():
            if isinstance(value, bool) or name.endswith("_best"):
                continue
            if isinstance(value, Integral):
                line[name] = int(value)
            elif isinstance(value, Real):
                line[name] = float(value)
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # One write of a whole line, which other processes do not break up.
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
