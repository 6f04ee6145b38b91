"""Copies, increments and products."""

import jax.numpy as jnp
import numpy as np
from nengo.builder.operator import (
    BsrDotInc,
    Copy,
    DotInc,
    ElementwiseInc,
    Reset,
    SparseDotInc,
    TimeUpdate,
)
from nengo.exceptions import BuildError

from lmu_nengo.engine.products.merging import LinearInc, coordinates
from lmu_nengo.engine.registry import register
from lmu_nengo.engine.values import unit_of


@register(TimeUpdate)
def time_update(op, builder):
    """``step += 1``; ``time = step dt``."""

    def step(values):
        number = values.inputs[builder.step_number]
        values.set(op.step, number)
        values.set(op.time, number.astype(builder.dtype) * builder.dt)

    return step


@register(Reset)
def reset(op, builder):
    """``dst = value``."""
    if op.value == 0:
        return lambda values: values.clear(op.dst)
    return lambda values: values.set(op.dst, op.value)


@register(Copy)
def copy(op, builder):
    """``dst[dst_slice] = src[src_slice]``, or ``+=``."""
    is_whole = op.src_slice is None and op.dst_slice is None
    if (
        is_whole
        and op.src.size == op.dst.size
        and None not in map(unit_of, (op.src, op.dst))
    ):
        dst = unit_of(op.dst)

        def step(values):
            write = values.inc_unit if op.inc else values.set_unit
            write(dst, values.read_value(op.src))

        return step

    src_slice = Ellipsis if op.src_slice is None else np.asarray(op.src_slice)
    dst_slice = Ellipsis if op.dst_slice is None else np.asarray(op.dst_slice)
    if op.dst_slice is not None and not op.inc:
        places = np.arange(len(op.dst.initial_value))[dst_slice]
        if len(np.unique(places)) < len(places):
            raise BuildError(
                f"{op}: Cannot have repeated indices in ``dst_slice`` when copy is not an "
                "increment"
            )

    def step(values):
        src = values.read(op.src)[src_slice]
        if op.dst_slice is None:
            (values.inc if op.inc else values.set)(op.dst, src)
        else:
            at = values.read(op.dst).at[dst_slice]
            values.set(op.dst, at.add(src) if op.inc else at.set(src))

    return step


@register(ElementwiseInc)
def elementwise_inc(op, builder):
    """``Y += A * X``, with broadcasting."""
    return lambda values: values.inc(op.Y, values.read(op.A) * values.read(op.X))


@register(DotInc)
def dot_inc(op, builder):
    """``Y += A . X``."""

    def step(values):
        product = jnp.dot(values.read(op.A), values.read(op.X))
        values.inc(op.Y, product.reshape(op.Y.shape))

    return step


@register(SparseDotInc)
def sparse_dot_inc(op, builder):
    """``Y += A . X`` with a sparse ``A``, if a signal is not contiguous."""
    rows, cols, _ = coordinates(op.A.initial_value)
    start = builder.source_of(op.A.base)
    builder.constant(op, lambda parameters: parameters[start : start + len(rows)])

    def step(values):
        terms = values.constants[op] * values.read(op.X)[cols]
        values.inc(op.Y, jnp.zeros(op.Y.shape, terms.dtype).at[rows].add(terms))

    return step


@register(BsrDotInc)
def bsr_dot_inc(op, builder):
    """``Y += A . X`` with an ``A`` of blocks that are learned."""
    rows = np.repeat(np.arange(len(op.indptr) - 1), np.diff(op.indptr))
    _, n_rows, n_cols = op.A.shape

    def step(values):
        x = values.read(op.X).reshape(-1, n_cols)[op.indices]
        blocks = jnp.einsum("brc,bc->br", values.read(op.A), x)
        y = jnp.zeros((len(op.indptr) - 1, n_rows), blocks.dtype).at[rows].add(blocks)
        values.inc(op.Y, y.reshape(op.Y.shape))

    return step


@register(LinearInc)
def linear_inc(op, builder):
    """``Y += A . X`` with a constant ``A``."""
    return builder.product(op)
