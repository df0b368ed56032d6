"""What would have been, had a run stopped: every patience from one history."""

from collections.abc import Iterable

import numpy as np

PATIENCES = (1, 2, 5, 10, 20)


def stopped(scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The test accuracy of the best epoch so far and the epochs run, for each patience, by validation loss."""
    loss, test = scores["valid loss by epoch"], scores["test accuracy by epoch"]
    found = {}
    for patience in (*PATIENCES, loss.shape[-1]):
        name = "never" if patience == loss.shape[-1] else str(patience)
        places = [_best_and_end(row, patience) for row in _rows(loss)]
        best, ends = (np.array(values).reshape(loss.shape[:-1]) for values in zip(*places, strict=True))
        found[f"test accuracy, patience {name}"] = np.take_along_axis(test, best[..., None], -1)[..., 0]
        found[f"epochs, patience {name}"] = ends.astype(np.float32)
    by_accuracy = scores["valid accuracy by epoch"].argmax(-1)
    found["test accuracy, best accuracy"] = np.take_along_axis(test, by_accuracy[..., None], -1)[..., 0]
    found["rise of the loss"] = loss[..., -1] / loss.min(-1) - 1.0
    return found


def _rows(loss: np.ndarray) -> Iterable[np.ndarray]:
    return loss.reshape(-1, loss.shape[-1])


def _best_and_end(loss: np.ndarray, patience: int) -> tuple[int, int]:
    """The best epoch, and how many were run, if training ends after `patience` epochs without a better one."""
    best = 0
    for epoch in range(1, len(loss)):
        if loss[epoch] < loss[best]:
            best = epoch
        elif epoch - best >= patience:
            return best, epoch + 1
    return best, len(loss)
