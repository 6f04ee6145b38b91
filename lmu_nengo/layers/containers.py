"""Networks made of layers: stacked, in parallel, in both directions, encoder-decoder."""

import itertools
from collections.abc import Iterable

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_flag, check_integer, check_non_negative, show
from lmu_nengo.layers.lmu_cell import LMUCell
from lmu_nengo.processes.regularization import Dropout
from lmu_nengo.processes.sequence import Only, Reverse


class Layers(nengo.Network):
    """
    The base of networks made of layers, which move into it.

    Subclasses check all that can be refused before they call this constructor, so that a
    refused network leaves its layers where they are.

    Parameters
    ----------
    layers : list of nengo.Network
        Layers that `check_layers` has passed.
    label : str, optional
        Name of the network.
    seed : int, optional
        Seed of the network.
    add_to_container : bool, optional
        As for `nengo.Network`.
    """

    def __init__(self, layers, label=None, seed=None, add_to_container=None):
        check_flag(add_to_container, "add_to_container", allow_none=True, obj=type(self))
        super().__init__(label=label, seed=seed, add_to_container=add_to_container)
        for network in nengo.Network.context:
            network.networks[:] = [
                net for net in network.networks if not any(net is x for x in layers)
            ]
        self.networks.extend(layers)
        self.layers = layers


class Stack(Layers):
    """
    Layers one after another, each fed by the output of the one before.

    Parameters
    ----------
    layers : list of nengo.Network
        Any networks with nodes ``.input`` and ``.output``, such as `lmu_nengo.LMUCell`,
        `lmu_nengo.LSTM`, `lmu_nengo.LegendreMemory`, `Parallel` or `Bidirectional`. They
        become subnetworks of the stack.
    residual : bool or list of bool
        Whether a layer's input is added to its output; both must have the same size. One
        for all layers, or one each.
    dropout : float
        Probability with which a value of a layer's output is dropped in training, in
        [0, 1); the last layer's output is not.
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

    See Also
    --------
    Parallel : Layers side by side.
    Bidirectional : One layer for each direction of time.

    Notes
    -----
    A hybrid is a stack of LMU and LSTM layers. `lmu_nengo.training.Trainer` chooses
    for each layer whether all steps are computed at once.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LSTM, LMUCell, Stack
    >>> with nengo.Network(seed=0) as model:
    ...     cell = LMUCell(2, memory_d=1, theta=0.1, order=6, hidden_d=10)
    ...     hybrid = Stack([cell, LSTM(10, 4)], dropout=0.2)
    >>> hybrid.input.size_in, hybrid.output.size_out
    (2, 4)
    """

    def __init__(
        self,
        layers: Iterable[nengo.Network],
        residual: bool | Iterable[bool] = False,
        dropout: float = 0.0,
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ):
        layers = check_layers(layers, type(self))
        if isinstance(residual, (bool, np.bool_)):
            residual = [residual] * len(layers)
        is_list = isinstance(residual, (list, tuple))
        if not is_list or [type(x) for x in residual] != [bool] * len(layers):
            raise ValidationError(
                f"must be one bool or one for each of {len(layers)} layers, got "
                f"{show(residual)}.",
                attr="residual",
                obj=type(self),
            )
        for below, above in itertools.pairwise(layers):
            check_sizes(
                f"the input of {above}",
                above.input.size_in,
                f"the output of {below}",
                below.output.size_out,
                type(self),
            )
        for layer, is_residual in zip(layers, residual, strict=True):
            if is_residual:
                check_sizes(
                    f"the output of {layer}, which is residual,",
                    layer.output.size_out,
                    "its input",
                    layer.input.size_in,
                    type(self),
                )
        drops = []
        if check_non_negative(dropout, "dropout", unit="", obj=type(self)):
            drops = [Dropout(dropout, layer.output.size_out) for layer in layers[:-1]]

        super().__init__(layers, label, seed, add_to_container)
        self.residual, self.dropout = residual, dropout
        with plain_config(), self:
            self.input = nengo.Node(size_in=layers[0].input.size_in, label="input")
            below = self.input
            for i, (layer, is_residual) in enumerate(zip(layers, residual, strict=True)):
                nengo.Connection(below, layer.input, synapse=None)
                above = layer.output
                if is_residual:
                    total = nengo.Node(size_in=above.size_out, label=f"residual{i}")
                    nengo.Connection(below, total, synapse=None)
                    nengo.Connection(above, total, synapse=None)
                    above = total
                if i < len(drops):
                    drop = nengo.Node(drops[i], label=f"dropout{i}")
                    nengo.Connection(above, drop, synapse=None)
                    above = drop
                below = above
            self.output = nengo.Node(size_in=below.size_out, label="output")
            nengo.Connection(below, self.output, synapse=None)


class Parallel(Layers):
    """
    Layers side by side: all get the same input, and their outputs are concatenated.

    Memories with different ``theta`` see the input on several time scales.

    Parameters
    ----------
    layers : list of nengo.Network
        Networks as for `Stack`, with inputs of the same size.
    label : str, optional
        Name of the network.
    seed : int, optional
        Seed of the network.
    add_to_container : bool, optional
        As for `nengo.Network`.

    Attributes
    ----------
    input : nengo.Node
        Feeds every layer.
    output : nengo.Node
        The layers' outputs in their order.
    layers : list of nengo.Network
        The layers.

    Raises
    ------
    ValidationError
        If there is no layer, something is not a layer, or sizes differ.

    See Also
    --------
    Stack : Layers one after another.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory, Parallel
    >>> with nengo.Network() as model:
    ...     scales = Parallel([LegendreMemory(theta, order=4) for theta in (0.1, 1.0)])
    >>> scales.input.size_in, scales.output.size_out
    (1, 8)
    """

    def __init__(
        self,
        layers: Iterable[nengo.Network],
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ):
        layers = check_layers(layers, type(self))
        check_inputs(layers, type(self))
        super().__init__(layers, label, seed, add_to_container)
        with plain_config(), self:
            self.input = nengo.Node(size_in=layers[0].input.size_in, label="input")
            for layer in layers:
                nengo.Connection(self.input, layer.input, synapse=None)
            self.output = joined([layer.output for layer in layers], "output")


class Bidirectional(Layers):
    """
    Two layers, one of which reads the sequence backwards. For whole sequences only.

    Parameters
    ----------
    forward, backward : nengo.Network
        Networks as for `Stack`, with inputs of the same size.
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
        Both outputs for each step of the sequence: the first layer has seen everything up
        to that step, the second everything from that step on.
    last : nengo.Node
        Valid at the last step only: both outputs after the whole sequence.
    layers : list of nengo.Network
        The two layers.

    Raises
    ------
    ValidationError
        If something is not a layer, or sizes differ. When it is simulated step by step,
        as the backward layer needs the future.

    Notes
    -----
    Realize its memories as ``Windowed`` and run it in `lmu_nengo.training.Trainer`.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LSTM, Bidirectional
    >>> with nengo.Network(seed=0) as model:
    ...     both = Bidirectional(LSTM(3, 5), LSTM(3, 5))
    >>> both.input.size_in, both.output.size_out, both.last.size_out
    (3, 10, 10)
    """

    def __init__(
        self,
        forward: nengo.Network,
        backward: nengo.Network,
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ):
        layers = check_layers([forward, backward], type(self))
        check_inputs(layers, type(self))
        super().__init__(layers, label, seed, add_to_container)
        size = forward.input.size_in
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


class EncoderDecoder(Layers):
    """
    A cell encodes a sequence; its final memory initializes a decoder.

    Both share one run: the encoder reads the first ``n_source`` steps; at the last of them
    its memory is added to the decoder's; from the next step on the decoder generates the
    output sequence.

    Parameters
    ----------
    encoder : LMUCell
        Reads the source.
    decoder : LMUCell
        Made with ``start=True`` and a memory of the encoder's size.
    n_source : int
        Steps of the source, at least 1.
    label : str, optional
        Name of the network.
    seed : int, optional
        Seed of the network.
    add_to_container : bool, optional
        As for `nengo.Network`.

    Attributes
    ----------
    input : nengo.Node
        The source; what comes after ``n_source`` steps is ignored.
    decoder_input : nengo.Node
        The decoder's own input, ignored in the first ``n_source`` steps. It may stay
        unconnected; for teacher forcing, connect the target, delayed by one step.
    output : nengo.Node
        The decoder's output; zero in the first ``n_source`` steps.
    layers : list of LMUCell
        Encoder and decoder.

    Raises
    ------
    ValidationError
        If one of them is not an LMUCell, the decoder was made without ``start=True``, or
        their memories differ in size.

    Notes
    -----
    The decoder runs from the first step. If it feeds its hidden state back into its
    memory (``hidden_encoders``), its memory may not be zero when the encoder's is added.

    References
    ----------
    Sutskever, Vinyals and Le, "Sequence to Sequence Learning with Neural Networks",
    NeurIPS 2014.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import EncoderDecoder, LMUCell
    >>> memory = dict(memory_d=1, theta=0.1, order=6)
    >>> with nengo.Network(seed=0) as model:
    ...     encoder = LMUCell(2, hidden_d=10, **memory)
    ...     decoder = LMUCell(1, hidden_d=3, start=True, **memory)
    ...     translate = EncoderDecoder(encoder, decoder, n_source=50)
    >>> translate.input.size_in, translate.output.size_out
    (2, 3)
    """

    def __init__(
        self,
        encoder: LMUCell,
        decoder: LMUCell,
        n_source: int,
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ):
        n_source = check_integer(n_source, "n_source", obj=type(self))
        for attr, cell in (("encoder", encoder), ("decoder", decoder)):
            if not isinstance(cell, LMUCell):
                raise ValidationError(
                    f"must be an LMUCell, got {cell!r}.", attr=attr, obj=type(self)
                )
        if decoder.start is None:
            raise ValidationError(
                "must be made with LMUCell(..., start=True): its memory has to be set.",
                attr="decoder",
                obj=type(self),
            )
        if encoder.m.size_in != decoder.m.size_in:
            raise ValidationError(
                f"must have a memory of {encoder.m.size_in} values, as the encoder has, "
                f"got {decoder.m.size_in}. Give both the same memory_d and order.",
                attr="decoder",
                obj=type(self),
            )
        layers = check_layers([encoder, decoder], type(self))
        super().__init__(layers, label, seed, add_to_container)
        self.n_source = n_source
        with plain_config(), self:

            def only(start, stop, pre, post, label):
                node = nengo.Node(Only(start, stop, pre.size_out), label=label)
                nengo.Connection(pre, node, synapse=None)
                nengo.Connection(node, post, synapse=None)

            self.input = nengo.Node(size_in=encoder.input.size_in, label="input")
            self.decoder_input = nengo.Node(
                size_in=decoder.input.size_in, label="decoder input"
            )
            self.output = nengo.Node(size_in=decoder.output.size_out, label="output")
            only(0, n_source, self.input, encoder.input, "source")
            only(n_source - 1, n_source, encoder.m, decoder.start, "handing over")
            only(n_source, None, self.decoder_input, decoder.input, "target")
            only(n_source, None, decoder.output, self.output, "decoded")


def check_layers(layers, obj):
    """The layers as a list, or ValidationError if something is not a layer of its own."""
    if not isinstance(layers, Iterable) or isinstance(layers, (type, np.ndarray)):
        raise ValidationError(
            f"must be a list of layers, got {show(layers)}.", "layers", obj
        )
    layers = list(layers)
    if not layers:
        raise ValidationError("must hold at least one layer, got none.", "layers", obj)
    for layer in layers:
        ends = [getattr(layer, name, None) for name in ("input", "output")]
        if not all(isinstance(end, nengo.Node) for end in ends):
            raise ValidationError(
                "must be networks with nodes .input and .output, such as LMUCell, LSTM, "
                f"LegendreMemory or Stack, got {layer!r}.",
                attr="layers",
                obj=obj,
            )
    if len({id(layer) for layer in layers}) < len(layers):
        raise ValidationError(
            "must be different networks, got the same network twice. Layers cannot share "
            "weights: build one network for each layer.",
            attr="layers",
            obj=obj,
        )
    return layers


def check_sizes(what, size, other, expected, obj):
    """Raise ValidationError if two sizes differ."""
    if size != expected:
        raise ValidationError(
            f"{what} has size {size}, but {other} has size {expected}. Both must be equal.",
            attr="layers",
            obj=obj,
        )


def check_inputs(layers, obj):
    """Raise ValidationError if layers that share their input differ in its size."""
    first = layers[0]
    for layer in layers[1:]:
        check_sizes(
            f"the input of {layer}",
            layer.input.size_in,
            f"the input of {first}",
            first.input.size_in,
            obj,
        )


def joined(nodes, label):
    """A node with the outputs of several nodes, one after another."""
    output = nengo.Node(size_in=sum(node.size_out for node in nodes), label=label)
    start = 0
    for node in nodes:
        stop = start + node.size_out
        nengo.Connection(node, output[start:stop], synapse=None)
        start = stop
    return output
