"""Draw the audio transforms of `jreg.augment` as spectrograms of a short melody, as one picture.

    python -m examples.audio_gallery --out results

The transforms act on waveforms, and spec_augment and random_time_warp on the spectrogram itself.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jreg import augment

RATE, FRAME, COLUMNS, SEED = 8000, 512, 5, 1
NOTES = (262.0, 330.0, 392.0, 523.0, 392.0, 330.0)
FILE = "audio_gallery.png"


class Panel(NamedTuple):
    """A title, and what is done to the sound and then to its spectrogram, both with one key."""

    title: str
    on_sound: Callable[..., Any] = lambda key, sound: sound
    on_spectrogram: Callable[..., Any] = lambda key, spectrogram: spectrogram


def hum(key: jax.Array, sound: jax.Array) -> jax.Array:
    """A background of white noise at 5 dB."""
    return augment.random_background_noise(key, sound, jax.random.normal(jax.random.key(SEED), (1, RATE)), 5.0)


PANELS = (
    Panel("melody"),
    Panel("random_time_stretch", partial(augment.random_time_stretch, max_rate=2.0, frame_length=FRAME)),
    Panel("random_pitch_shift", partial(augment.random_pitch_shift, max_semitones=12.0, frame_length=FRAME)),
    Panel("random_time_shift", partial(augment.random_time_shift, max_share=0.5)),
    Panel("random_gain", partial(augment.random_gain, max_decibels=20.0)),
    Panel("random_white_noise", partial(augment.random_white_noise, snr_db=10.0)),
    Panel("random_background_noise", hum),
    Panel(
        "spec_augment", on_spectrogram=partial(augment.spec_augment, frequency_width=60.0, time_width=40.0, fill=-80.0)
    ),
    Panel("random_time_warp", on_spectrogram=partial(augment.random_time_warp, distance=20.0)),
    Panel(
        "... the key None", on_sound=lambda _, sound: augment.random_pitch_shift(None, sound, 12.0, frame_length=FRAME)
    ),
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.audio_gallery", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"), help=f"folder for {FILE}")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(options.out / FILE, PANELS)
    print(f"Wrote {options.out / FILE}.")
    return 0


def melody() -> jax.Array:
    """Notes of a quarter of a second, each with two overtones, that fade."""
    time = jnp.arange(RATE // 4) / RATE
    notes = [sum(jnp.sin(2 * jnp.pi * n * note * time) / n for n in (1, 2, 3)) for note in NOTES]
    return 0.2 * jnp.concatenate([note * jnp.exp(-4.0 * time) for note in notes])


def decibels(sound: jax.Array) -> jax.Array:
    """The spectrogram (time, frequency)."""
    _, _, frames = jax.scipy.signal.stft(sound, nperseg=FRAME, noverlap=FRAME - 64)
    return 20.0 * jnp.log10(jnp.abs(frames.T) + 1e-4)


def draw(path: Path, panels: tuple[Panel, ...]) -> None:
    import matplotlib.pyplot as plt

    rows = -(-len(panels) // COLUMNS)
    figure, axes = plt.subplots(
        rows,
        COLUMNS,
        figsize=(2.1 * COLUMNS, 1.9 * rows),
        layout="constrained",
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    sound = melody()
    for index, (axis, panel) in enumerate(zip(axes.flat, panels, strict=False)):
        key = jax.random.fold_in(jax.random.key(SEED), index)
        shown = panel.on_spectrogram(key, decibels(panel.on_sound(key, sound)))
        extent = (0.0, sound.size / RATE, 0.0, RATE / 2000)
        axis.imshow(np.asarray(shown).T, origin="lower", aspect="auto", extent=extent, vmin=-80.0, vmax=-20.0)
        axis.set_title(panel.title, fontsize=8, family="monospace")
        axis.set_ylim(0.0, 2.5)
    figure.supxlabel("seconds", fontsize=8)
    figure.supylabel("kHz", fontsize=8)
    figure.savefig(path, dpi=92)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
