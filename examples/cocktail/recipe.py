"""The script of a recipe: the network with the ingredients that it has, and no search."""

from pathlib import Path
from textwrap import fill

import numpy as np

from .network import LOSS_WEIGHT, NUM_BLOCKS, WIDTH
from .prepare import FAR, Table, batch_size, folds_of, scale_of, scaled
from .search import Size
from .space import SPACE

INPUTS = {
    "swap_noise": "    x = augment.swap_noise(random.fold_in(key, 1), x, {})\n",
    "mixup": "    x, y = augment.mixup(random.fold_in(key, 2), (x, y), {})\n",
    "input_noise": "    x = noise.gaussian_noise(random.fold_in(key, 3), x, {})\n",
}
BRANCH = {
    "dropout": "        hidden = noise.dropout(random.fold_in(key, 10 + at), hidden, {})\n",
    "depth": "        hidden = noise.stochastic_depth(random.fold_in(key, 20 + at), hidden, "
    "{} * (at + 1) / NUM_BLOCKS)\n",
}
NORMS = """    norms = [norm.init_batch_norm(WIDTH) for _ in range(NUM_BLOCKS)]
    return {"layers": layers, "norms": [params for params, _ in norms]}, [stats for _, stats in norms]
"""
BATCH_NORM = """        layer = params["norms"][at], stats[at], hidden
        inferred = norm.batch_norm_inference(*layer), stats[at]
        hidden, stats[at] = inferred if key is None else norm.batch_norm(*layer, decay=0.9)
"""
CHAIN = {
    "l1": ", optim.prox_l1({}, RATE)",
    "max_norm": ", optim.constrain_max_norm({})",
    "averaging": ", optim.average_params({})",
}
ENDING = 'epochs={}, monitor="merit", mode="max",'
AVERAGED = """
        validated=lambda state: state._replace(params=optim.averaged_params(state.opt_state)),"""
MODULES = {
    "augment": ("swap_noise", "mixup"),
    "noise": ("dropout", "depth", "input_noise"),
    "norm": ("batch_norm",),
    "optim": ("decay", *CHAIN),
}
SCRIPT = '''"""{title}

    python recipe.py        trains them on table.npz, beside this file; `predict` averages what they say
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import {modules}

RATE, WIDTH, NUM_BLOCKS = {rate:g}, {width}, {num_blocks}
table = np.load(Path(__file__).with_name("table.npz"))
data = tuple(jnp.asarray(table[name], jnp.float32) for name in ("x", "y", "weights"))
folds = jnp.asarray(table["seen"]), jnp.asarray(table["unseen"])

def init(key):
    sizes = [data[0].shape[1], *[WIDTH] * (NUM_BLOCKS + 1), data[1].shape[1]]
    layers = [
        {{"kernel": jax.random.normal(random.fold_in(key, at), (i, o)) * (2 / i) ** 0.5, "bias": jnp.zeros(o)}}
        for at, (i, o) in enumerate(zip(sizes, sizes[1:], strict=False))
    ]
{norms}
def logits(params, stats, key, x):
    stem, *blocks, head = params["layers"]
    x, stats = jax.nn.relu(x @ stem["kernel"] + stem["bias"][None]), list(stats)
    for at, block in enumerate(blocks):
        hidden = x @ block["kernel"] + block["bias"][None]
{batch_norm}        hidden = jax.nn.relu(hidden)
{branch}        x = x + hidden
    return x @ head["kernel"] + head["bias"][None], stats

def loss_fn(params, stats, key, batch, hyper):
    x, y = batch
{inputs}    outputs, stats = logits(params, stats, key, x)
    return targets.smoothed_cross_entropy(outputs, y, {smoothing:g}){penalty}, (stats, {{}})

def metrics(params, stats, rows, hyper):
    outputs, loss = logits(params, stats, None, rows[0])[0], optax.softmax_cross_entropy
    score = jnp.average(outputs.argmax(1) == rows[1].argmax(1), weights=rows[2])
    return {{"score": score, "merit": score - {loss_weight} * jnp.mean(loss(outputs, rows[1]))}}

optimizer = {optimizer}

def fit_one(key, fold):
    init_key, fit_key = random.split(random.fold_in(key, fold))
    params, stats = init(init_key)
    seen, unseen = (tuple(a[rows[fold]] for a in data) for rows in folds)
    return train.fit(
        train.make_step(loss_fn, optimizer), train.make_eval(metrics), train.init_state(params, optimizer, stats),
        fit_key, seen[:2], unseen, None, batch_size={batch}, steps_per_epoch={steps}, {ending}
    )

def predict(rows):
    """The mean probabilities of table["classes"], for rows as they were read: NaN where a number is missing."""
    rows = (np.where(np.isnan(rows), table["median"], rows) - table["mean"]) / table["spread"]
    says = lambda params, stats, x: jax.nn.softmax(logits(params, stats, None, x)[0])  # noqa: E731
    return train.ensemble(says, result, jnp.asarray(np.clip(rows, -{far:g}, {far:g}), jnp.float32))

result = train.sweep(fit_one, jax.random.split(jax.random.key(0), 1), jnp.arange(len(table["seen"])))
print("score of each network on the rows of its fold:", np.round(result.best_metrics["score"][:, 0], 3).tolist())
'''


def write(folder: Path, setting: dict[str, float], table: Table, size: Size, seed: int) -> None:
    """Write `recipe.py`, and `table.npz`, which it reads: the whole table, and five folds of its rows."""
    folds, scale = folds_of(table.labels, seed), scale_of(table.x)
    y = np.eye(len(table.classes), dtype=np.float32)[table.labels]
    arrays = {"x": scaled(table.x, scale), "y": y, "weights": table.weights, "classes": np.array(table.classes)}
    np.savez_compressed(folder / "table.npz", **arrays, **folds._asdict(), **scale._asdict())
    (folder / "recipe.py").write_text(script(setting, table.name, batch_size(folds.seen), size))


def script(setting: dict[str, float], name: str, batch: int, size: Size) -> str:
    """At most 80 lines, whatever the setting has."""
    optimizer = "optax.adam(RATE)"
    if "decay" in setting:
        optimizer = f"optim.with_decoupled_decay({optimizer}, {setting['decay']:g}, learning_rate=RATE)"
    if links := _filled(CHAIN, setting):
        optimizer = f"optax.chain(\n    {optimizer},\n    {links[2:]},\n)"
    penalty = f" + {setting['confidence']:g} * targets.confidence_penalty(outputs)" if "confidence" in setting else ""
    labels = ", ".join(SPACE[name].label for name in SPACE if name in setting)
    used = [module for module, names in MODULES.items() if set(names) & set(setting)]
    return SCRIPT.format(
        title=fill(
            f"Five networks for {name}, as `examples.cocktail` chose them: under {labels or 'no regularizer'}.", 110
        ),
        modules=", ".join(sorted([*used, "random", "targets", "train"])),
        rate=setting["learning_rate"],
        width=WIDTH,
        num_blocks=NUM_BLOCKS,
        norms=NORMS if "batch_norm" in setting else '    return {"layers": layers}, []\n',
        batch_norm=BATCH_NORM if "batch_norm" in setting else "",
        branch=_filled(BRANCH, setting),
        inputs=_filled(INPUTS, setting),
        smoothing=setting.get("smoothing", 0.0),
        penalty=penalty,
        loss_weight=LOSS_WEIGHT,
        optimizer=optimizer,
        batch=batch,
        steps=size.steps_per_epoch,
        ending=ENDING.format(size.epochs) + (AVERAGED if "averaging" in setting else ""),
        far=FAR,
    )


def _filled(lines: dict[str, str], setting: dict[str, float]) -> str:
    return "".join(line.format(f"{setting[name]:g}") for name, line in lines.items() if name in setting)
