"""Core Nengo, step by step without recording: the interface of the engine's `push`."""

from collections.abc import Mapping

import nengo
import numpy as np
from nengo.builder.neurons import SimNeurons
from nengo.builder.processes import SimProcess
from nengo.exceptions import ValidationError
from nengo.processes import Piecewise, PresentInput

# nengo.Simulator itself is refused by Nengo GUI while it reads a script
from nengo.simulator import Simulator as NengoSimulator

from lmu_nengo._nengo import ordered_optimizer


class CoreSteps:
    """
    One simulator of core Nengo for each stream, which share what was built.

    Parameters
    ----------
    network : nengo.Network
        The network.
    dt : float
        Step in seconds.
    seed : int or None
        Seed of everything random during the run.
    n_streams : int or None
        Number of streams; with None, arrays have no axis for them.
    """

    def __init__(
        self, network: nengo.Network, dt: float, seed: int | None, n_streams: int | None
    ):
        self.n_streams = n_streams
        with ordered_optimizer():  # the same network has the same state
            first = _Silent(network, dt=dt, seed=seed, progress_bar=False)
        self.model = first.model
        self._sims = [first]
        for i in range(1, n_streams or 1):
            own = None if seed is None else seed + i
            options = dict(optimize=False, progress_bar=False)  # the model is optimized
            self._sims.append(_Silent(None, dt=dt, seed=own, model=self.model, **options))
        self._state = [
            signal
            for signal in dict.fromkeys(s.base for s in first.signals)
            if not signal.readonly and not signal.sparse
        ]
        drawing = filter(draws_numbers, self.model.operators)
        kinds = (getattr(op, "process", None) or op.neurons for op in drawing)
        self._random = list(dict.fromkeys(type(kind).__name__ for kind in kinds))

    def push(self, data: Mapping) -> dict[nengo.Probe, np.ndarray]:
        """As `lmu_nengo.engine.Simulator.push`."""
        for i, sim in enumerate(self._sims):
            for node, x in data.items():
                own = x if self.n_streams is None else x[i]
                sim.signals[self.model.sig[node]["out"]][...] = own
            sim.step()
        return {probe: self._shown(probe) for probe in self.model.probes}

    def _shown(self, probe):
        signal = self.model.sig[probe]["in"]
        values = [sim.signals[signal] for sim in self._sims]
        return values[0].copy() if self.n_streams is None else np.stack(values)

    def get_state(self, is_complete: bool = True) -> list[np.ndarray]:
        """As `lmu_nengo.engine.Simulator.get_state`."""
        if is_complete and self._random:
            raise ValidationError(
                "cannot be saved: random numbers are drawn in the network, by "
                f"{', '.join(self._random)}.",
                "state",
            )
        states = [[sim.signals[s] for sim in self._sims] for s in self._state]
        if self.n_streams is None:
            return [values[0].copy() for values in states]
        return [np.stack(values) for values in states]

    def set_state(self, arrays: list[np.ndarray], n_steps: int) -> None:
        """As `lmu_nengo.engine.Simulator.set_state`."""
        for signal, values in zip(self._state, arrays, strict=True):
            for i, sim in enumerate(self._sims):
                own = values if self.n_streams is None else values[i]
                sim.signals[signal][...] = own
        for sim in self._sims:
            sim.signals[self.model.step][...] = n_steps
            sim.signals[self.model.time][...] = n_steps * sim.dt
            sim._probe_step_time()

    def reset(self) -> None:
        """Start again."""
        for sim in self._sims:
            sim.reset()

    def close(self) -> None:
        """Free the simulators."""
        for sim in self._sims:
            sim.close()


class _Silent(NengoSimulator):
    """A simulator whose probes record nothing."""

    def _probe(self):
        self._probe_step_time()


def draws_numbers(op) -> bool:
    """Whether an operator keeps the state of a random number generator."""
    if isinstance(op, SimProcess):
        return op.input is None and not isinstance(op.process, Piecewise | PresentInput)
    return isinstance(op, SimNeurons) and bool(op.state_extra)
