"""The command: measure claims, store a record of each, and write the page and the forest plot from all records."""

import argparse
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

# Most programs here run for seconds, so they are compiled quickly. Their last digits depend on it.
FLAGS = "--xla_backend_optimization_level=1"
if version("jaxlib").startswith("0.10."):
    FLAGS += " --xla_cpu_use_fusion_emitters=false"


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    from . import data, ledger, page, records

    claims = ledger.claims()
    unknown = sorted(set(options.ids) - set(claims))
    if unknown:
        print(f"claims: no claim {', '.join(unknown)}; there are {', '.join(claims)}", file=sys.stderr)
        return 2
    records_folder = options.out / "records"
    for claim_id in [] if options.page else options.ids or claims:
        if options.missing and (records_folder / f"{claim_id}.json").exists():
            continue
        claim, start = claims[claim_id], time.perf_counter()
        cases = dict(list(claim.cases.items())[:1]) if options.quick else claim.cases
        try:
            found = {n: ledger.measure(claim, case, options.quick, options.lanes) for n, case in cases.items()}
        except data.MissingDataError as error:
            print(f"claims: {claim_id} is left out. {error}", file=sys.stderr)
            continue
        stored = records.record(claim_id, claim, found, time.perf_counter() - start)
        records.write(stored, records_folder)
        for name, case in stored["cases"].items():
            mean, half = case["effect"]["mean"], case["effect"]["half"]
            print(
                f"{claim_id:>3} {claim.title}, {name}: {mean:+.4f} ± {half:.4f}  ({stored['seconds']:.0f} s)",
                flush=True,
            )
    page.write(options.out, claims)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.claims", description=__doc__)
    parser.add_argument(
        "ids", nargs="*", metavar="ID", help="claims to measure, such as 8 or 37a; all if none is given"
    )
    parser.add_argument("--quick", action="store_true", help="the first case of each claim, with 2 seeds and 2 epochs")
    parser.add_argument("--missing", action="store_true", help="only claims that have no record yet")
    parser.add_argument("--page", action="store_true", help="measure nothing: write the page from the records")
    parser.add_argument("--lanes", type=Path, help="a folder that keeps finished lanes, to go on after a kill")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the records and the page")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    os.environ.setdefault("XLA_FLAGS", FLAGS)
    import jax

    # Two on every machine: how many lanes a device runs together may change their last digits.
    jax.config.update("jax_num_cpu_devices", 2)
    sys.exit(main())
