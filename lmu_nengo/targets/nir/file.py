"""NIR files: written atomically, and validated when they are read.

A file may come from anywhere: nothing is executed or unpickled, and only the parts of a
flat graph are read.
"""

import io
import os
from typing import TYPE_CHECKING

from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_integer, check_path
from lmu_nengo.io import DamagedFileError, write_atomically
from lmu_nengo.io.hdf5 import LARGEST, read_hdf5
from lmu_nengo.targets.base import need
from lmu_nengo.targets.nir.reference import execution_plan

if TYPE_CHECKING:
    import nir

EDGE_LIMIT = 10_000
FIELDS = {
    "Input": ("shape",),
    "Output": ("shape",),
    "Affine": ("weight", "bias"),
    "Linear": ("weight",),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
}


def write_nir(path: str | os.PathLike[str], graph: "nir.NIRGraph") -> None:
    """
    Write a graph to a file atomically: a failure leaves the previous file as it was.

    Parameters
    ----------
    path : str or Path
        The file, which is replaced if it is there.
    graph : nir.NIRGraph
        Flat: Input, Output, Affine, Linear and CubaLIF nodes.

    Raises
    ------
    ValidationError
        If the graph is not valid, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import nir
    >>> import numpy as np
    >>> from lmu_nengo.targets.nir import read_nir, write_nir
    >>> nodes = {
    ...     "input": nir.Input({"input": np.array([1])}),
    ...     "double": nir.Linear(np.array([[2.0]])),
    ...     "output": nir.Output({"output": np.array([1])}),
    ... }
    >>> graph = nir.NIRGraph(nodes, [("input", "double"), ("double", "output")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_nir(f"{folder}/double.nir", graph)
    ...     sorted(read_nir(f"{folder}/double.nir").nodes)
    ['double', 'input', 'output']
    """
    nir = need("nir", "nir")
    execution_plan(graph)
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    write_atomically(path, buffer.getvalue())


def read_nir(path: str | os.PathLike[str], largest: int = LARGEST) -> "nir.NIRGraph":
    """
    Read a flat graph from a file, which may come from anywhere.

    Parameters
    ----------
    path : str or Path
        The file.
    largest : int
        Largest size in bytes of the file, and of all its arrays unpacked.

    Returns
    -------
    graph : nir.NIRGraph
        The graph, validated.

    Raises
    ------
    ValidationError
        If the file cannot be read.
    DamagedFileError
        If it is damaged or too large, is not a flat graph, or refers to other files.

    Examples
    --------
    >>> from lmu_nengo.targets.nir import read_nir
    >>> read_nir("missing.nir")
    Traceback (most recent call last):
    ...
    nengo.exceptions.ValidationError: path: cannot read missing.nir: ...
    """
    nir, _ = need("nir", "nir"), need("h5py", "nir")
    check_path(path)
    largest = check_integer(largest, "largest", high=2**40)
    with read_hdf5(path, largest=largest) as reader:
        nodes, edges, metadata = GraphReader(reader).graph()
    made = {}
    for name, (kind, fields) in nodes.items():
        if kind in ("Input", "Output"):
            fields = {f"{kind.lower()}_type": {kind.lower(): fields["shape"]}}
        try:
            made[name] = getattr(nir, kind)(**fields)
        except (AssertionError, ValueError, TypeError, IndexError) as error:
            raise DamagedFileError(path, f"{name!r}: {error}") from error
    graph = nir.NIRGraph(made, edges, metadata=metadata, type_check=False)
    try:
        execution_plan(graph)
    except ValidationError as error:
        raise DamagedFileError(path, str(error)) from error
    return graph


class GraphReader:
    """
    Reads the parts of a file that a flat graph has.

    Parameters
    ----------
    reader : lmu_nengo.io.hdf5.Reader
        Reads groups and arrays.
    """

    def __init__(self, reader):
        self.reader = reader

    def graph(self):
        """Kinds and arrays of the nodes; edges; metadata."""
        reader = self.reader
        root = reader.group(reader.file, "node")
        kind = reader.text(root, "type")
        if kind != "NIRGraph":
            reader.refuse(f"it must contain a NIRGraph, not a {kind}")
        group = reader.group(root, "nodes")
        nodes = {name: self.node(group, name) for name in reader.names(group)}
        edges = self.edges(root)
        metadata = {}
        if reader.has(root, "metadata"):
            own = reader.group(root, "metadata")
            metadata = {name: reader.value(own, name) for name in reader.names(own)}
        return nodes, edges, metadata

    def node(self, group, name):
        """Kind and fields of a node."""
        reader = self.reader
        group = reader.group(group, name)
        kind = reader.text(group, "type")
        if kind not in FIELDS:
            what = "a nested graph" if kind == "NIRGraph" else f"a node of type {kind!r}"
            reader.refuse(
                f"{name!r} is {what}, but the graph must be flat, with nodes of type "
                f"{', '.join(FIELDS)}"
            )
        optional = {"v_reset"} - set(reader.names(group))  # zero if left out
        fields = {
            field: reader.array(group, field)
            for field in FIELDS[kind]
            if field not in optional
        }
        return kind, fields

    def edges(self, root):
        """Pairs of names."""
        reader = self.reader
        found = reader.dataset(root, "edges")
        is_pairs = len(found.shape) == 2 and found.shape[1] == 2
        if not is_pairs or not reader.h5py.check_string_dtype(found.dtype):
            reader.refuse(f"edges must be pairs of names, their shape is {found.shape}")
        if len(found) > EDGE_LIMIT:
            reader.refuse(f"at most {EDGE_LIMIT} edges are allowed, it has {len(found)}")
        # one by one: all could be the same, very long, text
        return [
            tuple(reader.decoded(found[i, j]) for j in (0, 1)) for i in range(len(found))
        ]
