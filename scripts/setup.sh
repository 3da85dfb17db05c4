#!/usr/bin/env bash
# Makes a virtual environment and installs the project into it, editable. Done before, it
# does nothing, unless pyproject.toml or the constraints have changed since.
#   scripts/setup.sh [EXTRAS]      for instance scripts/setup.sh dev,docs
# Settings: VENV (.venv), CONSTRAINTS (constraints.txt), PYTHON (python3).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${VENV:-.venv}
constraints=${CONSTRAINTS:-constraints.txt}
done=$venv/set-up/$constraints

is_done() {
  local extra
  for extra in package ${1//,/ }; do
    [ "$done/$extra" -nt pyproject.toml ] && [ "$done/$extra" -nt "$constraints" ] || return 1
  done
}

is_done "${1:-}" && exit
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
pip=("$venv/bin/python" -m pip install --quiet -c "$constraints")
# Python compiles what it imports, a small part of what pip would compile, unless it has
# been told not to keep the result.
[ -n "${PYTHONDONTWRITEBYTECODE:-}" ] || pip+=(--no-compile)
# torch goes first, at the version that the constraints pin: a build that is already
# there or that the user's pip settings prefer (say, without CUDA) is then kept.
"${pip[@]}" torch
"${pip[@]}" -e ".${1:+[$1]}"
mkdir -p "$done"
(cd "$done" && IFS=, && touch package ${1:-})
