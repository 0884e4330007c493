"""Encoders and decoders of latent models: dense, linear, convolutional."""

from intertwine.architectures.base import AbstractArchitecture
from intertwine.architectures.choose import (
    ARCHITECTURES,
    architecture_from_state,
    architecture_of,
    architecture_to_state,
)
from intertwine.architectures.convolutional import Convolutional
from intertwine.architectures.dense import Linear, Perceptron

__all__ = [
    "ARCHITECTURES",
    "AbstractArchitecture",
    "Convolutional",
    "Linear",
    "Perceptron",
    "architecture_from_state",
    "architecture_of",
    "architecture_to_state",
]
