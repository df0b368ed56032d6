"""The command: run the missing cells, draw, and write the page."""

import argparse
import os
import platform
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from rich.console import Console

import jreg

from . import record as records
from .cells import Grid, num_cells
from .figures import draw_all
from .model import Shape, init_params
from .page import write_page
from .study import Plan, num_tokens, run_missing
from .text import Text, from_file, standard_library
from .training import Budget, sum_of_rates

QUICK = Plan(
    Grid(
        passes=(4,), decay=(0.1, 1.0), dropout=(0.1,), depth=(0.1,), ema=(0.9,),
        num_seeds=2, ensemble_passes=(4,), members=(1, 2),
    ),
    Budget(tokens=1024, rows_per_step=8, checks=2),
    Shape(d=8, layers=1, context=16),
    num_valid=512,
    num_test=512,
)  # fmt: skip
QUICK_MODULES = 40


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    console = Console() if Console().is_terminal else Console(width=110)
    record = records.read(options.out) if options.page else completed(options, console)
    draw_all(record, options.out)
    console.print(f"Wrote {write_page(record, options.out)} and the figures beside it.")
    return 0


def completed(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The record with every cell, of which those that it lacked are run and written one by one."""
    text = (
        standard_library(QUICK_MODULES if options.quick else None) if options.text is None else from_file(options.text)
    )
    plan = planned(options, text)
    record = records.opened(options.out, asked(plan, text))
    record |= {"versions": versions(), "spent": spent(plan), "command": command_of(options)}
    for name, cell in run_missing(plan, text, record["cells"]):
        record["cells"][name] = cell
        records.write(options.out, record)
        count = f"{len(record['cells'])} of {num_cells(plan.grid)}"
        console.print(f"{count}: {name}, {cell['seconds']:.0f} s", highlight=False)
    return record


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.limited_data", description="text seen many times")
    parser.add_argument(
        "--out", type=Path, default=Path("results/limited_data"), help="folder of record, page, figures"
    )
    parser.add_argument("--text", type=Path, help="a text in UTF-8, in place of the standard library's docstrings")
    parser.add_argument("--quick", action="store_true", help="one number of passes, tiny networks: does it work?")
    parser.add_argument("--page", action="store_true", help="run nothing: draw and describe the cells that are there")
    for name, help_ in (
        ("d", "features of the network"),
        ("layers", "its blocks"),
        ("context", "bytes that it sees"),
        ("tokens", "bytes that every run spends"),
    ):
        parser.add_argument(f"--{name}", type=int, help=help_)
    options = parser.parse_args(arguments)
    if options.d is not None and options.d % Shape().heads:
        parser.error(f"argument --d: must be a multiple of the {Shape().heads} heads; got {options.d}")
    return options


def planned(options: argparse.Namespace, text: Text) -> Plan:
    plan = QUICK if options.quick else Plan()
    given = {name: getattr(options, name) for name in ("d", "layers", "context") if getattr(options, name) is not None}
    budget = plan.budget if options.tokens is None else plan.budget._replace(tokens=options.tokens)
    shape = plan.shape._replace(vocabulary=len(text.alphabet), **given)
    return plan._replace(budget=budget, shape=shape)


def asked(plan: Plan, text: Text) -> dict[str, Any]:
    """What a record must agree in to go on."""
    return {
        "text": text.source,
        **{name: value._asdict() if hasattr(value, "_asdict") else value for name, value in plan._asdict().items()},
    }


def spent(plan: Plan) -> dict[str, Any]:
    """What each run costs, and what its decay is multiplied by."""
    params = jax.eval_shape(lambda: init_params(jax.random.key(0), plan.shape))
    return {
        "tokens": num_tokens(plan),
        "steps": plan.budget.steps(plan.shape),
        "params": sum(leaf.size for leaf in jax.tree.leaves(params)),
        "sum_of_rates": sum_of_rates(plan.budget, plan.shape),
    }


def versions() -> dict[str, str]:
    return {
        "jreg": jreg.__version__, "jax": jax.__version__, "optax": optax.__version__, "numpy": np.__version__,
        "python": platform.python_version(), "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "device": jax.devices()[0].device_kind,
    }  # fmt: skip


def command_of(options: argparse.Namespace) -> str:
    given = {
        name: value
        for name, value in vars(options).items()
        if name not in ("out", "quick", "page") and value is not None
    }
    flags = [f"--{name} {value.name if isinstance(value, Path) else value}" for name, value in given.items()]
    return " ".join(["python -m examples.limited_data", *["--quick"] * options.quick, *flags])


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    sys.exit(main())
