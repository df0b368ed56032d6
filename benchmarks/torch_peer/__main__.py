"""Answer with the compile times of what can run, then with the seconds of each case that a line of the input names."""

# PyTorch is no dependency.
# pyright: reportMissingImports=false

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from . import cases, models
from .cases import Call

TASKS = {**cases.TASKS, **models.TASKS}


def main(order: dict[str, Any]) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(order["threads"])
    # What XLA does by default on a GPU.
    torch.set_float32_matmul_precision("high")
    torch.set_default_device(order["device"])
    calls: dict[str, Call] = {}
    compile_s: dict[str, float | None] = {}
    for way in order["ways"]:
        call = TASKS[order["task"]](torch.compile if way == "compiled" else unchanged, **order["settings"])
        try:
            first = seconds_of(call)
        except Exception as error:
            # Inductor raises many kinds where the machine has no compiler for it.
            print(f"torch {way}: {error}", file=sys.stderr)
            continue
        calls[way], compile_s[way] = call, first if way == "compiled" else None
    print(json.dumps(compile_s), flush=True)
    for line in sys.stdin:
        print(seconds_of(calls[line.strip()]), flush=True)


def unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def seconds_of(call: Call) -> float:
    start = time.perf_counter()
    result = call()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    del result
    return seconds


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
