import nengo
import numpy as np
import pytest
import scipy.sparse
from nengo.transforms import ChannelShape

from lmu_nengo import engine


def slow(*values):
    """Cases that differ little from others."""
    return pytest.param(*values, marks=pytest.mark.slow)


KERNEL_SIZE = 3, 2
CHANNELS = 4


def convolutions(n_dims, padding, channels_last):
    """Convolutions and transposed ones, with several strides and groups."""
    shape = ChannelShape.from_space_and_channels(
        (7, 6)[:n_dims], CHANNELS, channels_last=channels_last
    )
    for stride in 1, 2, 3:
        settings = {
            "kernel_size": KERNEL_SIZE[:n_dims],
            "strides": (stride,) * n_dims,
            "padding": padding,
            "channels_last": channels_last,
            "init": nengo.dists.Uniform(-1, 1),
        }
        yield nengo.ConvolutionTranspose(3, shape, **settings)
        for groups in 1, 2:
            yield nengo.Convolution(6, shape, groups=groups, **settings)


def noise(size):
    return nengo.Node(nengo.processes.WhiteNoise(seed=1), size_out=size)


@pytest.mark.parametrize("way", ["optimized", slow("batch")])
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("n_dims", [1, 2])
def test_convolutions_agree_with_core(run_both, n_dims, padding, channels_last, way):
    with nengo.Network(seed=0) as network:
        probes = []
        for transform in convolutions(n_dims, padding, channels_last):
            output = nengo.Node(size_in=transform.size_out)
            nengo.Connection(
                noise(transform.size_in), output, transform=transform, synapse=None
            )
            probes.append(nengo.Probe(output))
    both = run_both(network, 5, way)
    assert len(probes) == 9
    for probe in probes:
        assert both.largest_error(probe) < 1e-12


def test_convolution_in_three_dimensions():
    """Core Nengo has none; a kernel of ones sums over what it covers."""
    transform = nengo.Convolution(
        1,
        (3, 3, 3, 1),
        kernel_size=(2, 2, 2),
        strides=(1, 1, 1),
        init=np.ones((2,) * 3 + (1, 1)),
    )
    x = np.arange(27.0)
    with nengo.Network() as network:
        output = nengo.Node(size_in=transform.size_out)
        nengo.Connection(nengo.Node(x), output, transform=transform, synapse=None)
        probe = nengo.Probe(output)
    with engine.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(1)
    windows = np.lib.stride_tricks.sliding_window_view(x.reshape(3, 3, 3), (2, 2, 2))
    assert np.allclose(sim.data[probe][0], windows.sum(axis=(3, 4, 5)).ravel())


SLICES = {
    "all": slice(None),
    "strided": slice(0, 10, 2),
    "reversed": slice(None, None, -1),
    "indices": [7, 0, 2, 5],
}


@pytest.mark.parametrize("way", ["optimized", slow("batch_not_optimized")])
@pytest.mark.parametrize("name", SLICES)
def test_matrices_of_slices_agree_with_core(run_both, name, way):
    part, rng = SLICES[name], np.random.default_rng(0)
    n_cols = len(np.arange(10)[part])
    random = scipy.sparse.random(7, n_cols, density=0.4, random_state=1)
    repeated = nengo.Sparse(
        (7, n_cols), indices=[(0, 0), (1, 1), (1, 1), (3, 2)], init=[1, 2, 3, 4]
    )
    with nengo.Network(seed=0) as network:
        x, outputs = noise(10), []

        def connect(post_slice, transform, pre_slice=part):
            output = nengo.Node(size_in=7)
            outputs.append(nengo.Probe(output))
            nengo.Connection(
                x[pre_slice], output[post_slice], transform=transform, synapse=None
            )

        connect(slice(None), nengo.Sparse((7, n_cols), init=random))
        connect(slice(None), repeated)
        connect(slice(3), rng.normal(size=(3, n_cols)))
        connect(slice(None, None, 2), rng.normal(size=(4, n_cols)))
        connect([5, 1, 0], rng.normal(size=(3, n_cols)))
        connect([1, 0, 4], rng.normal(size=3), slice(3))
        connect([2, 6, 5], 0.5, slice(3))
        connect(slice(None), nengo.transforms.NoTransform(7), slice(7))
    both = run_both(network, 10, way)
    for probe in outputs:
        assert both.largest_error(probe) < 1e-12


def test_sparse_transform_of_neurons(run_both):
    weights = scipy.sparse.random(20, 25, density=0.2, random_state=1)
    with nengo.Network(seed=0) as network:
        pre, post = nengo.Ensemble(50, 1), nengo.Ensemble(20, 1)
        nengo.Connection(nengo.Node(lambda t: np.sin(20 * t)), pre)
        for neurons in pre.neurons[::2], pre.neurons[25:]:
            nengo.Connection(
                neurons, post.neurons, transform=nengo.Sparse((20, 25), init=weights)
            )
        probe = nengo.Probe(post.neurons)
    both = run_both(network, 300)
    assert np.count_nonzero(both.core[probe]) > 100
    assert np.array_equal(both.engine[probe], both.core[probe])


def test_weights_can_be_probed(run_both):
    weights = scipy.sparse.random(4, 5, density=0.5, random_state=1)
    with nengo.Network(seed=0) as network:
        output = nengo.Node(size_in=4)
        dense = nengo.Connection(noise(5), output, transform=weights.toarray())
        sparse = nengo.Connection(
            noise(5), output, transform=nengo.Sparse((4, 5), init=weights)
        )
        probe = nengo.Probe(dense, "weights")
    both = run_both(network, 3)
    assert np.array_equal(both.engine[probe][-1], weights.toarray())
    assert sparse.size_out == 4
