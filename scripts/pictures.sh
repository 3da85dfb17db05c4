#!/usr/bin/env bash
# Takes the README's small pictures from the site that scripts/docs.sh has built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

grep -o 'docs/images/gallery/[a-z_]*\.png' README.md | sort -u | while read -r picture; do
  cp "docs/_build/html/_images/sphx_glr_$(basename "$picture" .png)_thumb.png" "$picture"
done
