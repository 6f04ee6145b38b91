"""Sequence to sequence: the memory of one cell starts another."""

import nengo
from nengo.exceptions import ValidationError

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_integer
from lmu_nengo.layers.containers import Layers
from lmu_nengo.layers.lmu_cell import LMUCell
from lmu_nengo.processes.sequence import Only


class EncoderDecoder(Layers):
    """
    One cell reads a sequence, then its memory starts another, which puts one out.

    Both share one run: the encoder sees the first ``n_source`` steps; with the last of
    them its memory is added to the decoder's; from the next step on the decoder's output
    is passed on.

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
        unconnected; for teacher forcing, connect the target of one step before.
    output : nengo.Node
        The decoder's output; zero in the first ``n_source`` steps.
    layers : list of LMUCell
        Encoder and decoder.

    Raises
    ------
    ValidationError
        If one of them is not an LMUCell, the decoder cannot be started, or their memories
        differ in size.

    Notes
    -----
    The decoder runs from the first step. One that feeds its hidden state back into its
    memory (``hidden_encoders``) may have put something there of its own, to which the
    encoder's memory is added.

    References
    ----------
    Sutskever, Vinyals and Le, "Sequence to Sequence Learning with Neural Networks",
    NeurIPS 2014.
    """

    def __init__(
        self, encoder, decoder, n_source, label=None, seed=None, add_to_container=None
    ):
        n_source = check_integer(n_source, "n_source", obj=type(self))
        for attr, cell in (("encoder", encoder), ("decoder", decoder)):
            if not isinstance(cell, LMUCell):
                raise ValidationError(
                    f"got {cell!r}, expected an LMUCell.", attr=attr, obj=type(self)
                )
        if decoder.start is None:
            raise ValidationError(
                "its memory cannot be started. Make it with LMUCell(..., start=True).",
                attr="decoder",
                obj=type(self),
            )
        if encoder.m.size_in != decoder.m.size_in:
            raise ValidationError(
                f"got a memory of {decoder.m.size_in} values, expected "
                f"{encoder.m.size_in}, as many as the encoder's. Give both the same "
                "memory_d and order.",
                attr="decoder",
                obj=type(self),
            )
        super().__init__([encoder, decoder], label, seed, add_to_container)
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
