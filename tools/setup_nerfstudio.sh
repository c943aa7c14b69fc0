#!/usr/bin/env bash
# nerfstudio in an environment of its own: its pins (protobuf, opencv) cannot be installed beside mediapipe.
# One of its requirements (pyliblzfse) has no wheel: a C compiler is needed.
# Usage: bash tools/setup_nerfstudio.sh [folder]; then FOLDER/bin/ns-train nerfacto --data me/nerfstudio
set -euo pipefail
folder="${1:-.venv-nerf}"
python3.11 -m venv "$folder"
"$folder/bin/pip" install --quiet torch==2.13.0 torchvision nerfstudio==1.1.5
echo "ready: $folder/bin/ns-train nerfacto --data me/nerfstudio (a GPU is needed; splatfacto likewise)"
