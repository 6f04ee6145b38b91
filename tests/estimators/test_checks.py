"""scikit-learn's own checks."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from lmu_nengo.estimators import LegendreFeatures, LMUClassifier, LMURegressor


@parametrize_with_checks(
    [
        LegendreFeatures(),
        LMUClassifier(random_state=0),
        LMURegressor(random_state=0),
        LMURegressor(hidden_d=100, random_state=0),
    ]
)
def test_estimators_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
