#!/usr/bin/env bash
# Sets up the environment and builds the site in docs/_build/html, running all examples.
# Warnings are errors. Arguments go to sphinx-build:
#   scripts/docs.sh -D plot_gallery=0      without running the examples
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh docs
# One thread for each of the examples, of which several run side by side.
export OMP_NUM_THREADS=1 MPLBACKEND=Agg
exec "${VENV:-.venv}/bin/python" -m sphinx -W --keep-going -b html "$@" docs docs/_build/html
