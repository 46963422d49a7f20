"""`report.html`, as text and in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from airl_cli.report.find import find_runs
from airl_cli.report.page import write_page
from airl_cli.report.rows import Options, make_report
from support.browser import browser, url
from support.run_directories import make_run

ATTACK = "<img src=x onerror=document.title='hacked'>"
BREAK_OUT = "</script><script>document.title='hacked'</script>"


def write(runs: Path, page: Path) -> str:
    write_page(make_report(find_runs([str(runs)]), Options(n_resamples=200)), page, [str(runs)])
    return page.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two groups of three seeds, one more environment, and what somebody might have planted."""
    runs = tmp_path_factory.mktemp("page") / "runs"
    for seed in range(3):
        rising = [0.0, 50.0 + 60 * seed, 300.0, 440.0 + 20 * seed]
        make_run(runs / f"a{seed}", seed=seed, returns=440.0 + 20 * seed, curve=rising)
        slow = {"returns": 90.0 + seed, "curve": [0.0, 30.0, 60.0, 90.0 + seed]}
        make_run(runs / f"b{seed}", seed=seed, generator__learning_rate=0.01, **slow)
    make_run(runs / "c0", env__id="Pendulum-v1", returns=250.0)
    make_run(runs / "running", seed=9, status="running")
    hostile = {"generator__learning_rate": ATTACK, "env__id": BREAK_OUT, "returns": 5.0}
    make_run(runs / f"{ATTACK.replace('/', '')}", result={"env_id": BREAK_OUT}, **hostile)
    (make_run(runs / "broken") / "config.json").write_text(BREAK_OUT)
    return runs


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    path = folder.parent / "report" / "report.html"
    write(folder, path)
    return path


class Tags(HTMLParser):
    """Start tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_has_no_tags_but_its_own(page: Path) -> None:
    tags = Tags(page.read_text()).found
    assert [tag for tag, _ in tags].count("script") == 3
    assert "img" not in [tag for tag, _ in tags]
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    nonces = {a["nonce"] for tag, a in tags if tag == "script" and a.get("type") is None}
    (nonce,) = nonces
    (policy,) = [a["content"] for _, a in tags if "http-equiv" in a]
    assert policy and f"script-src 'nonce-{nonce}';" in policy
    assert "default-src 'none'" in policy


def test_nothing_is_loaded_from_elsewhere(page: Path) -> None:
    for tag, attributes in Tags(page.read_text()).found:
        assert "src" not in attributes, tag
        if tag == "link":
            assert attributes["href"] == "data:,"


def test_links_lead_to_the_files_of_the_runs_and_only_there(page: Path, folder: Path) -> None:
    links = [a["href"] or "" for tag, a in Tags(page.read_text()).found if tag == "a"]
    outside = [link for link in links if not link.startswith("#")]
    assert len(outside) > 30
    for link in outside:
        assert link.startswith(("./../runs/", "./runs/")), link
        assert (page.parent / unquote(link)).exists(), link
    assert any(link.endswith("a1/metrics.csv") for link in outside)


def test_a_page_of_many_groups_stays_of_sensible_size(tmp_path: Path) -> None:
    """The library is 4.8 MB of it, whatever there is to show."""
    for n in range(60):
        curve = [float(n + i % 7) for i in range(600)]
        make_run(tmp_path / "runs" / str(n), generator__learning_rate=n / 100, curve=curve)
    text = write(tmp_path / "runs", tmp_path / "report.html")
    assert len(text) < 6e6
    assert "Drawn are 24 of 60 groups" in text


def test_a_report_without_a_finished_run_is_a_page_too(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "0", status="failed", curve=[])
    text = write(tmp_path / "runs", tmp_path / "report.html")
    assert "1 failed" in text
    assert 'id="curves"' not in text


def test_in_a_browser(page: Path) -> None:
    """One browser for everything: starting it takes a second or more."""
    with browser() as driver:
        driver.get(url(page))
        wait_for(driver, "document.querySelectorAll('.plot .main-svg').length > 0")
        sorting_works(driver)
        filtering_works(driver)
        curves_can_be_hovered(driver)
        places_are_kept_for_pictures(driver)
        curves_follow_the_controls(driver)
        colours_follow_the_reader(driver)
        nothing_is_cropped_on_a_phone(driver)
        assert driver.get_log("browser") == []
        assert driver.title.startswith("airl report")
        assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
        markup_that_got_in_would_not_run(driver)


def wait_for(driver: Any, condition: str) -> None:
    until(driver, lambda d: d.execute_script(f"return {condition}"))


def until(driver: Any, holds: Callable[[Any], Any]) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(driver, 60).until(holds)


def hover(driver: Any, x: int, y: int) -> None:
    """To the point from two pixels beside it: a page that is still busy misses single moves."""
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    for step in (2, 1):
        mouse = ActionBuilder(driver)
        mouse.pointer_action.move_to_location(x - step, y + 1)
        mouse.perform()


def shows(driver: Any, element: str) -> bool:
    return driver.execute_script(f"return {element} !== null")


def column(driver: Any, table: str, heading: str) -> list[str]:
    return driver.execute_script(
        "const table = document.getElementById(arguments[0]);"
        "const cells = [...table.tHead.rows[0].cells];"
        "const at = cells.findIndex((c) => c.textContent.startsWith(arguments[1]));"
        "return [...table.tBodies[0].rows].map((row) => row.cells[at].dataset.value);",
        table,
        heading,
    )


def sorting_works(driver: Any) -> None:
    from selenium.webdriver.common.by import By

    def click(heading: str) -> str:
        for th in driver.find_elements(By.CSS_SELECTOR, "#group-table th"):
            if th.text.startswith(heading):
                th.find_element(By.TAG_NAME, "button").click()
                return th.get_attribute("aria-sort")
        raise AssertionError(heading)

    assert click("return: mean") == "ascending"
    numbers = list(map(float, column(driver, "group-table", "return: mean")))
    assert numbers == sorted(numbers)
    assert click("return: mean") == "descending"
    numbers = list(map(float, column(driver, "group-table", "return: mean")))
    assert numbers == sorted(numbers, reverse=True)
    for _ in range(2):  # what never got there is the slowest, what is unknown stays last
        click("steps to 95")
    assert column(driver, "group-table", "steps to 95")[0] == "Infinity"
    assert click("environment") == "ascending"
    names = column(driver, "group-table", "environment")
    assert names.index("Pendulum-v1") < names.index("seals/CartPole-v0")


def filtering_works(driver: Any) -> None:
    from selenium.webdriver.common.by import By

    field = driver.find_element(By.ID, "filter")
    field.send_keys("pendulum FINISHED")
    rows = driver.find_elements(By.CSS_SELECTOR, "#run-table tbody tr")
    assert [row.is_displayed() for row in rows].count(True) == 1
    assert driver.find_element(By.ID, "shown").text == f"1 of {len(rows)}"
    field.clear()
    field.send_keys(" ")
    assert all(row.is_displayed() for row in rows)


def curves_can_be_hovered(driver: Any) -> None:
    """The mouse goes to the last point of the better of two groups."""
    index = driver.execute_script(
        "return figures.curves.findIndex((f) => f.data.filter((t) => t.name).length === 2)"
    )
    plot = f"document.querySelector('[data-figure=curves][data-index=\"{index}\"]')"
    driver.execute_script(f"{plot}.scrollIntoView({{behavior: 'instant', block: 'center'}})")
    wait_for(driver, f"{plot}.querySelector('.scatterlayer') !== null")

    def mouse_over(driver: Any) -> bool:
        hover(driver, *place_of_last_point(driver, plot))
        return shows(driver, f"{plot}.querySelector('.hovertext')")

    until(driver, mouse_over)
    text = driver.execute_script(f"return {plot}.querySelector('.hovertext').textContent")
    assert "4,000 steps" in text
    assert "460" in text
    assert re.search(r"95 % interval \[440, 480\]", text)
    assert "3 seeds" in text


def place_of_last_point(driver: Any, plot: str) -> tuple[int, int]:
    """In pixels of the window, now: a page that is still being drawn may move it."""
    return driver.execute_script(
        f"const box = {plot}.getBoundingClientRect(), axes = {plot}._fullLayout;"
        "return [box.left + axes.xaxis._offset + axes.xaxis.l2p(4000),"
        " box.top + axes.yaxis._offset + axes.yaxis.l2p(460)].map(Math.round);"
    )


def places_are_kept_for_pictures(driver: Any) -> None:
    """They are drawn when they come into sight, and the page must not move then."""
    driver.execute_script("window.dispatchEvent(new Event('beforeprint'))")  # draws them all
    wait_for(driver, "document.querySelector('.plot:not(.js-plotly-plot)') === null")
    kept, taken = driver.execute_script(
        "const plots = [...document.querySelectorAll('.plot')];"
        "return [plots.map((p) => p.style.minHeight), plots.map((p) => `${p.offsetHeight}px`)];"
    )
    assert len(kept) > 2
    assert kept == taken


def curves_follow_the_controls(driver: Any) -> None:
    plot = "document.querySelector('[data-figure=curves].js-plotly-plot')"
    state = f"return [{plot}._fullData.at(-1).y.at(-1), {plot}._fullLayout.xaxis.type]"
    before, _ = driver.execute_script(state)

    def set_to(element: str, change: str) -> None:
        driver.execute_script(
            f"const e = document.getElementById('{element}'); e.{change};"
            "e.dispatchEvent(new Event('input'));"
        )

    set_to("smoothing", "value = 0.8")
    set_to("log-steps", "checked = true")
    after, axis = driver.execute_script(state)
    assert axis == "log"
    assert after != before
    set_to("smoothing", "value = 0")
    set_to("log-steps", "checked = false")
    assert driver.execute_script(state) == [before, "linear"]


def colours_follow_the_reader(driver: Any) -> None:
    colour = (
        "return [getComputedStyle(document.body).backgroundColor,"
        " document.querySelector('.js-plotly-plot')._fullLayout.paper_bgcolor]"
    )

    def prefers(scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def becomes(colours: list[str]) -> None:  # the page hears of it with its next frame
        until(driver, lambda d: d.execute_script(colour) == colours)

    prefers("dark")
    becomes(["rgb(23, 28, 33)", "#171c21"])
    prefers("light")
    becomes(["rgb(255, 255, 255)", "#fff"])


def nothing_is_cropped_on_a_phone(driver: Any) -> None:
    size = {"width": 420, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_script("redraw('.plot')")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 420
    cropped = driver.execute_script(
        "return [...document.querySelectorAll('.plot .xtitle, .plot .ytitle')].filter((title) => {"
        "  const inner = title.getBoundingClientRect();"
        "  const outer = title.closest('.plot').getBoundingClientRect();"
        "  return inner.left < outer.left || inner.right > outer.right + 1"
        "    || inner.top < outer.top || inner.bottom > outer.bottom + 1;"
        "}).map((title) => title.textContent)"
    )
    assert cropped == []
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def markup_that_got_in_would_not_run(driver: Any) -> None:
    """The content security policy stands behind the escaping."""
    driver.execute_script(
        "const planted = document.createElement('div');"
        'planted.innerHTML = \'<img src="data:," onerror="document.title=1">\';'
        "document.body.append(planted);"
    )
    wait_for(driver, "document.querySelector('img[src=\"data:,\"]').complete")
    assert driver.title.startswith("airl report")
    assert "Content Security Policy" in str(driver.get_log("browser"))
