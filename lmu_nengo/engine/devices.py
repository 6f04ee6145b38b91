"""A batch divided among devices, also those of other processes, by JAX's own sharding."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_sequence

# where the axis of the sequences is
WHOLE, BY_FIRST, BY_SECOND = (
    PartitionSpec(),
    PartitionSpec("batch"),
    PartitionSpec(None, "batch"),
)


def choose_devices(
    devices: list[jax.Device] | None, n_sequences: int | None, is_divisible: bool
) -> list[jax.Device]:
    """
    Choose the devices that a batch is divided among.

    Parameters
    ----------
    devices : list of jax.Device or None
        Those that may be used; None means all of JAX's, in all processes.
    n_sequences : int or None
        Number of sequences in the batch; None means no batch.
    is_divisible : bool
        Whether the network may run in several pieces.

    Returns
    -------
    devices : list of jax.Device
        One of this process for a network that is not divided. Otherwise as many as the
        batch can be divided by, or all of them if they belong to several processes.

    Raises
    ------
    ValidationError
        If there are several processes and the batch cannot be divided by all devices, or
        none of the devices belongs to this process.
    """
    if devices is None:
        devices = jax.devices()
    check_sequence(devices, "devices", jax.Device, "devices of JAX")
    local = [device for device in devices if device.process_index == jax.process_index()]
    if not local:
        raise ValidationError(
            f"must contain one of this process' own, {jax.local_devices()}, got {devices}.",
            "devices",
        )
    if n_sequences is None or not is_divisible:
        return local[:1]
    if len(local) < len(devices) and n_sequences % len(devices):
        raise ValidationError(
            f"must be a multiple of {len(devices)}, the number of devices of all "
            f"processes, got {n_sequences}.",
            "minibatch_size",
        )
    return devices[: max(n for n in range(1, len(devices) + 1) if n_sequences % n == 0)]


class Devices:
    """
    Devices that a batch is divided among.

    Parameters
    ----------
    devices : list of jax.Device
        As `choose_devices` gives them. If they belong to several processes, each process
        makes the same calls with the same values.

    Attributes
    ----------
    count : int
        How many there are.
    key : str
        Tells them from others.
    is_processor : bool
        Whether they are processors, and no graphics cards.
    is_shared : bool
        Whether they belong to several processes.
    """

    def __init__(self, devices: list[jax.Device]):
        self._devices, self.count = devices, len(devices)
        self._mesh = Mesh(np.array(devices), ("batch",))
        self.key = " ".join(f"{device.device_kind} {device.id}" for device in devices)
        self.is_processor = devices[0].platform == "cpu"
        self.is_shared = len({device.process_index for device in devices}) > 1

    def put(self, x: np.ndarray, spec: PartitionSpec = WHOLE) -> jax.Array:
        """
        Place an array.

        Parameters
        ----------
        x : ndarray
            The array.
        spec : PartitionSpec
            ``BY_FIRST`` or ``BY_SECOND`` if this axis is the one of the sequences, of
            which each device gets its own; ``WHOLE`` if each device gets everything.

        Returns
        -------
        x : jax.Array
            The same array on the devices.
        """
        if self.count == 1:
            return jax.device_put(x, self._devices[0])
        sharding = NamedSharding(self._mesh, spec)
        # unlike device_put, this does not compare the array with those of other processes
        return jax.make_array_from_callback(
            np.shape(x), sharding, np.asarray(x).__getitem__
        )

    def get(self, x: jax.Array) -> np.ndarray:
        """
        Collect an array, of which other processes may have parts.

        Parameters
        ----------
        x : jax.Array
            The array.

        Returns
        -------
        x : ndarray
            The same in every process.
        """
        if x.is_fully_addressable or x.is_fully_replicated:
            return np.asarray(x)
        return multihost_utils.process_allgather(x, tiled=True)

    def divide(self, run: Callable, in_specs: Any, out_specs: Any) -> Callable:
        """
        Let each device do its part of a function's work.

        Parameters
        ----------
        run : function
            It treats sequences independently of each other.
        in_specs, out_specs : tuple
            How each argument and result is placed; see `put`.

        Returns
        -------
        run : function
            The same for all sequences.
        """
        if self.count == 1:
            return run
        return jax.shard_map(
            run, mesh=self._mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
        )
