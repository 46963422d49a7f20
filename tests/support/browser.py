"""A headless Chromium, where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HINT = "no Chromium with its driver: apt-get install chromium chromium-driver (docs/report.md)"


@contextmanager
def browser() -> Iterator[Any]:
    """A selenium driver that keeps the console's messages; skips the test without a browser.

    With `AIRL_NEEDS_BROWSER=1` in the environment a missing browser is a failure instead.
    """
    binary = next(filter(None, map(shutil.which, _NAMES)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        if os.environ.get("AIRL_NEEDS_BROWSER"):
            pytest.fail(HINT)
        pytest.skip(HINT)
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    # Without sandbox: containers and root have none to offer.
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.add_argument("--window-size=1400,1600")
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")  # no network
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    opened = webdriver.Chrome(options=options, service=service)
    try:
        yield opened
    finally:
        opened.quit()


def url(path: Path) -> str:
    return path.resolve().as_uri()
