"""What a figure was measured on: the machine, the versions, the commit, and the machine's own ceilings."""

import importlib.metadata
import os
import platform
import subprocess
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp

from .measure import prepare, sample

PACKAGES = ("jax", "jaxlib", "flax", "optax", "equinox", "dm-haiku", "dm-pix", "augmax", "keras", "torch", "numpy")
SETTINGS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "GLIBC_TUNABLES")
"""Variables of the environment that a figure may depend on."""
SMALL_MEMORY, LARGE_MEMORY = 2**33, 2**35


def machine() -> dict[str, object]:
    devices = jax.devices()
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "backend": devices[0].platform,
        "devices": [device.device_kind for device in devices],
        "python": platform.python_version(),
        "environment": {name: os.environ[name] for name in SETTINGS if os.environ.get(name)},
        "versions": versions(),
        "commit": commit(),
    }


def label(found: dict) -> str:
    """The machine and its settings in a few words, for a column or a legend."""
    name = found["processor"] if found["backend"] == "cpu" else found["devices"][0]
    count = found["cores"] if found["backend"] == "cpu" else len(found["devices"])
    unit = "core" if found["backend"] == "cpu" else "device"
    return ", ".join([name, f"{count} {unit}{'s' if count != 1 else ''}", *found["environment"].values()])


def versions() -> dict[str, str]:
    """Versions of the packages that a figure may depend on, where installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The commit of the code that ran, with a plus where the tree differs from it; None outside a repository."""
    root = Path(__file__).parent
    outputs = []
    for command in (["git", "rev-parse", "--short", "HEAD"], ["git", "status", "--porcelain"]):
        try:
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        if done.returncode:
            return None
        outputs.append(done.stdout.strip())
    return outputs[0] + ("+" if outputs[1] else "")


def processor() -> str:
    """The processor's name where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def device_memory() -> int:
    """Bytes that the device can hold: what it says, or the host's memory for a CPU."""
    stats = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return int(stats["bytes_limit"])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def megabytes() -> int:
    """The size of the big arrays: beyond every cache, and well within the memory."""
    memory = device_memory()
    if memory < SMALL_MEMORY:
        return 16
    return 64 if jax.default_backend() == "cpu" or memory < LARGE_MEMORY else 256


def ceilings(size: int, rounds: int) -> dict[str, float]:
    """The most that this machine does: bytes copied per second, and float32 operations of a matrix product."""
    x = jax.random.normal(jax.random.key(0), (size * 256, 1024))
    side = 256 if size < 16 else 2048 if jax.default_backend() == "cpu" else 8192
    a = jax.random.normal(jax.random.key(1), (side, side))
    cases = {"copy": partial(jax.jit(lambda x: x * 1.1), x), "product": partial(jax.jit(jnp.matmul), a, a)}
    seconds = sample(prepare(cases), rounds)
    return {
        "bytes_per_second": 2 * x.nbytes / min(seconds["copy"]),
        "flops_per_second": 2 * side**3 / min(seconds["product"]),
    }
