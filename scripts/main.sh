#!/usr/bin/env bash
# Sets up the environment and runs the main job: PCA and an autoencoder on the digits.
# The argument is where to write the picture (digits_reconstructions.png).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh plot
example=examples/01_dimensionality_reduction/plot_digits_pca_vs_autoencoder.py
export MPLBACKEND=Agg
exec "${VENV:-.venv}/bin/python" "$example" "$@"
