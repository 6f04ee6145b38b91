"""Convolutions and transposed convolutions, of any number of dimensions."""

import jax
import jax.numpy as jnp
import numpy as np
from nengo.builder.transforms import ConvInc, ConvTransposeInc

from lmu_nengo.engine.registry import register


@register(ConvInc)
def conv_inc(op, builder):
    """``Y += W * X``."""
    conv = op.conv
    return _convolution(
        op,
        lambda W: W,
        window_strides=conv.strides,
        padding=conv.padding.upper(),
        feature_group_count=conv.groups,
    )


@register(ConvTransposeInc)
def conv_transpose_inc(op, builder):
    """``Y += W * X``, with zeros between the elements of ``X`` and a mirrored ``W``."""
    conv = op.conv
    input_size, output_size = (
        np.array(shape.spatial_shape) for shape in (conv.input_shape, conv.output_shape)
    )
    kernel_size = np.array(conv.kernel_size)
    dilated_size = (input_size - 1) * conv.strides + 1
    padded_size = output_size + kernel_size - 1
    padding = 2 * (kernel_size - 1)
    if conv.padding == "same":
        padding = np.clip(padded_size - dilated_size, 0, padding)
    low = (padding + 1) // 2
    high = padded_size - dilated_size - low
    return _convolution(
        op,
        lambda W: jnp.flip(W, range(conv.dimensions)),
        window_strides=[1] * conv.dimensions,
        padding=list(zip(low.tolist(), high.tolist(), strict=True)),
        lhs_dilation=conv.strides,
    )


def _convolution(op, kernel, **options):
    conv = op.conv
    space = "DHW"[-conv.dimensions :] if conv.dimensions <= 3 else None
    if space is None:
        raise NotImplementedError("Convolution > 3D not supported")
    order = f"N{space}C" if conv.channels_last else f"NC{space}"
    options["dimension_numbers"] = order, f"{space}IO", order

    def step(values):
        X = values.read(op.X).reshape(1, *conv.input_shape.shape)
        Y = jax.lax.conv_general_dilated(X, kernel(values.read(op.W)), **options)
        values.inc(op.Y, Y.reshape(op.Y.shape))

    return step
