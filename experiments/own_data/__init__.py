"""Classifiers and forecasts of data sets beside other methods."""
