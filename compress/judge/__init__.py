"""Measures a student beside its teacher and says, with intervals, whether it is good enough.

The measuring works on predictors and numpy arrays alone and knows neither torch nor transformers.
"""
