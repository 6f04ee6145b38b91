"""What the estimators are compared with."""

import warnings

import numpy as np

from lmu_nengo.estimators.choices import windows_for

VALIDATED = 0.2  # share of the training series by which the LSTM's epoch is chosen
EPOCHS, PATIENCE = 300, 50


def arrays(X, X_test):
    """Standardized series (n, n_channels, n_timepoints), padded at the front with zeros."""
    values = np.concatenate(list(X), axis=1)
    mean, scale = values.mean(axis=1)[:, None], values.std(axis=1)[:, None] + 1e-12
    n_steps = max(x.shape[1] for x in (*X, *X_test))
    padded = [
        np.array(
            [np.pad((x - mean) / scale, ((0, 0), (n_steps - x.shape[1], 0))) for x in part]
        )
        for part in (X, X_test)
    ]
    return padded


def minirocket(X, y, X_test, seed):
    """MiniRocket and ridge regression (Dempster, Schmidt and Webb, KDD 2021), of aeon."""
    from aeon.transformations.collection.convolution_based import MiniRocket
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, X_test = arrays(X, X_test)
    # noise of no consequence: constant padding is refused in places
    rng = np.random.RandomState(seed)
    X, X_test = (part + 1e-6 * rng.randn(*part.shape) for part in (X, X_test))
    model = make_pipeline(
        MiniRocket(random_state=seed),
        StandardScaler(with_mean=False),
        RidgeClassifierCV(np.logspace(-3, 3, 10)),
    )
    return model.fit(X, y).predict(X_test)


def logistic(X, y, X_test, seed):
    """Logistic regression of all values, its strength by 3 folds."""
    from sklearn.linear_model import LogisticRegressionCV

    X, X_test = (part.reshape(len(part), -1) for part in arrays(X, X_test))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegressionCV(Cs=np.logspace(-4, 1, 6), cv=3, max_iter=200)
        return model.fit(X, y).predict(X_test)


def lstm(X, y, X_test, seed, n_parameters):
    """
    An LSTM with about as many parameters, trained by Adam; the best epoch is kept.

    A fifth of the training series says which epoch is the best, and when to stop.
    """
    import torch
    from sklearn.model_selection import train_test_split

    torch.manual_seed(seed)
    classes, labels = np.unique(y, return_inverse=True)
    X, X_test = (
        torch.tensor(p.transpose(0, 2, 1).copy()).float() for p in arrays(X, X_test)
    )
    size_in, k = X.shape[2], len(classes)
    # 4 (h^2 + h size_in + 2 h) + k (h + 1) parameters
    b = 4 * size_in + 8 + k
    width = max(2, round((np.sqrt(b**2 + 16 * (n_parameters - k)) - b) / 8))

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = torch.nn.LSTM(size_in, width, batch_first=True)
            self.out = torch.nn.Linear(width, k)

        def forward(self, x):
            return self.out(self.lstm(x)[0][:, -1])

    train, valid = train_test_split(
        np.arange(len(X)), test_size=VALIDATED, stratify=labels, random_state=seed
    )
    labels = torch.tensor(labels)
    network, entropy = Network(), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
    rng = np.random.RandomState(seed)
    best, kept, waited = np.inf, None, 0
    for _ in range(EPOCHS):
        for batch in np.array_split(rng.permutation(train), -(-len(train) // 32)):
            optimizer.zero_grad()
            loss = entropy(network(X[batch]), labels[batch])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        with torch.no_grad():
            loss = float(entropy(network(X[valid]), labels[valid]))
        waited += 1
        if loss < best:
            best, waited = loss, 0
            kept = {name: v.clone() for name, v in network.state_dict().items()}
        if waited == PATIENCE:
            break
    network.load_state_dict(kept)
    with torch.no_grad():
        return classes[network(X_test).argmax(dim=1).numpy()]


def ridge_on_lags(x, n_train, horizon):
    """
    Forecasts by ridge regression on the last changes.

    The number of lags and the strength are chosen by later parts of the training data,
    from the windows that `lmu_nengo.estimators.LMURegressor` chooses from.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import TimeSeriesSplit

    changes = np.diff(x, prepend=x[0])
    wanted = np.append(x[horizon:] - x[:-horizon], np.zeros(horizon))
    rows = np.arange(n_train // 8, n_train - horizon)
    alphas = np.logspace(-8, 2, 21)
    best, forecast = np.inf, None
    for n_lags in windows_for(n_train, horizon):
        padded = np.append(np.zeros(n_lags - 1), changes)
        lags = np.lib.stride_tricks.sliding_window_view(padded, n_lags)
        lags = lags / changes[:n_train].std()
        errors = []
        for train, test in TimeSeriesSplit(4, gap=horizon).split(rows):
            train, test = rows[train], rows[test]
            model = RidgeCV(alphas * len(train)).fit(lags[train], wanted[train])
            errors.append((model.predict(lags[test]) - wanted[test]) ** 2)
        if (error := np.mean(np.concatenate(errors))) < best:
            best = error
            model = RidgeCV(alphas * len(rows)).fit(lags[rows], wanted[rows])
            forecast = x + model.predict(lags)
    return forecast
