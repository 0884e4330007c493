"""Look at every page in a browser: `python -m docs.check_in_browser [FOLDER]`, by default docs/_build.

Needs a Chromium (`CHROMIUM` names it, where it is not on the path). Every page is laid out at the widths of a phone
and of a desk, light and dark, with its menus open. A page that is wider than its window, an image that does not load,
or a part that reaches beyond the edge outside a box that scrolls is a fault, and the command ends with 1.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

__all__ = ["check"]

DOCS = Path(__file__).resolve().parent
WIDTHS = (390, 1280)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_PATIENCE = 500  # seconds

#: Opens one page after the other in a frame of each width, and sends back what it finds.
_PROBE = """<!DOCTYPE html><title>probe</title><body><script>
const pages = %s, widths = %s, found = [];
async function look(page, width) {
  const frame = document.createElement("iframe");
  frame.style = `width:${width}px;height:800px;border:0`;
  const loaded = new Promise(done => { frame.onload = done; });
  frame.src = page;
  document.body.append(frame);
  await loaded;
  const inner = frame.contentWindow, root = inner.document.documentElement;
  for (const box of inner.document.querySelectorAll("details")) box.open = true;
  const images = [...inner.document.images].filter(image => image.complete && image.naturalWidth === 0).length;
  const outside = [...inner.document.querySelectorAll("main *")].filter(part => {
    const box = part.getBoundingClientRect();
    return box.width && box.right > inner.innerWidth + 1 && !part.closest("pre, .scroll");
  }).map(part => part.tagName + ": " + part.textContent.slice(0, 40)).slice(0, 3);
  found.push({page, width, window: inner.innerWidth, content: root.scrollWidth, images, outside});
  frame.remove();
}
(async () => {
  for (const page of pages) for (const width of widths) await look(page, width);
  await fetch("/found", {method: "POST", body: JSON.stringify(found)});
})();
</script>"""


def check(folder: Path, *, dark: bool = False) -> tuple[int, list[str]]:
    """Number of layouts that were looked at, and the faults in words.

    Raises
    ------
    FileNotFoundError
        Without pages or without a browser.
    RuntimeError
        When the browser gives no answer.
    """
    pages = sorted(path.name for path in folder.glob("*.html"))
    if not pages:
        raise FileNotFoundError(f"{folder} has no pages: run `make docs` first")
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise FileNotFoundError(f"no browser: none of {', '.join(_BROWSERS)} is on the path; set CHROMIUM")
    found = _answers(folder, pages, browser, dark)
    faults = []
    for one in found:
        where = f"{one['page']} at {one['width']} px{', dark' if dark else ''}"
        if one["content"] > one["window"]:
            faults.append(f"{where}: {one['content']} px wide")
        if one["images"]:
            faults.append(f"{where}: {one['images']} images do not load")
        faults += [f"{where}: beyond the edge, {part}" for part in one["outside"]]
    return len(found), faults


def _answers(folder: Path, pages: list[str], browser: str, dark: bool) -> list[dict]:
    """What the probe found; pages come from a server that this machine alone sees, for as long as it takes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch, _Server(folder, pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={scratch}"]
        command += ["--blink-settings=preferredColorScheme=0"] if dark else []
        # with a debugging port it stays until it is ended
        command += ["--remote-debugging-port=0", f"http://127.0.0.1:{server.server_address[1]}/probe"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            answered = server.answered.wait(_PATIENCE)
        finally:
            process.terminate()
            process.wait()
            server.shutdown()
    if not answered:
        raise RuntimeError(f"{browser} gave no answer in {_PATIENCE} seconds")
    return server.found


class _Server(http.server.ThreadingHTTPServer):
    """The pages, the probe, and what the probe sends back."""

    def __init__(self, folder: Path, pages: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
        self.probe = (_PROBE % (json.dumps(pages), json.dumps(WIDTHS))).encode()
        self.found: list[dict] = []
        self.answered = threading.Event()


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path != "/probe":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.server.probe)

    def do_POST(self) -> None:
        self.server.found = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.answered.set()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "_build"
    count, faults = 0, []
    for dark in (False, True):
        looked_at, wrong = check(folder, dark=dark)
        count, faults = count + looked_at, faults + wrong
    print("\n".join([*faults, f"{count} layouts, {len(faults)} faults"]))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
