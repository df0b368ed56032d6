"""`python -m tests.diagnose.corpus [NAME ...]` prints what lint finds, its precision and its recall."""

import sys
import time

from tests.diagnose import corpus


def main(wanted: list[str]) -> None:
    start = time.perf_counter()
    right = wrong = hits = alarms = 0
    by_code: dict[str, list[str]] = {}
    for kind, name, code, found in corpus.rows():
        if wanted and name not in wanted:
            continue
        others = [each for each in found if each.code != code]
        is_hit = any(each.code == code for each in found)
        right, wrong = right + (kind == "right"), wrong + (kind == "wrong")
        hits, alarms = hits + is_hit, alarms + len(others)
        if code:
            by_code.setdefault(code, []).append(name if is_hit else f"{name} (not found)")
        for each in others:
            print(f"FALSE ALARM in {kind}/{name}: {each}")
        if wanted:
            print(*found, sep="\n")
    for code, programs in sorted(by_code.items()):
        print(f"{code:30} {', '.join(programs)}")
    print(f"{right} right programs, {wrong} wrong ones, {time.perf_counter() - start:.0f} s")
    print(f"precision {hits / max(hits + alarms, 1):.3f} ({alarms} false alarms), recall {hits / max(wrong, 1):.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
