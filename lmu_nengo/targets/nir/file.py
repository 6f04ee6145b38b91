"""NIR files: written atomically, and validated when they are read.

A file may come from anywhere. It is opened as HDF5 from memory. No link to another file is
followed, nothing is executed or unpickled, the amount of data is limited, and only the
parts of a flat graph are read.
"""

import io
import os
from typing import TYPE_CHECKING

import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_integer
from lmu_nengo.io import write_atomically
from lmu_nengo.targets.base import need
from lmu_nengo.targets.nir.reference import execution_plan

if TYPE_CHECKING:
    import nir

LARGEST = 2**30
TEXT_LIMIT = 200  # characters of a name
NODE_LIMIT = 1000
FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}  # HDF5's own
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
        If the file cannot be read, is damaged or too large, is not a flat graph, or refers
        to other files.

    Examples
    --------
    >>> from lmu_nengo.targets.nir import read_nir
    >>> read_nir("missing.nir")
    Traceback (most recent call last):
    ...
    nengo.exceptions.ValidationError: path: cannot read missing.nir: ...
    """
    nir, h5py = need("nir", "nir"), need("h5py", "nir")
    largest = check_integer(largest, "largest")
    try:
        with open(path, "rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise ValidationError(f"cannot read {path}: {error}.", attr="path") from error
    if len(content) > largest:
        raise ValidationError(
            f"{path} is larger than {largest} bytes. If you trust it, increase largest.",
            attr="path",
        )
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            nodes, edges, metadata = Reader(h5py, path, largest).graph(file)
    except ValidationError:
        raise
    # h5py has no error of its own: damage shows as any of these
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise ValidationError(
            f"{path} is damaged or not a NIR file: {error}", attr="path"
        ) from error
    made = {}
    for name, (kind, fields) in nodes.items():
        if kind in ("Input", "Output"):
            fields = {f"{kind.lower()}_type": {kind.lower(): fields["shape"]}}
        try:
            made[name] = getattr(nir, kind)(**fields)
        except (AssertionError, ValueError, TypeError, IndexError) as error:
            raise ValidationError(f"{path}: {name!r}: {error}", attr="path") from error
    graph = nir.NIRGraph(made, edges, metadata=metadata, type_check=False)
    execution_plan(graph)
    return graph


class Reader:
    """
    Reads the parts of a file that a flat graph has.

    Parameters
    ----------
    h5py : module
        Reads HDF5.
    path : str or Path
        Name of the file, for errors.
    left : int
        Bytes that may still be unpacked.
    """

    def __init__(self, h5py, path, left):
        self.h5py, self.path, self.left = h5py, path, left

    def refuse(self, message):
        """Raise ValidationError."""
        raise ValidationError(f"{self.path}: {message}", attr="path")

    def graph(self, file):
        """Kinds and arrays of the nodes; edges; metadata."""
        root = self.group(file, "node")
        kind = self.text(root, "type")
        if kind != "NIRGraph":
            self.refuse(f"it must contain a NIRGraph, not a {kind}.")
        group = self.group(root, "nodes")
        if len(group) > NODE_LIMIT:
            self.refuse(f"at most {NODE_LIMIT} nodes are allowed, it has {len(group)}.")
        nodes = {name: self.node(group, name) for name in group}
        edges = self.edges(root)
        metadata = {}
        if root.id.links.exists(b"metadata"):
            own = self.group(root, "metadata")
            metadata = {name: self.value(own, name) for name in own}
        return nodes, edges, metadata

    def member(self, group, name, what):
        """A member of a group which is in this file."""
        if len(name) > TEXT_LIMIT:
            self.refuse(f"names may have {TEXT_LIMIT} characters, one has {len(name)}.")
        links = group.id.links  # h5py's own `in` would open what a link names
        if not links.exists(name.encode()):
            self.refuse(f"{group.name} has no {name!r}, the file is incomplete.")
        if links.get_info(name.encode()).type != self.h5py.h5l.TYPE_HARD:
            self.refuse(f"{group.name}/{name} is a link; links are not followed.")
        found = group[name]
        if not isinstance(found, what):
            self.refuse(
                f"{group.name}/{name} must be a {what.__name__}, not a "
                f"{type(found).__name__}."
            )
        return found

    def group(self, group, name):
        """A group in a group."""
        return self.member(group, name, self.h5py.Group)

    def dataset(self, group, name):
        """A dataset that may be read."""
        found = self.member(group, name, self.h5py.Dataset)
        place = f"{group.name}/{name}"
        if found.external or found.is_virtual:
            self.refuse(f"{place} is stored in another file; other files are not read.")
        if found.shape is None:
            self.refuse(f"{place} is empty.")
        properties = found.id.get_create_plist()
        for i in range(properties.get_nfilters()):
            code = properties.get_filter(i)[0]
            if code not in FILTERS:
                self.refuse(f"{place} is compressed by filter {code}; use gzip or lzf.")
        self.left -= int(np.prod(found.shape, dtype=object)) * found.dtype.itemsize
        if self.left < 0:
            self.refuse(
                f"{place} of shape {found.shape} is too large to unpack. If you trust the "
                "file, increase largest."
            )
        return found

    def array(self, group, name):
        """An array of numbers."""
        found = self.dataset(group, name)
        if found.dtype.kind not in "fiu":
            self.refuse(f"{group.name}/{name} must be numbers, not {found.dtype}.")
        return np.asarray(found[()])

    def text(self, group, name):
        """A string."""
        found = self.dataset(group, name)
        if found.shape != () or not self.h5py.check_string_dtype(found.dtype):
            self.refuse(f"{group.name}/{name} must be a string.")
        return self.decoded(found[()])

    def value(self, group, name):
        """A string or an array."""
        found = self.member(group, name, self.h5py.Dataset)
        is_text = self.h5py.check_string_dtype(found.dtype)
        return self.text(group, name) if is_text else self.array(group, name)

    def decoded(self, text):
        """A string of limited length."""
        text = text.decode() if isinstance(text, bytes) else str(text)
        if len(text) > TEXT_LIMIT:
            self.refuse(f"strings may have {TEXT_LIMIT} characters, one has {len(text)}.")
        return text

    def node(self, group, name):
        """Kind and fields of a node."""
        group = self.group(group, name)
        kind = self.text(group, "type")
        if kind not in FIELDS:
            what = "a nested graph" if kind == "NIRGraph" else f"a node of type {kind!r}"
            self.refuse(
                f"{name!r} is {what}, but the graph must be flat, with nodes of type "
                f"{', '.join(FIELDS)}."
            )
        optional = {"v_reset"} - set(group.keys())  # zero if left out
        fields = {
            field: self.array(group, field)
            for field in FIELDS[kind]
            if field not in optional
        }
        return kind, fields

    def edges(self, root):
        """Pairs of names."""
        found = self.dataset(root, "edges")
        is_pairs = len(found.shape) == 2 and found.shape[1] == 2
        if not is_pairs or not self.h5py.check_string_dtype(found.dtype):
            self.refuse(f"edges must be pairs of names, their shape is {found.shape}.")
        return [tuple(self.decoded(end) for end in edge) for edge in found[()]]
