"""The processes that train one model together, and what they tell each other.

Every function here that communicates must be called by all ranks, in the same order.
"""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed


class RankFailed(RuntimeError):
    """Another rank has failed, or cannot be reached."""


class _Interrupt:
    """Whether the user has interrupted this process while a fit of all ranks runs."""

    is_pending = False


_interrupt = _Interrupt()


class Ranks:
    """The processes of torch's default process group.

    Attributes
    ----------
    rank : int
        Number of this process, from 0.
    size : int
        Number of processes, at least 2.
    """

    def __init__(self) -> None:
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        # NCCL alone knows tensors on GPUs only.
        self._device = torch.device("cpu")
        if distributed.get_backend() == "nccl":
            self._device = torch.device("cuda", torch.cuda.current_device())

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, in their order."""
        values: list[Any] = [None] * self.size
        with self._connected():
            distributed.all_gather_object(values, value)
        return values

    def from_first(self, value: Any) -> Any:
        """The value of rank 0."""
        values = [value]
        with self._connected():
            distributed.broadcast_object_list(values, 0)
        return values[0]

    def sum_(self, tensor: Tensor) -> Tensor:
        """Sum over the ranks, in place."""
        if self._device.type == "cuda" and tensor.device.type != "cuda":
            return tensor.copy_(self.sum_(tensor.to(self._device)))
        with self._connected():
            distributed.all_reduce(tensor)
        return tensor

    def total(self, values: np.ndarray | float) -> np.ndarray:
        """Sum over the ranks, in double precision."""
        tensor = torch.from_numpy(np.array(values, np.float64))
        return self.sum_(tensor).numpy()

    def agree(self, what: dict[str, Any]) -> None:
        """Raise a ValueError on all ranks unless the values are equal on all."""
        everyone = self.gather(what)
        for rank, theirs in enumerate(everyone):
            for name, value in everyone[0].items():
                if value != theirs.get(name):
                    raise ValueError(
                        f"All ranks must pass the same {name} to a fit that they do "
                        f"together, but rank 0 has {value} and rank {rank} has "
                        f"{theirs.get(name)}."
                    )

    @contextmanager
    def sharing_errors(self) -> Iterator[None]:
        """Raise an error in the block on all ranks.

        There must be no communication in the block.
        """
        error: Exception | None = None
        try:
            yield
        except Exception as raised:
            error = raised
        # Errors are rare, and a number takes less time than messages do.
        if self.total(error is not None):
            self._raise_on_all(error)

    def sum_gradients(
        self,
        parameters: Sequence[Tensor],
        loss: Tensor,
        share: float,
        error: BaseException | None,
    ) -> Tensor:
        """Replace gradients by those of all rows of a batch; the loss of all rows.

        Parameters
        ----------
        parameters : sequence of tensors
            With the gradients of the loss.
        loss : tensor of shape ()
            The mean loss over the rows of this rank.
        share : float
            The rows of this rank among those of the batch, from 0 to 1.
        error : BaseException or None
            What has kept this rank from computing gradients. All ranks then raise.

        Raises
        ------
        KeyboardInterrupt
            If the user has interrupted any rank.
        """
        device = parameters[0].device
        # Without rows on this rank, they may be NaN: zero times NaN is not zero.
        counts_here = error is None and share > 0
        is_here = [counts_here and one.grad is not None for one in parameters]
        marks = [error is not None, _interrupt.is_pending, *is_here]
        parts = [
            torch.tensor(marks, dtype=torch.float32, device=device),
            (loss * share if counts_here else torch.zeros_like(loss)).reshape(1),
        ]
        for parameter, has_gradient in zip(parameters, is_here, strict=True):
            gradient = parameter.grad if has_gradient else torch.zeros_like(parameter)
            assert gradient is not None
            parts.append(gradient.reshape(-1) * share)
        flat = self.sum_(torch.cat(parts))
        sizes = [len(marks), 1, *(one.numel() for one in parameters)]
        counts, whole, *gradients = flat.split(sizes)
        n_failed, n_interrupted, *n_present = counts.tolist()
        if n_failed:
            self._raise_on_all(error)
        if n_interrupted:
            _interrupt.is_pending = False
            raise KeyboardInterrupt("A rank has been interrupted.")
        for parameter, own, n in zip(parameters, gradients, n_present, strict=True):
            if n:
                parameter.grad = own.view_as(parameter)
        return whole[0]

    def spread_(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by those of rank 0."""
        for tensor in tensors:
            on_device = tensor
            if self._device.type == "cuda":
                on_device = tensor.to(self._device)
            with self._connected():
                distributed.broadcast(on_device, 0)
            tensor.copy_(on_device)

    def average_(self, tensors: Sequence[Tensor], share: float) -> None:
        """Replace tensors of floating-point numbers by their means over the ranks.

        `share` is the weight of this rank. Those of all ranks add up to 1.
        """
        if not tensors:
            return
        flat = self.sum_(torch.cat([one.reshape(-1) for one in tensors]) * share)
        sizes = [tensor.numel() for tensor in tensors]
        for tensor, mean in zip(tensors, flat.split(sizes), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def _raise_on_all(self, error: BaseException | None) -> None:
        """Raise the own error or else that of the first rank that has one, if any."""
        told = None if error is None else (type(error).__name__, str(error))
        everyone = self.gather(told)
        if error is not None:
            raise error
        for rank, one in enumerate(everyone):
            if one is None:
                continue
            kind, message = one
            message = f"Rank {rank} has failed with {kind}: {message}"
            raise ValueError(message) if kind == "ValueError" else RankFailed(message)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise RankFailed(
                f"Rank {self.rank} cannot reach the other ranks any more, perhaps "
                "because one has ended, or has not called the same method within the "
                f"time-out of the process group: {error}"
            ) from error


def current_ranks() -> Ranks | None:
    """The ranks, where torch.distributed is initialised for more than one process."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return None
    return Ranks() if distributed.get_world_size() > 1 else None


def rank_number() -> int:
    """Number of this process; 0 if it is alone."""
    ranks = current_ranks()
    return 0 if ranks is None else ranks.rank


# Whether this thread is in a block of `joint_interrupts`.
_is_joint: ContextVar[bool] = ContextVar("is_joint", default=False)


@contextmanager
def joint_interrupts() -> Iterator[None]:
    """Delay an interrupt by the user to the next step, in which it ends all ranks.

    A process that trains alone is interrupted at once. A second interrupt is not
    delayed. Without another step, all ranks raise it at the end of the block.
    """
    ranks = current_ranks()
    if ranks is None or _is_joint.get():
        yield
        return
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler: Any = signal.getsignal(signal.SIGINT) if in_main_thread else None
    token = _is_joint.set(True)
    if callable(handler):
        signal.signal(signal.SIGINT, _delay)
    try:
        yield
        is_pending = any(ranks.gather(_interrupt.is_pending))
    finally:
        _is_joint.reset(token)
        if callable(handler):
            signal.signal(signal.SIGINT, handler)
            _interrupt.is_pending = False
    if is_pending:
        raise KeyboardInterrupt("A rank has been interrupted.")


def _delay(*args: Any) -> None:
    if _interrupt.is_pending:
        raise KeyboardInterrupt
    _interrupt.is_pending = True
