"""Products with constant matrices: as dense ones, and no larger than their structure."""

import numpy as np
import pytest
from scipy.linalg import block_diag

from lmu_nengo.engine.products.layout import Layout
from lmu_nengo.engine.products.matrices import Matrix, find_layout, plan


def as_matrix(dense):
    """The non-zeros of an array, and the vector of parameters that they come from."""
    rows, cols = np.nonzero(dense)
    parameters = np.concatenate([[0, 1], dense[rows, cols]])
    return Matrix(rows, cols, np.arange(len(rows)) + 2, dense.shape), parameters


def random_rows(rng, m, n, per_row):
    """A matrix with some non-zeros in each row, anywhere."""
    dense = np.zeros((m, n))
    for row in dense:
        row[rng.choice(n, per_row, replace=False)] = rng.uniform(0.5, 1, per_row)
    return dense


def make(kind):
    rng = np.random.RandomState(0)
    if kind == "diagonal":
        return np.diag(rng.uniform(0.5, 1, 40))
    if kind == "one a row":
        return random_rows(rng, 60, 40, 1)
    if kind == "three a row":
        return random_rows(rng, 60, 40, 3)
    if kind == "blocks":
        return block_diag(*rng.uniform(0.5, 1, (5, 7, 4)))
    if kind == "unequal blocks, shuffled":
        blocks = [rng.uniform(0.5, 1, (k, 6)) for k in (4, 6, 8, 8, 6)]
        dense = block_diag(*blocks)
        return dense[rng.permutation(32)][:, rng.permutation(30)]
    return rng.uniform(0.5, 1, (30, 20))


# what is stored, as a multiple of the non-zeros: more than one is padding
STORED = {
    "diagonal": 1,
    "one a row": 1,
    "three a row": 1,
    "blocks": 1,
    "unequal blocks, shuffled": 40 / 32,
    "dense": 1,
}


@pytest.mark.parametrize("kind", STORED)
def test_a_product_costs_no_more_than_its_structure(kind):
    dense = make(kind)
    matrix, parameters = as_matrix(dense)
    sources, product = plan(matrix, None, None, 0)
    assert sources.size <= STORED[kind] * len(matrix.rows)
    x = np.random.RandomState(1).randn(dense.shape[1]).astype(np.float32)
    y = product(parameters[sources].astype(np.float32), x).flat()
    assert np.allclose(y, dense @ x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_blocks", [1, 4])
def test_neurons_in_blocks_are_encoded_and_decoded_as_without(n_blocks):
    rng = np.random.RandomState(0)
    encoders = random_rows(rng, 50, 4, 1)[rng.permutation(50)]
    decoders = rng.randn(6, 50)  # of each neuron to every row
    decoders[:, encoders[:, 0] != 0] = 0  # but for the first block, which has none
    matrix, parameters = as_matrix(encoders)
    layout = find_layout(matrix.blocks()[0]) if n_blocks > 1 else Layout([np.arange(50)])
    assert layout.shape[0] >= n_blocks and layout.index.size <= 2 * 50
    sources, encode = plan(matrix, None, layout, 0)
    assert sources.size <= layout.index.size * (1 if n_blocks > 1 else 4)
    x = rng.randn(4).astype(np.float32)
    J = encode(parameters[sources].astype(np.float32), x).packed(layout)
    assert J.shape == layout.shape
    assert np.allclose(layout.unpack(J), encoders @ x, atol=1e-6)

    matrix, parameters = as_matrix(decoders)
    sources, decode = plan(matrix, layout, None, 0)
    y = decode(parameters[sources].astype(np.float32), J).flat()
    assert np.allclose(y, decoders @ encoders @ x, atol=1e-5)


def test_neurons_that_nothing_drives_fit_into_any_block():
    labels = np.array([0, 1, -1, 0, 1, -1])
    layout = find_layout(labels)
    assert layout.size == 6 and layout.index.size < 12
    x = np.arange(6.0)
    assert np.array_equal(layout.unpack(layout.pack(x)), x)


@pytest.mark.parametrize("sizes", [[91] + [1] * 9, [320, 250, 180, 120, 80, 50], [7] * 9])
def test_neurons_in_unequal_groups_are_padded_little(sizes):
    labels = np.random.RandomState(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    layout = find_layout(labels)
    assert layout.index.size <= 2 * layout.size
    groups = np.append(labels, -1)[layout.index]  # the group of each neuron, by block
    assert all(len(set(block) - {-1}) == 1 for block in groups)
    x = np.arange(float(len(labels)))
    assert np.array_equal(layout.unpack(layout.pack(x)), x)


def test_one_group_or_one_neuron_a_group_are_no_blocks():
    assert find_layout(np.zeros(10, int)) is None
    assert find_layout(np.arange(10)) is None
