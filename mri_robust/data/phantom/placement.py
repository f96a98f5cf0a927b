"""Tumours drawn at random, each placed where its kind grows."""

from __future__ import annotations

import numpy as np

from mri_robust.data.phantom.canvas import Pair, Points
from mri_robust.data.phantom.scene import Scene
from mri_robust.data.phantom.tumours import Glioma, Meningioma, PituitaryTumour
from mri_robust.data.phantom.waves import rim_waves


def draw_glioma(rng: np.random.Generator, scene: Scene) -> Glioma:
    """Draw a glioma deep enough in the brain, away from the sella."""
    radius = rng.uniform(0.15, 0.24)
    x, y = _deep_place(rng, scene, radius)
    away = rng.normal(0, 0.1 * radius, 2)
    return Glioma(
        centre=(x, y),
        radius=radius,
        rim=rim_waves(rng, 0.2),
        core_rim=rim_waves(rng, 0.24),
        oedema_rim=rim_waves(rng, 0.22),
        core_centre=(x + float(away[0]), y + float(away[1])),
        core=rng.uniform(0.5, 0.75),
        oedema=rng.uniform(1.35, 1.9),
        gain=rng.uniform(0.12, 0.25),
    )


def draw_meningioma(rng: np.random.Generator, scene: Scene) -> Meningioma:
    """Draw a meningioma whose base lies on the inner skull."""
    radius = rng.uniform(0.15, 0.24)
    low, high = scene.dura[rng.integers(len(scene.dura))]
    angle = rng.uniform(low, high)
    steps = np.linspace(0.05, 1.0, 400, dtype=np.float32)
    ray = Points(
        np.float32(scene.centre[0]) + steps * np.float32(np.cos(angle)),
        np.float32(scene.centre[1]) + steps * np.float32(np.sin(angle)),
    )
    at_dura = int(np.argmax(scene.cavity(ray) > 0))
    inwards = radius * rng.uniform(0.45, 0.75)
    base = (float(ray.x[at_dura]), float(ray.y[at_dura]))
    return Meningioma(
        centre=(base[0] - inwards * float(np.cos(angle)), base[1] - inwards * float(np.sin(angle))),
        radius=radius,
        rim=rim_waves(rng, 0.05),
        base=base,
        spokes=int(rng.integers(18, 31)),
        tail=rng.uniform(1.3, 1.9),
        gain=rng.uniform(0.12, 0.25),
    )


def draw_pituitary(rng: np.random.Generator, scene: Scene) -> PituitaryTumour:
    """Draw a pituitary tumour; the scene must pass through the sella."""
    if scene.sella is None:
        raise ValueError(f"the plane {scene.name} misses the sella")
    radius = rng.uniform(0.09, 0.135)
    top_radius = radius * rng.uniform(0.8, 1.5)
    rise = 0.0 if scene.name.startswith("axial") else 0.75 * (radius + top_radius)
    x, y = scene.sella
    x += rng.normal(0, 0.015)
    return PituitaryTumour(
        centre=(x, y),
        radius=radius,
        top=(x + rng.normal(0, 0.025), y - rise),
        top_radius=top_radius,
        rim=rim_waves(rng, 0.08),
        cyst=float(rng.random() < 0.15) * rng.uniform(0.4, 0.65),
        gain=rng.uniform(0.12, 0.25),
    )


def _deep_place(rng: np.random.Generator, scene: Scene, radius: float) -> Pair:
    x = rng.uniform(-0.6, 0.6, 96).astype(np.float32)
    y = rng.uniform(-0.7, 0.45, 96).astype(np.float32)
    depth = -scene.brain(Points(x, y))
    if scene.sella is not None:
        to_sella = np.hypot(x - scene.sella[0], y - scene.sella[1])
        depth = np.minimum(depth, to_sella - np.float32(0.1))
    fits = depth > 0.6 * radius
    chosen = int(np.argmax(fits)) if fits.any() else int(np.argmax(depth))
    return float(x[chosen]), float(y[chosen])
