"""Estimators: validate, assemble, minimise, publish."""
