"""Columns of text from a file: .csv, .tsv, either of them gzipped, .parquet; any separator, any usual encoding."""

import csv
import gzip
import io
import zlib
from pathlib import Path
from typing import NamedTuple

SEPARATORS = ",;\t|"
ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
SHOWN = 5


class DataError(ValueError):
    """What is wrong with the user's file: a line, or a line for each problem."""


class Columns(NamedTuple):
    """Cells by the name of their column, the number of each row in its file, and what was assumed on the way."""

    cells: dict[str, list[str]]
    numbers: list[int]
    notes: list[str]


def refuse(path: str, problems: list[str]) -> None:
    """Raise all problems in one message."""
    if len(problems) == 1:
        raise DataError(f"{path}{problems[0]}")
    if problems:
        raise DataError("\n  ".join([f"{path}: {len(problems)} problems", *(line.lstrip(":, ") for line in problems)]))


def read(path: str) -> Columns:
    """The columns of a table; a file that is none is refused with all its problems."""
    if path.endswith(".parquet"):
        return _read_parquet(path)
    text, notes = _text(path)
    separator = "\t" if ".tsv" in Path(path).name else _separator(text)
    if separator not in ",\t":
        notes.append(f"the separator is {separator!r}")
    try:
        rows = [
            (number, row) for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=separator), 1) if row
        ]
    except csv.Error as error:
        raise DataError(f"{path}: is no table ({error})") from error
    if len(rows) < 2:
        raise DataError(f"{path}: must have a line of column names and rows below it; it has {len(rows)} lines")
    header, rows = [name.strip() for name in rows[0][1]], rows[1:]
    twice = sorted({name for name in header if header.count(name) > 1})
    problems = [f": two columns are called {name!r}" for name in twice]
    ragged = [(number, len(row)) for number, row in rows if len(row) != len(header)]
    problems += [f", row {number}: has {count} values for {len(header)} columns" for number, count in ragged[:SHOWN]]
    if len(ragged) > SHOWN:
        problems.append(f": so have {len(ragged) - SHOWN} rows more")
    refuse(path, problems)
    cells = {name: [row[place].strip() for _, row in rows] for place, name in enumerate(header)}
    return Columns(cells, [number for number, _ in rows], notes)


def _text(path: str) -> tuple[str, list[str]]:
    try:
        raw = Path(path).read_bytes()
        raw = gzip.decompress(raw) if path.endswith(".gz") else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text, notes = raw.decode(encoding), []
    except UnicodeDecodeError:
        text, notes = raw.decode("cp1252", errors="replace"), ["the file is no UTF-8 and was read as Windows-1252"]
    if "\0" in text:
        raise DataError(f"{path}: is no text")
    return text, notes


def _separator(text: str) -> str:
    """The one that cuts the first lines into the most columns, as many in each."""
    lines = text.splitlines()[:20]

    def columns(separator: str) -> tuple[bool, int]:
        counts = {len(row) for row in csv.reader(lines, delimiter=separator) if row}
        return len(counts) == 1 and counts != {1}, max(counts, default=0)

    return max(SEPARATORS, key=columns)


def _read_parquet(path: str) -> Columns:
    try:
        import pandas  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise DataError(f"{path}: a .parquet file needs pandas and pyarrow: pip install pandas pyarrow") from error
    try:
        frame = pandas.read_parquet(path)
    except Exception as error:
        raise DataError(f"{path}: is no .parquet file ({error})") from error
    cells = {
        str(name): [
            "" if missing else str(value) for value, missing in zip(frame[name], frame[name].isna(), strict=True)
        ]
        for name in frame.columns
    }
    return Columns(cells, list(range(1, len(frame) + 1)), [])
