"""What the package says of itself is said once, or the same everywhere."""

import re
import subprocess
import sys
from pathlib import Path

import jreg

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_same_everywhere():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited
    assert cited[1] == jreg.__version__
    assert re.search(rf"^## {re.escape(jreg.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "jreg" / "py.typed").is_file()


ALONE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("flax", "orbax", "rich", "matplotlib", "sklearn", "optuna"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import importlib.util
whole = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in ("flax", "orbax", "rich") else whole(name)

import jax, jax.numpy as jnp, optax, jreg
from jreg import augment, diagnose, noise, norm, optim, penalty, random, targets, train

def loss_fn(params, model_state, key, batch, hyper):
    return jnp.mean((noise.dropout(key, batch, 0.1) @ params) ** 2), (model_state, {})

optimizer = optim.with_decoupled_decay(optax.adam(0.1), 0.1, learning_rate=0.1)
evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": loss_fn(params, (), None, batch, hyper)[0]})
state, batches = train.init_state(jnp.ones((3, 1)), optimizer), [jnp.ones((4, 3))]
arguments = train.make_step(loss_fn, optimizer), evaluate, state, jax.random.key(0), batches, batches, None
print(train.run(*arguments, epochs=1).status)
for what in (lambda: jreg.linen, lambda: jreg.nnx,
             lambda: train.run(*arguments, epochs=1, progress=False, checkpoints=train.Checkpoints(sys.argv[1]))):
    try:
        what()
    except ModuleNotFoundError as error:
        print(error)
"""


def test_it_works_on_jax_and_optax_alone_and_says_what_the_rest_needs(tmp_path):
    command = [sys.executable, "-c", ALONE, str(tmp_path)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stderr
    first, *lines = found.stdout.splitlines()
    assert first.startswith("epoch 1 of 1, step 1, ")
    assert lines == [
        "finished",
        "jreg.linen needs flax: pip install 'jreg[flax]'",
        "jreg.nnx needs flax: pip install 'jreg[flax]'",
        "Checkpoints needs orbax: pip install 'jreg[run]'",
    ]
