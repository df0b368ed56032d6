"""The tables of the study, as CSV files with a column "target". They are not part of this repository.

    mkdir -p tables && cd tables && apt-get download weka r-cran-mlbench
    for package in *.deb; do dpkg-deb -x $package unpacked; done; cd ..
    pip install rdata scikit-learn
    python -m examples.cocktail.fetch tables/unpacked tables

Three come with scikit-learn (BSD), the others with Debian's packages of weka (GPL) and of R's mlbench (GPL), which got
them from the UCI repository.
"""

import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

WEKA = Path("usr/share/doc/weka/examples")
MLBENCH = Path("usr/lib/R/site-library/mlbench/data")
SKLEARN = ("breast_cancer", "digits", "wine")
FROM_WEKA = {"breast-cancer": "Class", "credit-g": "class", "segment-challenge": "class"}
FROM_MLBENCH = {
    "BreastCancer": "Class",
    "DNA": "Class",
    "Glass": "Type",
    "HouseVotes84": "Class",
    "Ionosphere": "Class",
    "PimaIndiansDiabetes2": "diabetes",
    "Satellite": "classes",
    "Sonar": "Class",
    "Vehicle": "Class",
    "Vowel": "Class",
}


def from_sklearn(name: str) -> tuple[list[str], Iterable[list[Any]]]:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    header = [*map(str, bunch.feature_names), "target"]
    return header, ([*row, label] for row, label in zip(bunch.data.tolist(), bunch.target.tolist(), strict=True))


def from_weka(path: Path, target: str) -> tuple[list[str], Iterable[list[Any]]]:
    """ARFF: attributes by line, then rows as in a CSV file with single quotes, `?` where a value is missing."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    start = next(number for number, line in enumerate(lines) if line.lower() == "@data")
    attributes = [line for line in lines[:start] if line.lower().startswith("@attribute")]
    names = [
        next(csv.reader([line.split(None, 1)[1].replace("\t", " ")], delimiter=" ", quotechar="'"))[0]
        for line in attributes
    ]
    rows = [line for line in lines[start + 1 :] if line and not line.startswith("%")]
    return renamed(names, target), csv.reader(rows, quotechar="'", skipinitialspace=True)


def from_mlbench(path: Path, target: str) -> tuple[list[str], Iterable[list[Any]]]:
    import rdata  # pyright: ignore[reportMissingImports]

    frame = next(iter(rdata.read_rda(path).values())).drop(columns="Id", errors="ignore")
    values = frame.astype(object).where(frame.notna(), "")
    return renamed([str(name) for name in frame.columns], target), values.to_numpy().tolist()


def renamed(names: list[str], target: str) -> list[str]:
    return ["target" if name == target else name for name in names]


def main(unpacked: str, out: str) -> int:
    tables = {name: from_sklearn(name) for name in SKLEARN}
    tables |= {name: from_weka(Path(unpacked) / WEKA / f"{name}.arff", at) for name, at in FROM_WEKA.items()}
    tables |= {name: from_mlbench(Path(unpacked) / MLBENCH / f"{name}.rda", at) for name, at in FROM_MLBENCH.items()}
    for name, (header, rows) in tables.items():
        with (Path(out) / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    print(f"Wrote {len(tables)} tables to {out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
