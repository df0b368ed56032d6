"""Real loaders feed a run that is stopped in the middle of an epoch; grain's goes on from its own state."""

import jax
import pytest

from examples import loaders


@pytest.mark.parametrize(("loader", "module"), [("grain", "grain"), ("torch", "torch"), ("tf", "tensorflow")])
def test_a_run_stopped_in_the_middle_of_an_epoch_gives_the_numbers_of_the_unbroken_one(loader, module, capsys):
    pytest.importorskip(module)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        found = loaders.main(["--loader", loader, "--epochs", "2"])
    assert found["is_same"]
    assert 0 < found["steps_left"] < found["asked"] or loader == "grain"
    if loader == "grain":
        assert found["asked"] == found["steps_left"] > 0
    assert "the same weights: True" in capsys.readouterr().out
