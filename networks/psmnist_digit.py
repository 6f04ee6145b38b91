"""
A classifier sees a digit pixel by pixel
========================================

An LMU that was trained on permuted handwritten digits receives one pixel after another,
always in the same random order. Its memory spans the whole digit, and from the first pixel
on it gives probabilities of the ten digits. After half of the pixels it is right for 55.4 %
of the test digits, after the last one for 96.4 %. Then the memory is reset for the next
digit.

The view shows the pixels so far, each in its place, and the ten probabilities. The network
was trained by ``python -m experiments psmnist_digit --data PATH``. The digits are the first
test digit of each class.

Open it in Nengo GUI (``nengo networks/psmnist_digit.py``) or draw it with
``python networks/psmnist_digit.py --out psmnist_digit.png``.
"""

import base64
import struct
import zlib
from pathlib import Path

import nengo
import numpy as np

from lmu_nengo import LegendreMemory

DT = 0.001
HOLD = 5  # steps for which each pixel is shown; a digit takes four seconds
# Sphinx-Gallery defines no __file__, but runs a script in its folder
folder = Path(globals().get("__file__", "")).parent
with np.load(folder / "psmnist_digit.npz", allow_pickle=False) as saved:
    weights = dict(saved)
pixel_order = weights["pixel_order"]
images = weights["images"] / 255
n_pixels = len(pixel_order)
n_hidden, order = weights["hidden_weights"].shape
side = round(n_pixels**0.5)


def place(t):
    """Number of the digit that is shown at time ``t``, and number of its pixel."""
    step = round(t / DT) - 1
    return divmod(max(step, 0) // HOLD, n_pixels)


def pixel(t):
    """Value of the pixel that is shown at time ``t``."""
    digit, i = place(t)
    return images[digit % len(images), pixel_order[i]]


def probabilities(t, scores):
    """Softmax of the ten scores."""
    share = np.exp(scores - scores.max())
    return share / share.sum()


class Reset:
    """Input that empties the memory when the next digit begins."""

    digit = 0

    def __call__(self, t, m):
        """Return the negative of what would remain in the memory."""
        digit, _ = place(t)
        begins, self.digit = digit != self.digit, digit
        return -memory.going_on_from(m) if begins else np.zeros(len(m))


class DigitView:
    """Picture of the pixels so far and of the ten probabilities, for Nengo GUI."""

    _nengo_html_ = ""

    def __call__(self, t, share):
        """Update the picture every 20 steps."""
        if round(t / DT) % 20 == 1:
            self._nengo_html_ = self.draw(t, share)

    def draw(self, t, share):
        """Draw the picture; pixels that are still to come are gray."""
        digit, i = place(t)
        gray = np.full(n_pixels, 110, dtype=np.uint8)
        seen = pixel_order[: i + 1]
        gray[seen] = 255 * images[digit % len(images), seen]
        bars = "".join(
            f'<text x="118" y="{12 * k + 10}">{k}</text><rect x="128" y="{12 * k + 2}" '
            f'width="{1 + 70 * p:.0f}" height="8" fill="#1f77b4"/>'
            for k, p in enumerate(share)
        )
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="100%" '
            'viewBox="0 0 204 134" font-family="sans-serif" font-size="7">'
            '<image width="108" height="108" y="6" style="image-rendering:pixelated" '
            f'href="data:image/png;base64,{png(gray.reshape(side, side))}"/>'
            f'<text x="54" y="128" text-anchor="middle">pixel {i + 1} of {n_pixels}</text>'
            f'<text x="163" y="131" text-anchor="middle">probability</text>{bars}</svg>'
        )


def png(gray):
    """Encode gray values of shape (height, width) as a PNG file in base64."""

    def chunk(kind, data):
        data = kind + data
        return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))

    rows = b"".join(b"\0" + row.tobytes() for row in gray)
    size = struct.pack(">2I5B", *gray.shape[::-1], 8, 0, 0, 0, 0)
    parts = (b"IHDR", size), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    file = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    return base64.b64encode(file).decode()


model = nengo.Network(label="psMNIST digit", seed=0)
with model:
    signal = nengo.Node(pixel, label="pixel")
    memory = LegendreMemory(n_pixels * HOLD * DT, order, dt=DT, start=True, label="memory")
    reset = nengo.Node(Reset(), size_in=order, size_out=order, label="reset")
    hidden = nengo.Ensemble(
        n_hidden,
        1,
        neuron_type=nengo.RectifiedLinear(),
        gain=np.ones(n_hidden),
        bias=weights["hidden_bias"],
        label="hidden neurons",
    )
    answer = nengo.Node(probabilities, size_in=10, label="probabilities")
    shown = nengo.Node(DigitView(), size_in=10, size_out=0, label="digit and answer")
    nengo.Connection(signal, memory.input, synapse=None)
    nengo.Connection(memory.output, reset, synapse=0)  # the previous step
    nengo.Connection(reset, memory.start, synapse=None)
    nengo.Connection(
        memory.output, hidden.neurons, transform=weights["hidden_weights"], synapse=None
    )
    nengo.Connection(
        hidden.neurons, answer, transform=weights["digit_weights"], synapse=None
    )
    nengo.Connection(answer, shown, synapse=None)


def draw(seconds):
    """Simulate, and draw the digits and the probabilities over time."""
    from matplotlib import pyplot

    with model:
        probe = nengo.Probe(answer)
    with nengo.Simulator(model, dt=DT, progress_bar=False) as sim:
        sim.run(seconds)

    t, share = sim.trange(), sim.data[probe]
    length = n_pixels * HOLD * DT
    n_shown = min(len(images), int(np.ceil(seconds / length - 1e-6)))
    figure = pyplot.figure(figsize=(8, 5), layout="constrained")
    grid = figure.add_gridspec(2, n_shown, height_ratios=(1, 2))
    for i in range(n_shown):
        axes = figure.add_subplot(grid[0, i])
        axes.imshow(images[i].reshape(side, side), cmap="gray")
        axes.set_axis_off()
        end = round((i + 1) * length / DT) - 1
        said = share[end].argmax() if end < len(share) else "?"
        axes.set_title(f"answer: {said}", fontsize="medium")
    axes = figure.add_subplot(grid[1, :])
    image = axes.imshow(
        share[::20].T,
        aspect="auto",
        origin="lower",
        extent=(0, t[-1], -0.5, 9.5),
        cmap="viridis",
        interpolation="nearest",
    )
    for i in range(1, n_shown):
        axes.axvline(i * length, color="white", lw=1)
    axes.set(xlabel="time (s)", ylabel="digit", yticks=range(10))
    figure.colorbar(image, ax=axes, label="probability")
    figure.suptitle("A classifier sees digits pixel by pixel")
    return figure


if __name__ == "__main__":
    from lmu_nengo.viz.plotting import command_line

    command_line(draw, __doc__, seconds=5 * n_pixels * HOLD * DT)
