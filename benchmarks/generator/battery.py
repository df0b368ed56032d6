"""Run dieharder (a Debian package) on a stream, and read what it found.

Its verdicts are of each p-value on its own: WEAK outside [0.005, 0.995], FAILED outside [0.000001, 0.999999]. About one
statistic in a hundred of a perfect generator is WEAK. So each WEAK or FAILED test is run again on another key's stream,
with more samples until it is decided either way: a flaw stays, chance does not.
"""

import fcntl
import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .streams import ORDERS, mask_bits

_READ_RAW_INPUT = ("dieharder", "-g", "200")
_ROW = re.compile(r"^ *(\w+)\| *(\d+)\| *(\d+)\| *(\d+)\|([\d.]+)\| *(PASSED|WEAK|FAILED)", re.MULTILINE)
_READ = re.compile(r"^# bytes read: (\d+)", re.MULTILINE)
_SECONDS = re.compile(r"^# seconds: (\d+).*", re.MULTILINE)
_CONFIRMING_KEY = 2**31
_PIPE_BYTES = 2**20

# The tests of single bits and of bits in sequence, which packed decisions can fail.
SHORT_TESTS = (0, 2, 3, 4, 8, 9, 15, 16, 100, 101, 102, 200, 205, 206, 209)

_NUMBERS = {
    "diehard_birthdays": 0, "diehard_operm5": 1, "diehard_rank_32x32": 2, "diehard_rank_6x8": 3, "diehard_bitstream": 4,
    "diehard_opso": 5, "diehard_oqso": 6, "diehard_dna": 7, "diehard_count_1s_str": 8, "diehard_count_1s_byt": 9,
    "diehard_parking_lot": 10, "diehard_2dsphere": 11, "diehard_3dsphere": 12, "diehard_squeeze": 13,
    "diehard_sums": 14, "diehard_runs": 15, "diehard_craps": 16, "marsaglia_tsang_gcd": 17, "sts_monobit": 100,
    "sts_runs": 101, "sts_serial": 102, "rgb_bitdist": 200, "rgb_minimum_distance": 201, "rgb_permutations": 202,
    "rgb_kstest_test": 204, "dab_bytedistrib": 205, "dab_dct": 206, "dab_filltree": 207, "dab_filltree2": 208,
    "dab_monobit2": 209, "rgb_lagged_sum": 203,
}  # fmt: skip
"""In the order in which they run. The lagged sums come last: they read 0.4 GB for each lag and each word between."""


# What `-a` runs for the tests that take a width: the widths, in its order.
_WIDTHS = {200: range(1, 13), 201: range(2, 6), 202: range(2, 6), 203: range(33)}


class Statistic(NamedTuple):
    test: str
    ntuple: int
    samples: int
    p_value: float
    assessment: str
    num_bytes: int
    """How much of the stream the test read, to the 1 MiB that its pipe holds."""


class Outcome(NamedTuple):
    stream: str
    statistics: list[Statistic]
    confirmations: list[Statistic]
    num_bytes: int
    seconds: int
    is_complete: bool


def run_battery(directory: Path, stream: str, limit: float, only: tuple[int, ...] = ()) -> None:
    """Write what dieharder says of one stream, such as "counter" or "counter-mask", to `directory`/`stream`.txt."""
    is_short = stream.endswith("-mask") or stream in ("children", "control")
    tests = only or (SHORT_TESTS if is_short else ())
    commands = [command for number in tests or _NUMBERS.values() for command in _commands(number)]
    deadline = time.monotonic() + limit
    directory.mkdir(parents=True, exist_ok=True)
    output, again = directory / f"{stream}.txt", directory / f"{stream}-again.txt"
    again.unlink(missing_ok=True)
    _feed(words_of(stream), commands, output, deadline)
    suspects = sorted({_selection(found) for found in read(output).statistics if found.assessment != "PASSED"})
    if suspects:
        resolving = [(*selection, "-Y", "1") for selection in suspects]
        _feed(words_of(stream, _CONFIRMING_KEY), resolving, again, deadline + limit)


def words_of(stream: str, key: int = 1) -> Iterator[np.ndarray]:
    order, _, form = stream.partition("-")
    words = ORDERS[order](key=key)
    return mask_bits(words) if form == "mask" else words


def read(output: Path) -> Outcome:
    """Parse a finished output, and that of the tests run again beside it."""
    text = output.read_text()
    again = output.with_name(f"{output.stem}-again.txt")
    ending = _SECONDS.search(text)
    seconds = int(ending.group(1)) if ending else 0
    is_complete = ending is not None and "stopped" not in ending.group(0)
    num_bytes = sum(map(int, _READ.findall(text)))
    confirmations = _rows(again.read_text()) if again.exists() else []
    return Outcome(output.stem, _rows(text), confirmations, num_bytes, seconds, is_complete)


def version() -> str:
    shown = subprocess.run(["dieharder", "-l"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version ([\d.]+)", shown)
    return found.group(1) if found else "unknown"


def _commands(number: int) -> list[tuple[str, ...]]:
    """One dieharder for each test, so that what each reads can be counted."""
    widths = _WIDTHS.get(number)
    return [("-d", str(number), "-n", str(width)) for width in widths] if widths else [("-d", str(number))]


def _rows(text: str) -> list[Statistic]:
    """The statistics of each process, which end with the number of bytes that it read."""
    *parts, _ = _READ.split(text)
    return [
        Statistic(test, int(ntuple), int(samples), float(p), said, int(num_bytes))
        for part, num_bytes in zip(parts[::2], parts[1::2], strict=True)
        for test, ntuple, _, samples, p, said in _ROW.findall(part)
    ]


def _feed(words: Iterator[np.ndarray], commands: Sequence[tuple[str, ...]], output: Path, deadline: float) -> None:
    """Run one dieharder after another on the same stream, which each reads on from where the last one stopped."""
    started = time.monotonic()
    with output.open("w") as file:
        for command in commands:
            if time.monotonic() > deadline:
                break
            arguments = [*_READ_RAW_INPUT, *command]
            with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=file) as process:
                num_bytes = _pump(words, process, deadline)
            file.seek(0, os.SEEK_END)
            file.write(f"# bytes read: {num_bytes}\n")
            file.flush()
        stopped = " (stopped at the limit)" if time.monotonic() > deadline else ""
        file.write(f"# seconds: {time.monotonic() - started:.0f}{stopped}\n")


def _pump(words: Iterator[np.ndarray], process: Any, deadline: float) -> int:
    """Feed a process until it has read all it needs, and count the bytes."""
    pipe, num_bytes = process.stdin.fileno(), 0
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    try:
        for block in words:
            if time.monotonic() > deadline:
                process.terminate()
                break
            for rest in _written(pipe, block.data.cast("B")):
                num_bytes += rest
    except BrokenPipeError:
        pass  # dieharder has read all it needs
    return num_bytes


def _written(pipe: int, data: memoryview) -> Iterator[int]:
    """Write everything, and yield how much went at each call."""
    while data:
        count = os.write(pipe, data)
        yield count
        data = data[count:]


def _selection(found: Statistic) -> tuple[str, ...]:
    """The options that run one test again."""
    number = str(_NUMBERS[found.test])
    return ("-d", number, "-n", str(found.ntuple)) if found.test.startswith("rgb_") else ("-d", number)
