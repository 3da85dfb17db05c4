#!/usr/bin/env bash
# Sets up the environment and runs all tests, doctests and slow ones included: 6 to 13
# minutes on two cores. Arguments go to pytest:
#   scripts/test.sh -m 'not slow' tests/test_architecture.py
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh test
# One thread for each pytest worker; without SCIPY_ARRAY_API scikit-learn skips a check.
export OMP_NUM_THREADS=1 MPLBACKEND=Agg SCIPY_ARRAY_API=1
# Each worker gets neighbours: few files are in two, and have their fixtures made twice.
exec "${VENV:-.venv}/bin/python" -m pytest -n auto --maxprocesses 4 --dist worksteal "$@"
