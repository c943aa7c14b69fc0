#!/usr/bin/env bash
# Install the programs that the export tests load avatars with: the Khronos validator, three.js, three-vrm and
# TalkingHead (npm), the 3D view (npm), Chromium, Godot and assimp (Debian), Blender as a module, usd-core, a web server and Playwright (pip).
# What cannot be had is named and left out; the tests that need it skip and say so.
cd "$(dirname "$0")/.." || exit 1
missing=()

(cd tools/viewer && npm install --no-audit --no-fund --no-package-lock && npm run build) || missing+=("the viewer's npm packages")
(cd tools/clients && npm install --no-audit --no-fund --no-package-lock) || missing+=("npm packages")

libraries=(libx11-6 libxext6 libxfixes3 libxi6 libxrender1 libxkbcommon0 libsm6 libice6 libgl1 libegl1 libgomp1)
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get install -y --no-install-recommends chromium godot3-server assimp-utils "${libraries[@]}" ||
        { apt-get update && apt-get install -y --no-install-recommends chromium godot3-server assimp-utils "${libraries[@]}"; } ||
        missing+=("Debian packages")
else
    missing+=("chromium, godot3-server, assimp-utils (install them with your package manager)")
fi

python=.venv/bin/python
[ -x "$python" ] || python=python3
"$python" -m pip install --quiet -c constraints.txt usd-core DracoPy fastapi httpx httpx2 playwright \
    python-multipart uvicorn websockets || missing+=("usd-core, DracoPy, FastAPI, Playwright")
# Blender as a module brings a gigabyte and is GPL: it lives in a place of its own
blender=tools/clients/blender-venv
"$python" -m venv "$blender" && "$blender/bin/python" -m pip install --quiet "bpy>=4.5,<5" "bpy-vrm-format==4.10.2" ||
    missing+=("bpy")

if [ ${#missing[@]} -gt 0 ]; then
    printf 'not installed: %s\n' "${missing[@]}"
    exit 1
fi
