"""Milliseconds a frame of the CPU rasteriser and of OpenGL: unlit layers as the photo look draws, and the studio look.

python tools/bench/render.py [--frames 25]
"""

import argparse
import os
import time

import numpy as np

from digitalme.artifacts import Camera
from digitalme.body.character import base_avatar
from digitalme.rendering.choice import renderer_in_use
from digitalme.rendering.gl import GlScene, gl_name
from digitalme.rendering.scene import Drawable, Scene
from digitalme.rendering.studio import Studio, portrait_camera


def layers(camera: Camera, avatar) -> list[Drawable]:
    """Three blended photo layers on grids over the whole picture and three on the head: what a talking photo draws."""
    size = camera.width
    y, x = np.mgrid[:size, :size]
    photo = np.random.default_rng(0).integers(0, 255, (size, size, 4), np.uint8)
    photo[..., 3] = np.clip(1.6 * size - 4 * np.hypot(x - size / 2, y - size / 2), 0, 255)
    steps = np.linspace(0, size, 65)
    points = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    index = np.arange(65 * 65).reshape(65, 65)
    a, b = index[:-1, :-1].ravel(), index[1:, :-1].ravel()
    c, d = index[1:, 1:].ravel(), index[:-1, 1:].ravel()
    faces = np.concatenate([np.c_[a, b, c], np.c_[a, c, d]])
    drawables = []
    rotation, translation = camera.camera_from_world[:, :3], camera.camera_from_world[:, 3]
    for depth in (1.72, 1.70, 1.68):
        seen = np.c_[(points - size / 2) / camera.focal_px * depth, np.full(len(points), depth)]
        positions = ((seen - translation) @ rotation).astype(np.float32)
        drawables.append(Drawable(positions, faces, uvs=points / size, texture=photo, blend="blend", depth_write=False))
    head = avatar.mesh("head")
    uvs = camera.project(head.positions)[:, :2] / size
    drawables += [Drawable(head.positions, head.faces, uvs=uvs, texture=photo, blend="blend") for _ in range(3)]
    return drawables


def milliseconds(draw, frames: int) -> str:
    draw(0)
    spent = []
    for frame in range(frames):
        start = time.perf_counter()
        draw(frame)
        spent.append((time.perf_counter() - start) * 1e3)
    return f"{np.median(spent):6.1f} (best {min(spent):.1f})"


def measure(size: int, frames: int) -> None:
    avatar = base_avatar({})
    camera = portrait_camera(avatar, width=size, height=size)
    weights = {"jawOpen": 0.3, "mouthSmileLeft": 0.4, "browInnerUp": 0.4, "eyeBlinkLeft": 0.2}
    drawables = layers(camera, avatar)
    studio = Studio(avatar, "studio")

    def turn(frame: int) -> tuple[float, float, float]:
        return 0.05 * np.sin(frame), 0.1 * np.sin(0.7 * frame), 0.0

    def pose(frame: int) -> None:
        studio.rig.pose(weights, turn(frame))

    def portrait(frame: int) -> None:
        studio.picture(camera, weights, turn(frame))

    print(f"{size} pose alone               ", milliseconds(pose, frames))
    for name, kind in ({"CPU": Scene} | ({"OpenGL": GlScene} if gl_name() else {})).items():
        scene = kind(drawables)
        print(f"{size} six unlit layers  {name:7}", milliseconds(lambda _, s=scene: s.draw(camera), frames))
        studio.scene = kind(studio.drawables)
        print(f"{size} studio with pose  {name:7}", milliseconds(portrait, frames))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--frames", type=int, default=25)
    frames = arguments.parse_args().frames
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; default renderer: {renderer_in_use()}")
    for size in (512, 1024):
        measure(size, frames)


if __name__ == "__main__":
    main()
