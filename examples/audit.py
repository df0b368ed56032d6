"""What do the usual optimizers decay? Their audits on a small language model, of which only the shapes are needed.

python -m examples.audit
"""

import jax
import jax.numpy as jnp
import optax
from flax import linen

from jreg import diagnose, optim

LEARNING_RATE, WEIGHT_DECAY, STEPS_PER_EPOCH = 1e-3, 0.1, 500


class Model(linen.Module):
    """An embedding, a hidden layer with a norm, and a head."""

    @linen.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = linen.Embed(256, 32, name="embed")(tokens)
        x = linen.LayerNorm(name="norm")(linen.relu(linen.Dense(32, name="hidden")(x)))
        return linen.Dense(256, name="head")(x)


def optimizers() -> dict[tuple[str, str], optax.GradientTransformation]:
    adam = optax.adam(LEARNING_RATE)
    masked = optax.adamw(LEARNING_RATE, weight_decay=WEIGHT_DECAY, mask=optim.kernels)
    decoupled = optim.with_decoupled_decay(adam, WEIGHT_DECAY, learning_rate=LEARNING_RATE)
    head = optim.matching("head/kernel")
    return {
        ("adam, L2 in the gradient", "float32"): optax.chain(optim.add_l2(WEIGHT_DECAY), adam),
        ("adamw as it stands", "float32"): optax.adamw(LEARNING_RATE, weight_decay=WEIGHT_DECAY),
        ("adamw, masked", "float32"): masked,
        ("lion", "float32"): optax.lion(LEARNING_RATE, weight_decay=WEIGHT_DECAY),
        ("adamw, masked, and L2 in the gradient", "float32"): optax.chain(optim.add_l2(WEIGHT_DECAY), masked),
        ("adam, decay beside it, and a sparse head: a share of the step", "float32"): optax.chain(
            decoupled, optim.prox_l1(WEIGHT_DECAY, LEARNING_RATE, mask=head)
        ),
        ("adam, decay beside it, and a sparse head: the Lasso's", "float32"): optim.with_l1(
            decoupled, WEIGHT_DECAY, mask=head
        ),
        ("adamw, masked", "bfloat16"): masked,
        ("adamw, masked, with a float32 copy", "bfloat16"): optim.with_float32_copy(masked),
    }


def main() -> None:
    shapes = jax.eval_shape(Model().init, jax.random.key(0), jnp.zeros((1, 8), jnp.int32))["params"]
    for (name, dtype), optimizer in optimizers().items():
        params = jax.tree.map(lambda leaf, dtype=dtype: jax.ShapeDtypeStruct(leaf.shape, dtype), shapes)
        print(f"{name}, {dtype}\n{diagnose.audit_optimizer(optimizer, params, steps_per_epoch=STEPS_PER_EPOCH)}\n")


if __name__ == "__main__":
    main()
