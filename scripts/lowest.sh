#!/usr/bin/env bash
# Sets up an environment with the lowest supported versions of the dependencies, and runs
# the tests that meet them most, but for those that no dependency decides (`pinned`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CONSTRAINTS=constraints-lowest.txt
exec scripts/test.sh -m "not pinned" \
  tests/test_{ranks,common,conventions,architecture,callbacks,files,model_selection}.py \
  tests/test_{inspection,sklearn_callbacks,training,validation}.py
