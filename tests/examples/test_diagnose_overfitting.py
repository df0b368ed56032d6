"""The wrong script and the repaired one: what is said of each, in a quick run, and the picture."""

import jax
import pytest

from examples import diagnose_overfitting


@pytest.mark.thorough
def test_the_quick_run_names_the_mistakes_and_pairs_the_gaps(tmp_path, capsys):
    out = tmp_path / "picture.png"
    # optax.adam relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"):
        assert diagnose_overfitting.main(["--quick", "--out", str(out)]) == 0
    wrong, repaired = capsys.readouterr().out.split("repaired, lint:")
    assert "key-unused" in wrong.split("wrong, audit_optimizer:")[0]
    assert repaired.strip().startswith("No mistakes found.")
    assert "Warning: head/bias, hidden/bias are decayed although they are not kernels." in wrong
    assert "it is normalized with the gradient" in wrong
    assert "(Means over 3 runs.)" in wrong
    assert "Warning" not in repaired
    assert "gap - baseline" in repaired
    assert out.read_bytes().startswith(b"\x89PNG")
