"""All of our comparison's `fit_one`: initialization, epochs, early stopping, test."""

import jax
import numpy as np

from examples.compare.data import Dataset
from examples.compare.recipes import Hyper
from examples.compare.study import Settings, make_fit_one


def program():
    rows, classes = np.ones((120, 16), np.float32), np.eye(4, dtype=np.float32)[np.arange(120) % 4]
    fields = dict.fromkeys(Dataset._fields)
    fields |= {"pool_x": rows, "pool_y": classes, "test_x": rows, "test_y": classes}
    fields |= {"is_classification": True, "is_standardized": True}
    fit_one = make_fit_one("mlp", Dataset(**fields), Settings(num_seeds=1, epochs=2, training_rows=64))
    hyper = jax.tree.map(np.float32, Hyper(dropout=0.3, mixup=0.2))
    return fit_one, jax.random.key(0), hyper
