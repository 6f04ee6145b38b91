"""No wrong argument ends in anything but an error of Nengo's, at once."""

import subprocess
import sys

import pytest

from tests.project import wrong_arguments

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
