"""NengoOCL as a target: OpenCL on processors and graphics cards."""

import os
import warnings

import nengo
from nengo.exceptions import ValidationError

from lmu_nengo._warnings import warn
from lmu_nengo.targets.base import Limit, TargetSimulator, need

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


class Simulator(TargetSimulator):
    """
    `nengo_ocl.Simulator` on a copy of the network, in single precision.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is. Nodes with Python functions run in Python, which is
        slow.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random for which the network has no seed.
    count_spikes : bool
        Whether to count spikes, for ``spikes`` and ``synaptic_operations``.
    **options
        For NengoOCL: ``progress_bar`` and so on; and ``context``, a `pyopencl.Context` that
        says where to run. By default the environment variable PYOPENCL_CTX says it, or it
        is the first graphics card, or the first device.

    Raises
    ------
    ValidationError
        If the network does not fit, NengoOCL is not installed, or there is no OpenCL
        device.
    """

    target = "ocl"
    requires = ("nengo_ocl", "pyopencl")

    @classmethod
    def find_limits(cls, network, dt):
        """Yield the ensembles whose neurons NengoOCL does not have."""
        for ensemble in network.all_ensembles:
            if type(ensemble.neuron_type) not in NEURONS:
                yield Limit(
                    "neuron type",
                    type(ensemble.neuron_type).__name__,
                    ", ".join(kind.__name__ for kind in NEURONS),
                    ensemble,
                    "Choose one of these neuron types.",
                )

    def build(self, prepared, dt, seed, context=None, **options):
        """Make `nengo_ocl.Simulator`."""
        nengo_ocl = need("nengo_ocl", "ocl")
        context = choose_context() if context is None else context
        options = {"progress_bar": False, **options}
        with warnings.catch_warnings():
            # NengoOCL warns about every newer Nengo; the tests cover this one
            warnings.filterwarnings("ignore", ".*has not been tested")
            return nengo_ocl.Simulator(
                prepared.network, dt=dt, seed=seed, context=context, **options
            )


def find_platforms(cl):
    """OpenCL's platforms, or none; pyopencl raises an error if there are none."""
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
        The one that the environment variable PYOPENCL_CTX names; otherwise of the first
        graphics card, or of the first device.

    Raises
    ------
    ValidationError
        If there is no device.
    """
    cl = need("pyopencl", "ocl")
    platforms = find_platforms(cl)
    if sum(platform.name == POCL for platform in platforms) > 1:
        warn(
            "OpenCL lists PoCL twice, probably from pip and from the system. Together they "
            "can crash Python; uninstall one of them."
        )
    if os.environ.get("PYOPENCL_CTX"):
        return cl.create_some_context(interactive=False)
    devices = [device for platform in platforms for device in platform.get_devices()]
    if not devices:
        raise ValidationError(
            "there is no OpenCL device. Install the OpenCL driver of your device, or PoCL "
            'to run on the processor: pip install "pyopencl[pocl]".',
            attr="context",
        )
    cards = [device for device in devices if device.type & cl.device_type.GPU]
    return cl.Context([(cards or devices)[0]])
