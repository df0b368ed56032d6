"""What regularization costs on this machine, beside every peer that is installed.

python -m benchmarks [--suite S ...] [--quick] [--json FILE] [--peers P ...] [--device cpu|gpu|tpu]
python -m benchmarks report RESULTS... [--out FOLDER] [--readme FILE]
python -m benchmarks compare OLD NEW
"""

import os
import sys

COMMANDS = ("run", "report", "compare")


def main(arguments: list[str]) -> int:
    command, *rest = arguments if arguments and arguments[0] in COMMANDS else ["run", *arguments]
    if command == "report":
        from .report import main as report

        return report(rest)
    if command == "compare":
        from .compare import main as compare

        return compare(rest)
    from .run import main as run

    return run(rest)


if __name__ == "__main__":
    import jax

    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    sys.exit(main(sys.argv[1:]))
