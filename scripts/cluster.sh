#!/usr/bin/env bash
# Sets up an environment with Dask, Ray and Spark, and runs the tests that start them.
# Spark needs Java, which is installed where this is root; its tests are skipped without.
# Arguments go to pytest: scripts/cluster.sh -k dask
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v java >/dev/null && [ -z "${JAVA_HOME:-}" ] && [ "$(id -u)" = 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless
fi
export VENV=${VENV:-.venv-cluster}
scripts/setup.sh cluster
export MPLBACKEND=Agg
exec "$VENV/bin/python" -m pytest -m cluster tests/cluster "$@"
