#!/usr/bin/env bash
# Set up what is missing, then generate videos, train on them without box labels, and
# show what was learned: bash tools/quickstart.sh [arguments of quickstart.py]
set -euo pipefail
TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bash_args=("$@")
set --
# shellcheck source=tools/install.sh
source "$TOOLS/install.sh"
exec python "$TOOLS/quickstart.py" "${bash_args[@]}"
