"""Where the tests find Chromium, and how it is installed: `python -m tests.browser`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Sandboxing needs rights that containers lack; the rest keeps it from calling anybody.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
)
HOW_TO_MEND = (
    "Chromium is missing. As root on Debian: apt-get install chromium fonts-wqy-microhei; "
    "elsewhere: .venv/bin/python -m playwright install chromium"
)


def chromium() -> str | None:
    """Return the system's Chromium, or None to use Playwright's own."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def playwrights_own() -> Path | None:
    """Return Playwright's Chromium when it is installed."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # slow to import

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.exists() else None


@contextmanager
def launched() -> Iterator["Browser"]:
    """Run a headless Chromium within the block.

    Raises
    ------
    AssertionError
        If there is none; the message says how to install it.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    found = chromium() or playwrights_own()
    assert found is not None, HOW_TO_MEND
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def has_chinese_font() -> bool:
    """Tell whether pages can show Chinese."""
    if not shutil.which("fc-list"):
        return False
    listed = subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=False)
    return bool(listed.stdout.strip())


def install() -> None:
    """Install a Chromium when there is none; say what to do when that fails."""
    if (chromium() or playwrights_own()) and has_chinese_font():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium and a Chinese font ...", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        steps: Sequence[Sequence[str]] = (
            ("apt-get", "-qq", "update"),
            ("apt-get", "-qq", "install", "-y", "--no-install-recommends", "chromium"),
            ("apt-get", "-qq", "install", "-y", "fonts-wqy-microhei", "fontconfig"),
        )
    else:
        print("Installing Playwright's Chromium ...", flush=True)
        quiet = dict(os.environ)
        steps = ((sys.executable, "-m", "playwright", "install", "chromium"),)
    for step in steps:
        if subprocess.run(
            step, env=quiet, stdout=subprocess.DEVNULL, check=False
        ).returncode:
            sys.exit(f"{' '.join(step)} failed. {HOW_TO_MEND}")


if __name__ == "__main__":
    install()
