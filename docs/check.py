"""Open every page of the built site in headless Chromium, follow every internal link, and report what is wrong.

    python -m docs.check docs/_build/html [--chromium /usr/bin/chromium]

The site is served from this machine. Wrong are: a page or a file that is not there, an anchor that no element has, an
error on the console, an exception of a script, and a request to another machine, since the site is to work offline.
"""

# pyright: reportMissingImports=false

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urldefrag

LINKS = "Array.from(document.querySelectorAll('a[href]'), a => a.href)"
ANCHORS = "Array.from(document.querySelectorAll('[id], a[name]'), e => e.id || e.name)"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of requests that succeed; the browser tells which do not."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which the folder is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def crawl(page: Any, root: str) -> tuple[int, list[str]]:
    """How many pages there are, and what is wrong with them."""
    wrong: list[str] = []
    anchors: dict[str, set[str]] = {}
    wanted: dict[tuple[str, str], str] = {}
    page.on("console", lambda message: wrong.append(f"{page.url}: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on("request", lambda request: None if is_ours(request.url, root) else wrong.append(f"fetched {request.url}"))
    waiting, seen = [root + "index.html"], {root + "index.html"}
    while waiting:
        address = waiting.pop()
        if not address.endswith((".html", "/")):
            if not page.request.get(address).ok:
                wrong.append(f"{address}: not there, wanted by {wanted.get((address, ''))}")
            continue
        response = page.goto(address, wait_until="load")
        if not response or not response.ok:
            wrong.append(f"{address}: status {response and response.status}, wanted by {wanted.get((address, ''))}")
            continue
        anchors[address] = set(page.evaluate(ANCHORS))
        for link in page.evaluate(LINKS):
            target, anchor = urldefrag(link)
            if not target.startswith(root):
                continue
            wanted.setdefault((target, ""), address)
            wanted.setdefault((target, anchor), address)
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    for (target, anchor), source in wanted.items():
        if anchor and target in anchors and anchor not in anchors[target]:
            wrong.append(f"{source}: no #{anchor} in {target}")
    return len(anchors), [each.replace(root, "") for each in dict.fromkeys(wrong)]


def is_ours(address: str, root: str) -> bool:
    return address.startswith((root, "data:", "blob:"))


def main(arguments: list[str] | None = None) -> int:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(prog="python -m docs.check", description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--chromium", help="its path; playwright's own by default")
    options = parser.parse_args(arguments)
    with served(options.site) as root, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        num_pages, wrong = crawl(browser.new_page(), root)
        browser.close()
    print(*wrong, f"{num_pages} pages, {len(wrong)} faults", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
