"""Fits of several processes together, which are those of one with all their rows."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rank_cases import EQUAL, LINE_SEARCH, NOISY, PCA

import sklearn_ae

PROGRAM = Path(__file__).with_name("rank_cases.py")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What two ranks have found; see `rank_cases.py`."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(sklearn_ae.__file__).parents[1]),
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, PROGRAM, folder / "store", str(rank), folder / "out"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        messages = [rank.communicate(timeout=200)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    names = ["out.0", "out.1", "out.left"]
    missing = [name for name in names if not (folder / name).exists()]
    assert not missing, "\n".join(messages)
    return [pickle.loads((folder / name).read_bytes()) for name in names]


def assert_close(actual, expected, tolerance):
    scale = np.abs(expected).max() or 1.0
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


def assert_same_bits(first, second):
    assert first.keys() == second.keys()
    for name in first.keys() - {"history_"}:
        np.testing.assert_array_equal(first[name], second[name])
    for name, column in first.get("history_", {}).items():
        if name != "dur":
            np.testing.assert_array_equal(column, second["history_"][name])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [*EQUAL, *LINE_SEARCH, *PCA, *NOISY])
def test_ranks_end_with_the_same_bits(found, name):
    assert_same_bits(found[0]["joint"][name], found[1]["joint"][name])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", EQUAL)
def test_joint_fit_is_that_of_one_process(found, name):
    joint, alone = found[0]["joint"][name], found[0]["alone"][name]
    # A classifier's head is found up to the tolerance of its solver. Adam, which trains
    # candidates, magnifies rounding.
    tolerance = 1e-4 if name in ("classifier", "candidates") else 1e-6
    assert_close(joint["weights"], alone["weights"], tolerance)
    for key in joint.keys() & {"best_loss_", "mean_", "scale_", "explained_variance_"}:
        assert_close(joint[key], alone[key], 1e-5)
    assert_close(joint["outputs"], alone["outputs"], 1e-4)


@pytest.mark.timeout(240)
def test_line_search_of_all_ranks_starts_and_ends_as_that_of_one_process(found):
    joint, alone = (found[0][key]["lbfgs"] for key in ("joint", "alone"))
    first = [np.ravel(one["history_"]["train_loss"])[0] for one in (joint, alone)]
    assert first[0] == pytest.approx(first[1], rel=1e-6)
    assert joint["best_loss_"] == pytest.approx(alone["best_loss_"], rel=0.05)
    assert joint["best_loss_"] < 0.95 * first[0]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", PCA)
def test_pca_start_is_that_of_one_process(found, name):
    joint, alone = found[0]["joint"][name], found[0]["alone"][name]
    assert_close(joint["outputs"], alone["outputs"], 1e-5)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", NOISY)
def test_joint_codes_are_finite_and_vary(found, name):
    outputs = found[0]["joint"][name]["outputs"]
    assert np.isfinite(outputs).all()
    assert outputs.std(axis=0).min() > 0


@pytest.mark.timeout(240)
def test_training_from_disks_is_as_good_as_from_memory(found):
    """With the same validation data, and rows in another order."""
    joint = found[0]["joint"]["on a disk"]
    alone = found[0]["alone"]["validation data"]
    assert joint["best_loss_"] == pytest.approx(alone["best_loss_"], rel=0.01)


@pytest.mark.timeout(240)
def test_streams_of_unequal_length(found):
    assert_same_bits(found[0]["stream"], found[1]["stream"])
    joint, alone = found[0]["stream"], found[0]["stream alone"]
    assert_close(joint["outputs"], alone["outputs"], 1e-5)
    assert_close(joint["explained_variance_"], alone["explained_variance_"], 1e-5)


ERRORS = {
    "NaN on rank 1": (
        "ValueError: Rank 1 has failed with ValueError: Input X contains NaN",
        "ValueError: Input X contains NaN",
    ),
    "other width": ("ValueError: All ranks must pass the same number of columns",) * 2,
    "other dtype": ("ValueError: All ranks must pass the same precision of X",) * 2,
    "other parameter": (
        "ValueError: All ranks must pass the same parameter max_epochs to a fit that "
        "they do together, but rank 0 has 5 and rank 1 has 6",
    )
    * 2,
    "other parameter of an autoencoder": (
        "ValueError: All ranks must pass the same parameter autoencoder__max_epochs to",
    )
    * 2,
    "other seed": ("ValueError: All ranks must pass the same parameter random_state",)
    * 2,
    "weights on rank 1": ("ValueError: All ranks must pass the same sample_weight",)
    * 2,
    "validation data on rank 1": ("ValueError: All ranks must pass the same X_val",)
    * 2,
    "groups of other length": (
        "ValueError: Rank 1 has failed with ValueError: groups has the shape (130,)",
        "ValueError: groups has the shape (130,)",
    ),
    "NaN on rank 1, on a disk": (
        "ValueError: Rank 1 has failed with ValueError: Row 3 of the table:",
        "ValueError: Row 3 of the table: the value nan",
    ),
    "groups on rank 1": ("ValueError: All ranks must pass the same groups",) * 2,
    "device of rank 1": (
        "ValueError: Rank 1 has failed with ValueError: device='absent'",
        "ValueError: device='absent'",
    ),
    "no y_val on rank 1": (
        "ValueError: Rank 1 has failed with ValueError: X_val needs y_val",
        "ValueError: X_val needs y_val",
    ),
    "another kind of seed": (
        "ValueError: All ranks must pass the same parameter random_state to a fit that "
        "they do together, but rank 0 has 0 and rank 1 has a RandomState.",
    )
    * 2,
    "fitted on rank 1": ("ValueError: All ranks must pass the same kind of estimator",)
    * 2,
    "other fitted model": ("ValueError: All ranks must pass the same fitted model",)
    * 2,
    "other fitted autoencoder": (
        "ValueError: All ranks must pass the same fitted autoencoder",
    )
    * 2,
    "no rows anywhere": ("ValueError: X has 0 rows on all 2 ranks together",) * 2,
    "checkpoint": ("ValueError: checkpoint='unused' must be None",) * 2,
    "side by side": ("ValueError: Fits cannot be trained side by side",) * 2,
    "y of other shape": (
        "ValueError: All ranks must pass the same number of dimensions of y to a fit "
        "that they do together, but rank 0 has 1 and rank 1 has 2.",
    )
    * 2,
    "callback fails on rank 1": (
        "RankFailed: Rank 1 has failed with ZeroDivisionError: division by zero",
        "ZeroDivisionError: division by zero",
    ),
    "step fails on rank 1": (
        "RankFailed: Rank 1 has failed with ArithmeticError: no such number",
        "ValueError: network=<class '__main__.OwnNetwork'> failed: ArithmeticError",
    ),
    "other prototype": ("ValueError: autoencoder=PCA(n_components=2, random_state=",)
    * 2,
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ERRORS)
def test_error_on_one_rank_is_one_on_all(found, name):
    for rank, message in enumerate(ERRORS[name]):
        assert found[rank]["errors"][name].startswith(message)


@pytest.mark.timeout(240)
def test_interrupt_of_one_rank_ends_all(found):
    assert_same_bits(found[0]["interrupted"], found[1]["interrupted"])
    assert len(found[0]["interrupted"]["history_"]["epoch"]) == 3
    # The next fit is not disturbed.
    assert_same_bits(found[0]["after"], found[0]["joint"]["random start"])


@pytest.mark.timeout(240)
def test_interrupt_after_the_last_step_ends_all(found):
    (interrupts, first), (interrupted, second) = (
        found[rank]["interrupted late"] for rank in range(2)
    )
    assert interrupts
    assert interrupted
    assert_same_bits(first, second)


@pytest.mark.timeout(240)
def test_splitters_without_a_seed_split_alike_on_all_ranks(found):
    for pair, other in zip(
        found[0]["random splits"], found[1]["random splits"], strict=True
    ):
        for rows, others in zip(pair, other, strict=True):
            np.testing.assert_array_equal(rows, others)


@pytest.mark.timeout(240)
def test_a_rank_without_rows_gets_no_codes_and_no_score(found):
    codes, error = found[1]["no rows"]
    assert codes.shape == (0, 5)
    assert error.startswith("ValueError: X has no rows")


@pytest.mark.timeout(240)
def test_dead_rank_is_an_error_on_the_others(found):
    message, is_unchanged = found[2]
    assert message.startswith("RankFailed: Rank 0 cannot reach the other ranks")
    assert is_unchanged
