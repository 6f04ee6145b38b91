"""Small networks of every kind that can be trained, and data for them."""

import nengo
import numpy as np

from lmu_nengo import LSTM, Bidirectional, EncoderDecoder, LMUCell, Stack
from lmu_nengo.layers.initializers import Glorot
from lmu_nengo.training import configure_settings

N_STEPS, BATCH = 20, 4
rng = np.random.RandomState(1)
X = rng.randn(BATCH, N_STEPS, 3).astype(np.float32)
Y = rng.randn(BATCH, N_STEPS, 2).astype(np.float32)
MEMORY = dict(memory_d=2, theta=0.02, order=6)
DRAWN = Glorot()
KINDS = ("last step", "all steps", "feedback", "stack", "encoder-decoder")


def layer_of(kind):
    """A layer with an input of size 3."""
    if kind in ("last step", "all steps"):
        relu = nengo.RectifiedLinear()
        return LMUCell(3, hidden_d=7, hidden_type=relu, input_kernel=DRAWN, **MEMORY)
    if kind == "feedback":
        paths = "hidden_encoders", "memory_encoders", "input_kernel", "hidden_kernel"
        return LMUCell(3, hidden_d=7, **dict.fromkeys(paths, DRAWN), **MEMORY)
    if kind == "state space":
        paths = dict.fromkeys(("hidden_encoders", "hidden_kernel"), DRAWN)
        trainable = ["theta", "A", "B", "memory_kernel", "bias"]
        return LMUCell(3, hidden_d=7, trainable=trainable, **paths, **MEMORY)
    if kind == "stack":
        layers = [
            LMUCell(3, hidden_d=5, **MEMORY),
            LMUCell(5, hidden_d=7, hidden_kernel=DRAWN, **MEMORY),
            LMUCell(7, hidden_d=7, **MEMORY),
        ]
        return Stack(layers, residual=[False, False, True])
    if kind == "LSTM":
        return Stack([LMUCell(3, hidden_d=5, **MEMORY), LSTM(5, 4)])
    if kind == "bidirectional":
        forward = LMUCell(3, hidden_d=3, hidden_kernel=DRAWN, **MEMORY)
        return Bidirectional(forward, LMUCell(3, hidden_d=4, **MEMORY))
    if kind == "spikes":
        spiking = nengo.SpikingRectifiedLinear(amplitude=0.01)
        cell = LMUCell(3, hidden_d=7, hidden_type=spiking, **MEMORY)
        cell.hidden.gain, cell.hidden.bias = np.full(7, 100.0), np.full(7, 20.0)
        return cell
    encoder = LMUCell(3, hidden_d=5, **MEMORY)
    decoder = LMUCell(3, hidden_d=5, start=True, hidden_kernel=DRAWN, **MEMORY)
    return EncoderDecoder(encoder, decoder, n_source=8)


def build(kind):
    """A network with `source` and the probe `output`, of size 2."""
    weights = np.random.RandomState(0)
    with nengo.Network(seed=0) as network:
        configure_settings(keep_history=kind != "last step")
        network.source = nengo.Node(np.zeros(3), label="source")
        network.layer = layer = layer_of(kind)
        nengo.Connection(network.source, layer.input, synapse=None)
        if kind == "encoder-decoder":
            nengo.Connection(network.source, layer.decoder_input, synapse=None)
        readout = nengo.Node(size_in=2, label="readout")
        transform = weights.randn(2, layer.output.size_out)
        network.readout = nengo.Connection(
            layer.output, readout, transform=transform, synapse=None
        )
        network.output = nengo.Probe(readout, label="output")
    return network


def targets(kind):
    """Targets of shape (batch, steps, 2)."""
    return Y[:, -1:] if kind == "last step" else Y
