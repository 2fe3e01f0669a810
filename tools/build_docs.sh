#!/usr/bin/env bash
# Build the manual into docs/_build/html, warnings as errors: bash tools/build_docs.sh
set -euo pipefail
# shellcheck source=tools/install.sh
source "$(dirname "${BASH_SOURCE[0]}")/install.sh" docs
cd "$ROOT"
python -m sphinx -E -W --keep-going -q -b html docs docs/_build/html
echo "Wrote docs/_build/html/index.html"
