#!/usr/bin/env bash
# Sets up an environment with the lowest supported versions of the dependencies, and runs
# the tests that meet them most.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CONSTRAINTS=constraints-lowest.txt
exec scripts/test.sh \
  tests/test_{common,conventions,architecture,callbacks,files,model_selection}.py \
  tests/test_{inspection,ranks,sklearn_callbacks,training,validation}.py
