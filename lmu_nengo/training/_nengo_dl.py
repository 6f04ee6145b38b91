"""Everything that needs NengoDL's private side, and its import on current TensorFlow.

NengoDL 3.6.0 asks for ``keras.engine.functional`` and for two names of
``keras.layers`` that Keras moved or dropped in TensorFlow 2.13. Both still exist in the
legacy Keras (inside TensorFlow up to 2.15, the package ``tf_keras`` from 2.16 on). While
NengoDL is imported, and only then, the two names stand for the legacy ones.
"""

import importlib
import importlib.util
import os
import re
import sys
import tempfile
import warnings
from contextlib import contextmanager

import nengo
from nengo.exceptions import NengoException, ValidationError

from lmu_nengo._validation import install_hint

ALIASES = ("engine.functional", "layers")
LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# what TensorFlow writes when it starts on a machine without a GPU
NOISE = re.compile(
    rb"All log messages before absl::InitializeLog"
    rb"|oneDNN custom operations are on"
    rb"|Could not find cuda drivers"
    rb"|TensorFlow binary is optimized|To enable the following instructions"
    rb"|failed call to cuInit: .*(\(303\)|CUDA_ERROR_NO_DEVICE)"
)


def import_nengo_dl():
    """
    Import NengoDL, choosing legacy Keras for this process.

    Returns
    -------
    nengo_dl : module
        The unmodified package.

    Raises
    ------
    ImportError
        If a package is missing or Keras 3 is already in use; says what to install.
    """
    if "nengo_dl" in sys.modules:
        return sys.modules["nengo_dl"]
    for package in ("tensorflow", "nengo_dl"):
        if importlib.util.find_spec(package) is None:
            raise ImportError(
                f"Training needs the package {package}, which is not installed. "
                f"{install_hint('dl')}"
            )
    if importlib.util.find_spec("tf_keras") is not None:
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
    with without_startup_noise():
        return import_both()


def import_both():
    """Import TensorFlow, check its Keras, and import NengoDL."""
    import tensorflow as tf

    keras, is_legacy, _ = tf.keras.Model.__module__.partition(".engine.")
    if not is_legacy:
        minor = ".".join(tf.__version__.split(".")[:2])
        raise ImportError(
            f"NengoDL needs legacy Keras, but tf.keras is Keras {tf.keras.__version__}. "
            f"Install it with: pip install 'tf-keras~={minor}.0'. If it is installed, "
            "something used tf.keras before lmu_nengo.training.Simulator or nengo_dl were "
            "imported from lmu_nengo.training: import them first."
        )
    with stand_in(keras), warnings.catch_warnings():
        # it was: see the pins in pyproject.toml
        warnings.filterwarnings("ignore", "This version of NengoDL has not been tested")
        nengo_dl = importlib.import_module("nengo_dl")
    if not nengo_dl.utils.tf_gpu_installed:
        tf.config.list_physical_devices("GPU")  # it complains the first time
    tf.get_logger().addFilter(is_no_retracing_of_keras)
    return nengo_dl


@contextmanager
def without_startup_noise():
    """Drop `NOISE` from standard error, unless the user set the log level to 0."""
    # for what comes later, and in the process that NengoDL starts
    if os.environ.setdefault(LOG_LEVEL, "1") == "0":
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            log.seek(0)
            for line in log:
                if not NOISE.search(line):
                    os.write(2, line)


def is_no_retracing_of_keras(record):
    """False for the warning that a new simulator's Keras function was traced."""
    text = record.getMessage()
    return not ("tf.function retracing" in text and "<function Model." in text)


@contextmanager
def stand_in(keras):
    """Let ``keras.engine.functional`` and ``keras.layers`` mean those of ``keras``."""
    saved = {f"keras.{name}": sys.modules.get(f"keras.{name}") for name in ALIASES}
    for name in ALIASES:
        sys.modules[f"keras.{name}"] = importlib.import_module(f"{keras}.{name}")
    try:
        yield
    finally:
        for name, module in saved.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


nengo_dl = import_nengo_dl()

import tensorflow as tf  # noqa: E402  only now

get_setting = nengo_dl.config.get_setting
neuron_state = nengo_dl.compat.neuron_state
SimTensorNode = nengo_dl.tensor_node.SimTensorNode


def replace_builders(graph, kind, new):
    """Let a graph build operators by ``new`` that it builds by exactly ``kind``."""
    builders = graph.op_builder.op_builds
    for ops, builder in builders.items():
        if type(builder) is kind:
            builders[ops] = new(ops)


def replace_neurons(graph, replace):
    """Let a graph compute neurons by what ``replace`` gives for NengoDL's builder."""
    for builder in graph.op_builder.op_builds.values():
        if hasattr(builder, "built_neurons"):
            builder.built_neurons = replace(builder.built_neurons)


@contextmanager
def replaced(**classes):
    """Let NengoDL's simulator call others in the place of some classes it makes."""
    module = nengo_dl.simulator
    saved = {name: getattr(module, name) for name in classes}
    vars(module).update(classes)
    try:
        yield
    finally:
        vars(module).update(saved)


class Simulator(nengo_dl.Simulator):
    """
    NengoDL's simulator, with named hooks in the place of its private methods.

    Parameters
    ----------
    *args
        As for `nengo_dl.Simulator`.
    make_model : callable
        Called in the place of `nengo_dl.builder.NengoModel`.
    make_graph : callable
        Called in the place of `nengo_dl.tensor_graph.TensorGraph`.
    **kwargs
        As for `nengo_dl.Simulator`.
    """

    losses = None  # by name of the probe, when they are compiled

    def __init__(self, *args, make_model, make_graph, **kwargs):
        precision = nengo.rc.get("precision", "bits")
        try:
            with (
                replaced(NengoModel=make_model, TensorGraph=make_graph),
                warnings.catch_warnings(),
            ):
                warnings.filterwarnings("ignore", "No GPU support detected")
                super().__init__(*args, **kwargs)
        finally:
            # NengoDL leaves core Nengo in single precision if it cannot build
            nengo.rc.set("precision", "bits", precision)

    def check_data(self, data, n_steps, is_input):
        """
        Check inputs or targets before NengoDL does; a hook.

        Parameters
        ----------
        data : dict of {str: array}
            By the names of nodes or probes.
        n_steps : int or None
            Number of steps, if the data do not give it.
        is_input : bool
            Whether these are inputs, not targets.

        Returns
        -------
        n_steps : int or None
            What NengoDL shall check.
        """
        return n_steps

    def count_steps(self, n_steps):
        """Set the number of steps that were run."""
        self._n_steps, self._time = n_steps, n_steps * self.dt

    def _update_steps(self):
        super()._update_steps()
        self.count_steps(self._n_steps * self.steps_in_one)

    @property
    def steps_in_one(self):
        """Steps that one step of NengoDL's graph stands for."""
        return 1

    def _check_data(self, data, batch_size=None, n_steps=None, nodes=True):
        n_steps = self.check_data(data, n_steps, nodes)
        super()._check_data(data, batch_size=batch_size, n_steps=n_steps, nodes=nodes)

    def compile(self, *args, loss=None, metrics=None, loss_weights=None, **kwargs):
        """As NengoDL's own, but that metrics count what the losses count."""
        try:
            metrics = self.by_name(metrics, self.model.probes, broadcast_unary=True)
            self.losses = self.by_name(loss, self.model.probes, broadcast_unary=True)
            super().compile(
                *args,
                loss=loss,
                loss_weights=loss_weights,
                weighted_metrics={} if metrics is None else metrics,
                **kwargs,
            )
        except NengoException:
            raise
        except (AttributeError, TypeError, ValueError) as error:
            raise ValidationError(
                f"Keras does not take these arguments: {error}", attr="compile"
            ) from error

    def by_name(self, data, objects, broadcast_unary=False):
        """Data by the names of nodes or probes."""
        return self._standardize_data(data, objects, broadcast_unary=broadcast_unary)

    @nengo_dl.simulator.with_self
    def _build_keras(self, progress=None):
        """As NengoDL's own, but with `make_keras_model`."""
        graph = self.tensor_graph
        self.node_inputs, n_steps = graph.build_inputs()
        inputs = [*self.node_inputs.values(), n_steps]
        outputs = graph(inputs, stateful=self.stateful, progress=progress)
        self.keras_model = self.make_keras_model(inputs, outputs)
        names = [graph.io_names[probe] for probe in self.model.probes]
        self.keras_model.output_names = [*names, "steps_run"]
        graph.build_post()

    def make_keras_model(self, inputs, outputs):
        """Make the Keras model that trains the graph."""
        return tf.keras.Model(inputs=inputs, outputs=outputs, name="keras_model")
