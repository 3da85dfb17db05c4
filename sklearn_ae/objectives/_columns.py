"""Blocks of columns that belong together: the indicators of a category."""

from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

# The positions of the columns of each block.
Blocks = tuple[tuple[int, ...], ...]


class Columns(NamedTuple):
    """What parts of an objective may ask about the columns of a table.

    Parameters
    ----------
    n : int
        How many there are.
    names : sequence of str or None
        Their names, if they have any.
    find_indicators : callable
        Finds the blocks of indicators in the values of the table.
    """

    n: int
    names: Sequence[str] | None
    find_indicators: Callable[[], Blocks]


def resolved_blocks(blocks: Any, columns: Columns, parameter: str) -> Blocks:
    """The positions of the columns of each block.

    Parameters
    ----------
    blocks : sequence
        Each block is a slice, a column, or a sequence of columns, which are given by
        position or name.
    columns : Columns
    parameter : str
        What the user calls `blocks`.

    Raises
    ------
    ValueError
        If a column does not exist or belongs to two blocks.
    """
    resolved: list[tuple[int, ...]] = []
    owner: dict[int, int] = {}
    for i, block in enumerate(blocks):
        name = f"{parameter}[{i}]={block!r}"
        positions = tuple(_positions(block, columns, name))
        if not positions:
            raise ValueError(f"{name} has no columns.")
        for position in positions:
            if position in owner:
                raise ValueError(
                    f"{name} has column {position}, which is in {parameter}"
                    f"[{owner[position]}] already; a column belongs to one block."
                )
            owner[position] = i
        resolved.append(positions)
    return tuple(resolved)


def _positions(block: Any, columns: Columns, name: str) -> list[int]:
    if isinstance(block, slice):
        ends = [end for end in (block.start, block.stop) if end is not None]
        for end in ends:
            if not (isinstance(end, Integral) and abs(int(end)) <= columns.n):
                raise ValueError(
                    f"{name} must be a slice of integers of at most {columns.n}, the "
                    "number of columns."
                )
        return list(range(*block.indices(columns.n)))
    is_one = isinstance(block, str) or not isinstance(block, Iterable)
    members = [block] if is_one else block
    return [_position(member, columns, name) for member in members]


def _position(member: Any, columns: Columns, name: str) -> int:
    if isinstance(member, str):
        if columns.names is None:
            raise ValueError(
                f"{name} has a name, but the columns have none. Pass a data frame, for "
                "instance by set_output(transform='pandas') of the step before, or "
                "positions."
            )
        found = np.flatnonzero(np.asarray(columns.names) == member)
        if len(found) == 0:
            raise ValueError(
                f"{name}: there is no column {member!r} among "
                f"{', '.join(map(repr, map(str, columns.names)))}."
            )
        return int(found[0])
    is_position = isinstance(member, Integral) and not isinstance(member, bool)
    if not (is_position and 0 <= int(member) < columns.n):
        raise ValueError(
            f"{name} must have names of columns, or positions from 0 to "
            f"{columns.n - 1}, not {member!r}."
        )
    return int(member)
