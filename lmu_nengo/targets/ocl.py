"""NengoOCL as a target: OpenCL on processors and graphics cards."""

import os
import warnings

import nengo
from nengo.exceptions import ValidationError

from lmu_nengo.targets import core
from lmu_nengo.targets.base import (
    Limit,
    TargetSimulator,
    add_spike_probes,
    need,
    refuse_limits,
)
from lmu_nengo.targets.core import prepare

__all__ = ["Simulator", "check", "choose_context", "prepare"]

POCL = "Portable Computing Language"
NEURONS = (
    nengo.AdaptiveLIF,
    nengo.AdaptiveLIFRate,
    nengo.Direct,
    nengo.LIF,
    nengo.LIFRate,
    nengo.RectifiedLinear,
    nengo.Sigmoid,
    nengo.SpikingRectifiedLinear,
)


def check(network, dt):
    """Broken limits; see `lmu_nengo.targets.check`."""
    return core.check(network, dt) + [
        Limit(
            "neuron type",
            type(ensemble.neuron_type).__name__,
            ", ".join(kind.__name__ for kind in NEURONS),
            ensemble,
            "Choose one of these for the ensemble.",
        )
        for ensemble in network.all_ensembles
        if type(ensemble.neuron_type) not in NEURONS
    ]


class Simulator(TargetSimulator):
    """
    `nengo_ocl.Simulator` of a copy of the network, in single precision.

    Parameters
    ----------
    network : nengo.Network
        The network. Nodes with Python functions run in Python, which is slow.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random, where the network has none.
    count_spikes : bool
        Whether ``spikes`` and ``synaptic_operations`` can be read afterwards; it takes a
        number for each neuron and step.
    context : pyopencl.Context, optional
        Where to run. ``None`` takes the first graphics card, or else the first device;
        the environment variable PYOPENCL_CTX chooses another.
    **options
        For NengoOCL: ``progress_bar`` and so on.

    Raises
    ------
    ValidationError
        If the network does not fit, NengoOCL is not installed, or there is no OpenCL
        device.
    """

    def __init__(
        self, network, dt=0.001, seed=None, count_spikes=False, context=None, **options
    ):
        refuse_limits(check(network, dt), "ocl", network)
        nengo_ocl = need("nengo_ocl", "ocl")
        context = choose_context() if context is None else context
        prepared = prepare(network, dt, seed)
        costs = add_spike_probes(prepared) if count_spikes else None
        options = {"progress_bar": False, **options}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*has not been tested")  # but here it is
            simulator = nengo_ocl.Simulator(
                prepared.network, dt=dt, seed=seed, context=context, **options
            )
        super().__init__(prepared, simulator, costs)


def find_platforms(cl):
    """OpenCL's platforms; pyopencl raises an error where there is none."""
    try:
        return cl.get_platforms()
    except cl.Error:
        return []


def choose_context():
    """
    Choose where OpenCL runs.

    Returns
    -------
    context : pyopencl.Context
        Of PYOPENCL_CTX, or the first graphics card, or else the first device.

    Raises
    ------
    ValidationError
        If there is no device.
    """
    cl = need("pyopencl", "ocl")
    platforms = find_platforms(cl)
    if sum(platform.name == POCL for platform in platforms) > 1:
        warnings.warn(
            "there is more than one PoCL here, pip's and the system's perhaps. Together "
            "they can crash Python: uninstall one.",
            stacklevel=2,
        )
    if os.environ.get("PYOPENCL_CTX"):
        return cl.create_some_context(interactive=False)
    devices = [device for platform in platforms for device in platform.get_devices()]
    if not devices:
        raise ValidationError(
            "found no OpenCL device, expected at least one. Install your device's OpenCL "
            'driver, or PoCL for the processor: pip install "pyopencl[pocl]".',
            attr="context",
        )
    cards = [device for device in devices if device.type & cl.device_type.GPU]
    return cl.Context([(cards or devices)[0]])
