"""No wrong argument ends in anything but an error of Nengo's, at once."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys

import pytest

import lmu_nengo
from lmu_nengo import targets
from tests.project import calls_that_run, wrong_arguments

QUICK = [
    "balancing.state_transform",
    "balancing.window_energy",
    "discretization.discretize",
    "discretization.simulate",
    "legendre.delay_decoders",
    "legendre.delay_error",
    "legendre.order_for",
    "legendre.reconstruct_window",
    "legendre.state_space",
    "mapping.principle3",
    "metrics.nrmse",
    "stability.loop_poles",
    "synapses.DelayedLowpass",
    "synapses.discrete_synapse",
    "regularization.Dropout",
    "digits.permuted_sequences",
]


# records that functions return, and what takes no arguments or only names of options
NOT_TRIED = {
    *("ChipReport", "Digits", "Excursion", "History", "Layer", "Limit", "Mapping"),
    *("Neurons", "NirTarget", "Prepared", "Realization", "Result", "SpikingReport"),
    *("configure_settings", "load_small_digits", "run_graph"),
}


def public_callables():
    for module in pkgutil.walk_packages(lmu_nengo.__path__, "lmu_nengo."):
        if module.ispkg and "._" not in module.name:
            package = importlib.import_module(module.name)
            for name in getattr(package, "__all__", ()):
                if callable(getattr(package, name)):
                    yield name


def test_every_public_callable_is_tried():
    if not targets.installed("dl"):
        pytest.skip("needs NengoDL")
    groups = wrong_arguments.groups()
    tried = {name.split(".")[-1] for name in groups["functions"]()}
    # the other groups run networks when they are made
    text = inspect.getsource(wrong_arguments) + inspect.getsource(calls_that_run)
    tried |= set(re.findall(r"[\".](\w+)", text))
    names = set(public_callables())
    assert len(names) > 100
    assert names - tried - NOT_TRIED == set()


def foreign(names):
    """What ended in another way than by success or an error of Nengo's."""
    tried = list(wrong_arguments.run(names))
    assert len(tried) > 44 * len(names)
    return [
        (name, argument, repr(value)[:40], how, message[:80])
        for name, argument, value, how, message in tried
        if how not in {"accepted", "refused"}
    ]


def test_functions_of_arrays_refuse_what_is_none():
    assert foreign(QUICK) == []


@pytest.mark.slow
@pytest.mark.parametrize("group", sorted(wrong_arguments.groups()))
def test_every_public_callable_refuses_what_it_cannot_use(group):
    # in a process of its own, which bounds its memory
    command = sys.executable, "-m", "tests.project.wrong_arguments", group
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_values_are_described_in_a_few_words():
    from lmu_nengo._validation import show

    assert show("x" * 1000).count("x") < 100
    assert len(show(10**1000)) < 100
