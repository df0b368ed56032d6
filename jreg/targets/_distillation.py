"""Distillation: a teacher's softened outputs as targets."""

from __future__ import annotations

from jax import lax
from jaxtyping import Array, Bool, Float

from .._core.checks import Checks
from .._core.types import Number
from ._rows import counted, divergence, log_probabilities, logit_rows, mean, same_shape, shielded


def distillation(
    student_logits: Float[Array, "..."],
    teacher_logits: Float[Array, "..."],
    temperature: Number,
    *,
    where: Bool[Array, "..."] | None = None,
    axis: int = -1,
) -> Float[Array, ""]:
    """Average the divergence of the student from the teacher, both softened, times the temperature squared.

        loss = T**2 mean_i KL(softmax(teacher_i / T) || softmax(student_i / T))

    The gradient of the divergence falls as 1 / T**2; the factor T**2 cancels that, so the usual blend
    `(1 - a) * cross_entropy + a * loss` can keep its `a` when T changes. No gradient reaches the teacher. With a second
    view of the examples as the teacher, at temperature 1, this is the one-sided consistency of VAT and UDA.

    Args:
      student_logits, teacher_logits: of the same shape. 16-bit logits are reduced in float32. A class that is
        impossible (-inf) for the teacher counts 0.
      temperature: T, above 0 and finite; 2 to 5 are usual.
      where: which rows count; the others change neither value nor gradient. If none counts, the result is 0.
      axis: the class axis of logits.

    Raises:
      ValueError: a concrete temperature that is not above 0 (a traced one gives NaN), or shapes that differ.

    >>> import jax.numpy as jnp
    >>> from jreg import targets
    >>> student, teacher = jnp.array([[1.0, 0.0]]), jnp.array([[3.0, 0.0]])
    >>> [f"{targets.distillation(student, teacher, t):.3f}" for t in (1.0, 100.0)]
    ['0.170', '0.500']

    Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015.
    """
    check = Checks("distillation")
    same_shape(check, "teacher_logits", teacher_logits, student_logits)
    student = logit_rows(check, "student_logits", student_logits, axis)
    teacher = lax.stop_gradient(logit_rows(check, "teacher_logits", teacher_logits, axis))
    heat = check.broadcastable("temperature", check.number("temperature", temperature, 0.0, ends="()"), ())
    heat, rows = heat.astype(student.dtype), counted(check, where, student.shape[:-1])
    log_student = log_probabilities(shielded(check.reads(student), rows) / heat)
    log_teacher = log_probabilities(shielded(teacher.astype(student.dtype), rows) / heat)
    return check.returns(heat**2 * mean(divergence(log_teacher, log_student), rows))
