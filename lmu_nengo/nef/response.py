"""How the decoded value of neurons follows the state that drives them."""

from dataclasses import dataclass

import numpy as np

from lmu_nengo._validation import check_non_negative


@dataclass(frozen=True)
class Response:
    """
    Linear response of neurons: the filter between a state and what is decoded of it.

    A constant state is decoded as it is. Of a changing one, neurons decode

        ``H x = x + lead dx/dt + onset (x - L x)``,

    where L is a lowpass of the time constant tau: leaky neurons are ahead, and neurons that
    adapt show more of a change at first.

    Parameters
    ----------
    lead : float
        Seconds by which neurons are ahead.
    onset : float
        Share of a change that is decoded in addition, and then fades.
    tau : float
        Time constant in seconds with which it fades.

    Raises
    ------
    ValidationError
        If ``tau`` is negative.

    Examples
    --------
    >>> from lmu_nengo.nef import Response
    >>> num, den = Response(lead=0.002).coefficients(dt=0.001)
    >>> num, den  # 3 - 2 / z
    (array([1., 3.]), array([1., 1.]))
    """

    lead: float = 0.0
    onset: float = 0.0
    tau: float = 0.0

    def __post_init__(self):
        check_non_negative(self.tau, "tau", obj=self)

    @property
    def fades(self) -> bool:
        """Whether there is an onset that fades."""
        return self.onset != 0 and self.tau > 0

    def coefficients(self, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """
        Return the response as a filter of discrete steps.

        Parameters
        ----------
        dt : float
            Time step in seconds.

        Returns
        -------
        num, den : ndarray
            Coefficients of rising powers of ``z - 1``; the last one of ``den`` is 1.
        """
        num, den = np.ones(1), np.ones(1)
        if self.lead:
            num, den = np.array([1, 1 + self.lead / dt]), np.ones(2)
        if self.fades:
            kept = np.exp(-dt / self.tau)
            pole = [1 - kept, 1]
            extra = np.convolve(den, [0, self.onset * kept])
            num, den = np.convolve(num, pole) + extra, np.convolve(den, pole)
        return num, den
