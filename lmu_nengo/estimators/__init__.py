"""Estimators for scikit-learn: features, classifier, regressor from Legendre memories."""

from lmu_nengo.estimators.classifier import LMUClassifier
from lmu_nengo.estimators.features import LegendreFeatures
from lmu_nengo.estimators.regressor import LMURegressor

__all__ = ["LMUClassifier", "LMURegressor", "LegendreFeatures"]
