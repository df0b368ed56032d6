"""Write the pages that are made of other things: the reference, the names of other libraries, and the records."""

import ast
import json
import os
import re
from pathlib import Path

from . import records, reference
from .docstrings import parsed
from .reference import PEERS, heading, table

ROOT = Path(__file__).parents[1]
ADOPTED = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "evidence/claims.md": "examples/claims/README.md",
    "evidence/faults.md": "benchmarks/results/faults.md",
    "evidence/generator.md": "benchmarks/results/generator.md",
    "evidence/memory.md": "benchmarks/results/memory.md",
    "evidence/reasons.md": "benchmarks/results/reasons.md",
    "evidence/speed.md": "benchmarks/results/report.md",
}
"""By the page, the file of the repository that is its text."""
NO_CLAIMS = """# Which regularizer when

The ledger of claims, `examples/claims`, has no verdicts yet. Until it does, [the study of the README](../start.md) and
`make demo` say what closes the gap on one set of data, with intervals.
"""


def write(source: Path) -> None:
    """Write all generated pages under `source`; a page that is as it was keeps its time, so Sphinx skips it."""
    for name, text in generated().items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def generated() -> dict[str, str]:
    """The text of every generated page and table, by its path under docs/."""
    return {
        **{f"api/{name}": text for name, text in reference.pages().items()},
        **{f"names/{peer}.rst": names(peer) for peer in PEERS},
        **{page: adopted(page, ROOT / file) for page, file in ADOPTED.items()},
        "evidence/modes.rst": modes(),
        "evidence/diagnosis.rst": diagnosis(),
        "examples.rst": examples(),
    }


def names(peer: str) -> str:
    """The table of one library's names, beside ours."""
    rows = [
        (f"``{entry[peer]}``", linked(name), reference.inline(entry.get("differs", "")))
        for name, entry in reference.peers().items()
        if peer in entry
    ]
    return table((PEERS[peer], "jreg", "note"), rows) + "\n" if rows else ""


def adopted(page: str, file: Path) -> str:
    """A Markdown file of the repository as a page, with links to pages and pictures, and the paths of other files."""
    if not file.exists():
        return NO_CLAIMS
    here = (ROOT / "docs" / page).parent
    pages = {ROOT / source: ROOT / "docs" / target for target, source in ADOPTED.items()}

    def moved(match: re.Match[str]) -> str:
        mark, text, link = match.groups()
        target = (file.parent / link.split("#")[0]).resolve()
        if "://" in link or link.startswith("#"):
            return match[0]
        if mark:
            return f"![{text}]({os.path.relpath(target, here)})"
        return f"[{text}]({os.path.relpath(pages[target], here)})" if target in pages else f"{text} (`{link}`)"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", moved, file.read_text())


def modes() -> str:
    """The page of the modes of JAX: which function the tests run in which."""
    from tests.calls import CALLS, HOST
    from tests.test_modes import MODES

    reasons = {(call.name.split(",")[0], mode): reason for call in CALLS for mode, reason in call.without.items()}
    rows = []
    for name, ran in records.modes(reference.symbols()).items():
        missing = [f"{mode} ({reasons.get((name, mode), 'takes no key')})" for mode in MODES if mode not in ran]
        if ran:
            rows.append((linked(name), f"{len(ran)}/{len(MODES)}", reference.inline("; ".join(missing))))
    count = sum(line.startswith("tests/test_modes.py") and "[" in line for line in records.collected())
    return "\n\n".join(
        [
            heading("Modes of JAX", "="),
            "Every public function is run in every mode that JAX can be in, and gives the same result there: "
            f"{', '.join(MODES)}. That makes {count} cases; ``make test`` runs a fixed choice of them and "
            "``make test-all`` runs every one. What a function cannot have is listed with the reason.",
            table(("function", "modes", "not"), rows),
            "No program can trace these:",
            table(("function", "why"), [(linked(name), reason) for name, reason in HOST.items()]),
            "",
        ]
    )


def linked(name: str) -> str:
    return f":py:obj:`{name} <jreg.{name}>`"


def diagnosis() -> str:
    """The page of `diagnose.curves`: how often it named the state of constructed runs, from the record."""
    trials = json.loads((ROOT / "benchmarks" / "results" / "diagnosis.json").read_text())["trials"]
    parts = [
        heading("What curves tell", "="),
        f"{linked('diagnose.curves')} is given runs that were constructed to be in a known state, by "
        "``python -m benchmarks.diagnosis``. A false alarm is a run that does not over-fit and is said to. Precision "
        "is the share of the alarms that are right; recall is the share of the runs of a kind that are named.",
    ]
    for name, trial in trials.items():
        shares = f"{trial['lanes']} runs: false alarms {trial['false_alarms']:.1%}, precision {trial['precision']:.1%}"
        rows = [
            (kind, f"{trial['recall'][kind]:.1%}", ", ".join(f"{state} {count}" for state, count in named.items()))
            for kind, named in trial["named"].items()
        ]
        parts += [heading(name.capitalize(), "-"), shares, table(("constructed to be", "recall", "named"), rows)]
    return "\n\n".join(parts) + "\n"


def examples() -> str:
    """The page of the examples: what each says of itself, and its picture."""
    parts = [
        heading("Examples", "="),
        "Each is a template that runs as it stands, on data that ship with scikit-learn, and most write a record and a "
        "picture. ``--quick`` runs one in seconds.",
    ]
    for path in sorted((ROOT / "examples").iterdir()):
        module = path / "__init__.py" if path.is_dir() else path
        if module.suffix != ".py" or not module.exists() or path.stem == "__init__":
            continue
        text = ast.get_docstring(ast.parse(module.read_text()), clean=False) or ""
        doc = parsed(text)
        commands = doc.body.replace(".. code-block:: text\n   :class: formula", ".. code-block:: sh")
        parts += [heading(path.stem, "-"), reference.inline(doc.summary), commands]
        parts += [f".. image:: ../{picture.relative_to(ROOT)}\n   :alt: {doc.summary}" for picture in pictures(path)]
    return "\n\n".join(parts) + "\n"


def pictures(path: Path) -> list[Path]:
    """What an example has drawn: the pictures in its folder, or those whose names begin with its own."""
    return sorted(path.rglob("*.png") if path.is_dir() else path.parent.glob(f"{path.stem}*.png"))
