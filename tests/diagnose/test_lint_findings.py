"""What a finding says, and where."""

import jax
import jax.numpy as jnp

from jreg import diagnose, noise


def test_a_finding_reads_like_a_line_of_a_compiler():
    found = diagnose.Finding("some-code", "Something is wrong.", "script.py", 3, "Do this.")
    assert str(found) == "script.py:3: some-code: Something is wrong. Do this."
    assert str(found._replace(file="")) == "some-code: Something is wrong. Do this."


def test_each_code_is_found_once_per_line_and_in_the_order_of_the_lines():
    def fn(key, x):
        x = noise.dropout(jax.random.key(1), x, 0.9)
        for _ in range(3):
            x = noise.dropout(jax.random.key(0), x, 0.5) @ jnp.ones((4, 4))
        return x

    found = diagnose.lint(fn, jax.random.key(0), jnp.ones((16, 4)))
    first = fn.__code__.co_firstlineno
    assert [(finding.code, finding.line - first) for finding in found] == [
        ("key-constant", 1),
        ("rate-high", 1),
        ("key-constant", 3),
    ]
    assert "`dropout`" in found[0].message
    assert "`fn`" in found[0].message
    assert "drops 90% of its input" in found[1].message
