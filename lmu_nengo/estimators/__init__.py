"""scikit-learn estimators made of Legendre memories: features, classifier, regressor."""

from lmu_nengo.estimators.classifier import LMUClassifier
from lmu_nengo.estimators.features import LegendreFeatures
from lmu_nengo.estimators.regressor import LMURegressor

__all__ = ["LMUClassifier", "LMURegressor", "LegendreFeatures"]
