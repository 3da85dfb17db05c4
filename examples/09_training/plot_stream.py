"""
A stream: learning rate, early stopping and drift in a loop of your own
=======================================================================

``fit`` needs a table. A stream has no end and passes only once, so you write the loop:
``partial_fit`` trains on each chunk as it comes. What ``fit`` does by itself is a few
lines here: measure the error on rows that were put aside, lower the learning rate when
this error falls no more, keep the best weights, and stop. Afterwards the error of new
chunks tells when the data have changed, and training goes on.
"""

# %%
# A machine with 24 sensors, whose readings depend on three hidden causes, such as load,
# speed and temperature, and on noise. After chunk 130 a third of the sensors is
# replaced, and the new ones react to the causes in another way.
import numpy as np

CHANGE, N_CHUNKS = 130, 300
rng = np.random.default_rng(0)
loads, offsets = rng.normal(size=(3, 24)), rng.normal(size=24)
replaced = np.arange(24) < 8
new_loads = np.where(replaced, rng.normal(size=(3, 24)), loads)


def readings(n_rows, loads):
    causes = rng.uniform(-1.5, 1.5, size=(n_rows, 3))
    noise = 0.05 * rng.normal(size=(n_rows, 24))
    return np.tanh(causes @ loads + offsets) + noise


def chunk(number):
    return readings(300, loads if number <= CHANGE else new_loads)


# %%
# The loop. ``learning_rate`` may change between calls of ``partial_fit``, and it is the
# only parameter that a schedule needs; the optimizer keeps its state. ``deepcopy`` of
# an estimator copies weights and state, which takes a few milliseconds. When the
# validation error has not fallen for five chunks, the loop returns to the best weights
# and continues at a third of the rate; below a rate of 1e-4 it stops.
import copy

from sklearn_ae import Autoencoder

PATIENCE, SMALLEST_RATE = 5, 1e-4


class Watched:
    """An autoencoder that is trained until its validation error falls no more."""

    def __init__(self, model, X_val):
        self.model = self.best = model
        self.record = []
        self.start(X_val, learning_rate=1e-2)

    def start(self, X_val, learning_rate):
        self.X_val, self.rate = X_val, learning_rate
        self.lowest, self.waited, self.is_training = np.inf, 0, True

    def learn(self, number, rows):
        self.model.set_params(learning_rate=self.rate).partial_fit(rows)
        error = self.model.reconstruction_error(self.X_val).mean()
        self.record.append((number, error, self.rate))
        if error < 0.99 * self.lowest:
            self.best, self.lowest = copy.deepcopy(self.model), error
            self.waited = 0
            return
        self.waited += 1
        if self.waited == PATIENCE:
            self.model, self.waited = copy.deepcopy(self.best), 0
            self.rate /= 3
            self.is_training = self.rate >= SMALLEST_RATE


# %%
# The first call of ``partial_fit`` determines mean and scale and, as PCA, the start: it
# gets more rows than the others. A model that has stopped only encodes. Its error on
# the new rows is watched: if it is more than twice that on the validation rows, the
# data have changed. The loop then takes the next chunks as new validation rows, and
# continues to train at a high rate.
watched = Watched(Autoencoder(3, random_state=0), readings(1000, loads))
watched.model.partial_fit(readings(2000, loads))

stopped, new_errors = [], []
for number in range(1, N_CHUNKS + 1):
    rows = chunk(number)
    new_errors.append(watched.best.reconstruction_error(rows).mean())
    if watched.is_training:
        watched.learn(number, rows)
        if not watched.is_training:
            stopped.append((number, watched.lowest))
    elif new_errors[-1] > 2 * watched.lowest:
        noticed = number
        X_val = np.concatenate([rows, readings(700, new_loads)])
        watched.start(X_val, learning_rate=1e-2)

(first_stop, before), (second_stop, after) = stopped
print(f"stopped at chunk {first_stop} with an error of {before:.4f}")
print(f"change after chunk {CHANGE}, noticed at {noticed}")
print(f"stopped again at chunk {second_stop} with an error of {after:.4f}")

# %%
# PCA of the sensors before and after, for comparison. The first training ends before
# the change, at a tenth of PCA's error. The change is noticed at once, and the second
# training comes nearly as far as the first one.
from sklearn.decomposition import PCA

pca_errors = []
for table in (readings(2000, loads), readings(2000, new_loads)):
    pca = PCA(3).fit(table)
    rest = table - pca.inverse_transform(pca.transform(table))
    pca_errors.append(np.mean(rest**2))
    print(f"error of PCA: {pca_errors[-1]:.4f}")

assert first_stop < CHANGE
assert noticed == CHANGE + 1
assert before < 0.2 * pca_errors[0]
assert after < 0.2 * pca_errors[1]

# %%
# Each reduction of the rate lowers the error a little further. Between the two
# trainings the model does not change, and the errors of new chunks show how good it is.
import matplotlib.pyplot as plt

fig, (top, bottom) = plt.subplots(
    2, figsize=(8, 5), sharex=True, height_ratios=(3, 1), layout="constrained"
)
top.plot(range(1, N_CHUNKS + 1), new_errors, ".", color="0.7", ms=4, label="new chunk")
for first, last in ((1, first_stop), (noticed + 1, second_stop)):
    part = [one for one in watched.record if first <= one[0] <= last]
    numbers, errors, rates = zip(*part, strict=True)
    lines = {"color": "#0072B2", "label": "validation rows" if first == 1 else None}
    top.plot(numbers, errors, **lines)
    top.plot(last, errors[-1], "v", color="#D55E00", label="stopped")
    bottom.step(numbers, rates, where="mid", color="#0072B2")
for start, end, error in (
    (1, CHANGE, pca_errors[0]),
    (CHANGE, N_CHUNKS, pca_errors[1]),
):
    top.hlines(error, start, end, color="0.3", linestyle="--", label="PCA")
for ax in (top, bottom):
    ax.axvline(CHANGE + 0.5, color="0.3", linestyle=":", label="sensors replaced")
    ax.set(yscale="log")
handles, labels = top.get_legend_handles_labels()
by_label = dict(zip(labels, handles, strict=True))
top.legend(by_label.values(), by_label.keys(), fontsize=8, ncols=2)
top.set(ylabel="mean squared error")
bottom.set(xlabel="chunk", ylabel="learning rate")
plt.show()
