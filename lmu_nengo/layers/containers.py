"""Networks made of layers: one after another, side by side, forwards and backwards."""

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._nengo import plain_config
from lmu_nengo.processes.regularization import Dropout
from lmu_nengo.processes.sequence import Reverse


class Layers(nengo.Network):
    """
    The base of networks made of layers, which move into it.

    Parameters
    ----------
    layers : list of nengo.Network
        Networks that have nodes ``.input`` and ``.output``: `lmu_nengo.LMUCell`,
        `lmu_nengo.LSTM`, `lmu_nengo.LegendreMemory`, and all those of this module.
    label : str, optional
        Name of the network.
    seed : int, optional
        Seed of the network.
    add_to_container : bool, optional
        As for `nengo.Network`.
    """

    def __init__(self, layers, label=None, seed=None, add_to_container=None):
        layers = list(layers)
        if not layers:
            raise ValidationError("got no layer, expected at least one.", "layers", self)
        for layer in layers:
            ends = [getattr(layer, name, None) for name in ("input", "output")]
            if not all(isinstance(end, nengo.Node) for end in ends):
                raise ValidationError(
                    f"got {layer!r}, expected a network with nodes .input and .output, "
                    "such as LMUCell, LSTM, LegendreMemory or Stack.",
                    attr="layers",
                    obj=type(self),
                )
        if len({id(layer) for layer in layers}) < len(layers):
            raise ValidationError(
                "got the same network twice, expected a network of its own for each "
                "layer. Weights are not shared: build another one.",
                attr="layers",
                obj=type(self),
            )
        super().__init__(label=label, seed=seed, add_to_container=add_to_container)
        for network in nengo.Network.context:
            network.networks[:] = [
                net for net in network.networks if not any(net is x for x in layers)
            ]
        self.networks.extend(layers)
        self.layers = layers

    def check_sizes(self, sizes, expected, what, fix):
        """Raise ValidationError if the sizes of two layers do not fit."""
        if sizes != expected:
            raise ValidationError(
                f"{what} {sizes}, expected {expected}. {fix}",
                attr="layers",
                obj=type(self),
            )


class Stack(Layers):
    """
    Layers one after another, each fed by the output of the one before.

    Parameters
    ----------
    layers : list of nengo.Network
        Networks that have nodes ``.input`` and ``.output``, such as `lmu_nengo.LMUCell`,
        `lmu_nengo.LSTM`, `lmu_nengo.LegendreMemory`, `Parallel` or `Bidirectional`. They
        move into the stack.
    residual : bool or list of bool
        Whether a layer's input is added to its output; both must have the same size. One
        for all layers, or one each.
    dropout : float
        Share of each layer's output, but the last one's, that is dropped in training.
    label : str, optional
        Name of the network.
    seed : int, optional
        Seed of the network.
    add_to_container : bool, optional
        As for `nengo.Network`.

    Attributes
    ----------
    input, output : nengo.Node
        The first layer's input and the last one's output.
    layers : list of nengo.Network
        The layers.

    Raises
    ------
    ValidationError
        If there is no layer, something is not a layer, or sizes do not fit.

    Notes
    -----
    A hybrid is a stack of LMU and LSTM layers. `lmu_nengo.training.Simulator` chooses
    for each layer whether all steps are taken at once.
    """

    def __init__(
        self,
        layers,
        residual=False,
        dropout=0.0,
        label=None,
        seed=None,
        add_to_container=None,
    ):
        super().__init__(layers, label, seed, add_to_container)
        if isinstance(residual, (bool, np.bool_)):
            residual = [residual] * len(self.layers)
        self.check_sizes(
            len(list(residual)), len(self.layers), "number of values in residual:", ""
        )
        for below, above in zip(self.layers, self.layers[1:], strict=False):
            self.check_sizes(
                above.input.size_in,
                below.output.size_out,
                f"{above} takes",
                f"Give it the size that {below} puts out.",
            )
        with plain_config(), self:
            self.input = nengo.Node(size_in=self.layers[0].input.size_in, label="input")
            below = self.input
            for i, (layer, is_residual) in enumerate(
                zip(self.layers, residual, strict=True)
            ):
                nengo.Connection(below, layer.input, synapse=None)
                above = layer.output
                if is_residual:
                    self.check_sizes(
                        above.size_out,
                        below.size_out,
                        f"residual layer {layer} puts out",
                        "Give it an output of the size of its input, or leave out its "
                        "residual connection.",
                    )
                    total = nengo.Node(size_in=above.size_out, label=f"residual{i}")
                    nengo.Connection(below, total, synapse=None)
                    nengo.Connection(above, total, synapse=None)
                    above = total
                if dropout and layer is not self.layers[-1]:
                    drop = nengo.Node(Dropout(dropout, above.size_out), label=f"dropout{i}")
                    nengo.Connection(above, drop, synapse=None)
                    above = drop
                below = above
            self.output = nengo.Node(size_in=below.size_out, label="output")
            nengo.Connection(below, self.output, synapse=None)


class Parallel(Layers):
    """
    Layers side by side: all get the same input, their outputs stand one after another.

    Memories with different ``theta`` see the input at several time scales.

    Parameters
    ----------
    layers : list of nengo.Network
        Networks as for `Stack`, with inputs of one size.
    label : str, optional
        Name of the network.
    seed : int, optional
        Seed of the network.
    add_to_container : bool, optional
        As for `nengo.Network`.

    Attributes
    ----------
    input : nengo.Node
        Goes to every layer.
    output : nengo.Node
        The layers' outputs in their order.
    layers : list of nengo.Network
        The layers.

    Raises
    ------
    ValidationError
        If there is no layer, something is not a layer, or sizes differ.
    """

    def __init__(self, layers, label=None, seed=None, add_to_container=None):
        super().__init__(layers, label, seed, add_to_container)
        size = self.layers[0].input.size_in
        for layer in self.layers:
            self.check_sizes(
                layer.input.size_in, size, f"{layer} takes", "All get the same input."
            )
        with plain_config(), self:
            self.input = nengo.Node(size_in=size, label="input")
            for layer in self.layers:
                nengo.Connection(self.input, layer.input, synapse=None)
            self.output = joined([layer.output for layer in self.layers], "output")


class Bidirectional(Layers):
    """
    Two layers, of which one reads the sequence backwards. For whole sequences only.

    Parameters
    ----------
    forward, backward : nengo.Network
        Networks as for `Stack`, with inputs of one size.
    label : str, optional
        Name of the network.
    seed : int, optional
        Seed of the network.
    add_to_container : bool, optional
        As for `nengo.Network`.

    Attributes
    ----------
    input : nengo.Node
        The sequence.
    output : nengo.Node
        What both put out for each step of the sequence: the first has seen all up to that
        step, the second all from that step on.
    last : nengo.Node
        At the last step only: what both put out after they have seen the whole sequence.
    layers : list of nengo.Network
        The two layers.

    Raises
    ------
    ValidationError
        If something is not a layer, or sizes differ. When it is simulated step by step:
        it cannot know what comes.

    Notes
    -----
    Realize its memories as ``Windowed`` and run it in `lmu_nengo.training.Simulator`.
    """

    def __init__(self, forward, backward, label=None, seed=None, add_to_container=None):
        super().__init__([forward, backward], label, seed, add_to_container)
        size = forward.input.size_in
        self.check_sizes(
            backward.input.size_in, size, f"{backward} takes", "Both get the same input."
        )
        with plain_config(), self:
            self.input = nengo.Node(size_in=size, label="input")
            nengo.Connection(self.input, forward.input, synapse=None)
            reverse = nengo.Node(Reverse(size), label="backwards")
            nengo.Connection(self.input, reverse, synapse=None)
            nengo.Connection(reverse, backward.input, synapse=None)
            again = nengo.Node(Reverse(backward.output.size_out), label="forwards again")
            nengo.Connection(backward.output, again, synapse=None)
            self.output = joined([forward.output, again], "output")
            self.last = joined([forward.output, backward.output], "last")


def joined(nodes, label):
    """A node with the outputs of several nodes, one after another."""
    output = nengo.Node(size_in=sum(node.size_out for node in nodes), label=label)
    start = 0
    for node in nodes:
        stop = start + node.size_out
        nengo.Connection(node, output[start:stop], synapse=None)
        start = stop
    return output
