"""Fixed linear maps of a whole sequence to q numbers: a memory, and what could replace it.

Every map is a matrix of shape (n_steps, q) whose columns have a norm of one (those of a
memory about one), so that white noise gives each of the q numbers the same variance.
"""

import numpy as np
from scipy import fft

import lmu_nengo
from experiments.psmnist._network import DT, white_noise_scale


def legendre(n_steps, q):
    """
    State of a Legendre memory at the last step, its window as long as the sequence.

    Parameters
    ----------
    n_steps : int
        Steps of a sequence.
    q : int
        Order of the memory.

    Returns
    -------
    columns : ndarray of shape (n_steps, q)
        The normalized state is ``x @ columns``. Norms fall from one to about a half for the
        last order, as the window's edge is not sharp.
    """
    system = lmu_nengo.signal.state_space(n_steps * DT, q)
    system = lmu_nengo.signal.discretize(*system, DT)
    lags = lmu_nengo.signal.impulse_response(*system, n_steps)
    return lags[::-1] * white_noise_scale(n_steps, q)


def delay_line(n_steps, q):
    """Columns that hold the last ``q`` steps."""
    return np.eye(n_steps)[:, n_steps - q :]


def cosine(n_steps, q):
    """Columns of the ``q`` lowest frequencies of the discrete cosine transform."""
    return fft.dct(np.eye(n_steps), norm="ortho")[:, :q]


def random_projection(n_steps, q, seed):
    """Random orthonormal columns."""
    rng = np.random.default_rng([seed, 1])
    return np.linalg.qr(rng.standard_normal((n_steps, q)))[0]


def principal(x):
    """All principal components of sequences (n_sequences, n_steps), the largest first."""
    from sklearn.decomposition import PCA

    return PCA(svd_solver="covariance_eigh").fit(x).components_.T
