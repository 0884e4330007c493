"""A model file's state, what it should come back as, and how to forge a file (shared by the tests of files)."""

import numpy as np
import safetensors.numpy

from intertwine.io import FORMAT_VERSION, model_file

STATE = {
    "class": "InteractionRegressor",
    "params": {
        "alpha": 0.1,
        "tie": float("inf"),
        "latent": None,
        "knots": (1, 2.5),
        "n_jobs": -1,
        "x": float("nan"),
    },
    "fitted": {
        "coef_": np.linspace(-1, 1, 7),
        "feature_names_in_": np.array(["age", "dose", "größe"], dtype=object),
        "blocks": [np.arange(6, dtype=np.int32).reshape(2, 3), np.array([True, False])],
        "a/b~c": np.float32([[1.5]]),
    },
}


def same(left, right):
    if isinstance(left, np.ndarray):
        return (
            isinstance(right, np.ndarray)
            and left.shape == right.shape
            and left.dtype == right.dtype
            and left.tobytes() == right.tobytes()
            if left.dtype != object
            else right.dtype == object and left.shape == right.shape and left.tolist() == right.tolist()
        )
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and list(left) == list(right)
            and all(same(left[k], right[k]) for k in left)
        )
    if isinstance(left, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and left != left:
        return isinstance(right, float) and right != right
    return type(left) is type(right) and left == right


def forge(path, version=str(FORMAT_VERSION), text='{"coef_":{"$array":"/coef_"}}', arrays=None, **metadata):
    """Write a file whose checksum is right but whose content `save_state` would never write."""
    arrays = {"/coef_": np.ones(3)} if arrays is None else arrays
    checksum = model_file._checksum(version, text, arrays)
    metadata = {
        "format": "intertwine",
        "format_version": version,
        "state": text,
        "checksum": checksum,
        **metadata,
    }
    path.write_bytes(safetensors.numpy.save(arrays, metadata))
    return path
