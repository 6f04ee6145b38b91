"""Prediction of a chaotic series."""
