"""Strict settings for the whole suite, doctests included: set before the first use of a device."""

import os
import tempfile
import zlib
from collections import Counter
from importlib.metadata import version

os.environ.setdefault("MPLBACKEND", "agg")
# Most of the time goes into compiling programs that run once, so they are compiled in the quickest way and cached for
# both workers, their child processes and the next run. `XLA_FLAGS= make test` compiles as users do.
# XLA ends a process that sets a flag it does not know, so the last flag is for the releases that have it.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    + (" --xla_cpu_use_fusion_emitters=false" if version("jaxlib").startswith("0.10.") else ""),
)
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.join(tempfile.gettempdir(), f"jreg-tests-{os.getuid()}"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


collect_ignore_glob = ["diagnose/corpus/*"]  # Programs without doctests, which tests/diagnose/test_lint.py imports.


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sampled(n): of its cases `make test` runs one in n, `make test-all` every one.")
    config.addinivalue_line("markers", "thorough: `make test-all` alone runs it.")


SHARES = {4: 2, 10: 4}
"""Of a law with at least so many cases that says nothing else, one case in so many is run."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a fixed choice of the cases of each law; keep all of them if a test is asked for by name."""
    if "EVERY_CASE" in os.environ or any("::" in argument for argument in config.args):
        return
    laws = Counter(item.nodeid.partition("[")[0] for item in items)
    seen = Counter()
    kept, left_out = [], []
    for item in items:
        law, _, case = item.nodeid.partition("[")
        mark = item.get_closest_marker("sampled") if case else None
        one_in = mark.args[0] if mark else max((n for least, n in SHARES.items() if laws[law] >= least), default=1)
        place = seen[law] + zlib.crc32(law.encode())  # so that no case is left out of every law
        seen[law] += 1
        is_left_out = place % one_in or item.get_closest_marker("thorough")
        (left_out if is_left_out else kept).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Programs of a file that is done are not needed again; kept, they take gigabytes."""
    if nextitem is None or nextitem.path != item.path:
        jax.clear_caches()
