"""A run's own page of a report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airl_cli.report.find import find_runs
from airl_cli.report.page import write_page
from airl_cli.report.rows import Options, make_report
from support.browser import browser, url
from support.run_directories import make_run

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63606060"
    "f80f0001040100a1bb8f0e0000000049454e44ae426082"
)
ATTACK = "<script>document.title='hacked'</script>"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """With plots, a log, and what somebody might have planted."""
    path = make_run(tmp_path / "run", generator__learning_rate=ATTACK, result={"note": ATTACK})
    header, *rounds = (path / "metrics.csv").read_text().splitlines()
    lines = [f"{header},disc_acc,absorbing_logit"]
    lines += [f"{line},0.{9 - n},0" for n, line in enumerate(rounds)]
    (path / "metrics.csv").write_text("\n".join([*lines, ""]))
    plots = path / "plots"
    plots.mkdir()
    for name in ("learning_curve.png", "reward.png"):
        (plots / name).write_bytes(PNG)
    (plots / "page.png").write_text("<svg onload='alert(1)'/>")
    (tmp_path / "secret.png").write_bytes(PNG)
    (plots / "linked.png").symlink_to(tmp_path / "secret.png")
    (path / "train.log").write_text("".join(f"line {n}\n" for n in range(100)) + f"{ATTACK}\x1b[2J")
    return path


def page_of(run: Path) -> Path:
    report = run.parent / "report" / "report.html"
    made = make_report(find_runs([str(run)]), Options(n_resamples=200))
    write_page(made, report, [str(run)])
    (href,) = re.findall(r'href="\./(runs/[^"]*)"', report.read_text())
    return report.parent / href


def test_it_shows_result_config_curves_and_the_end_of_the_log(run: Path) -> None:
    text = page_of(run).read_text()
    assert "seals/CartPole-v0, seed 0" in text
    assert 'learner_return_mean</th><td class="number">400' in text
    assert "<code>trainer.total_timesteps</code></th><td>4096" in text
    assert "line 99" in text and "line 50" not in text
    assert re.findall(r"<h3>([a-z][^.<]*)</h3>", text) == [
        "true return per episode",
        "accuracy of the discriminator",  # c stays 0, and so does the loss
    ]


def test_pictures_are_plain_png_files_of_the_run_the_reward_map_first(run: Path) -> None:
    images = re.findall(r'<img src="([^"]*)"', page_of(run).read_text())
    assert images == [f"./../../run/plots/{name}.png" for name in ("reward", "learning_curve")]


def test_a_linked_folder_of_plots_and_a_linked_log_are_not_shown(run: Path) -> None:
    (run / "plots").rename(run.parent / "elsewhere")
    (run / "plots").symlink_to(run.parent / "elsewhere")
    (run / "train.log").rename(run.parent / "secret.log")
    (run / "train.log").symlink_to(run.parent / "secret.log")
    text = page_of(run).read_text()
    assert "<img" not in text
    assert "line 99" not in text


def test_nothing_of_a_run_becomes_markup_and_no_script_is_allowed(run: Path) -> None:
    text = page_of(run).read_text()
    assert "<script" not in text and "onload" not in text and "\x1b" not in text
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert "script-src" not in text


def test_an_unreadable_run_has_a_page_too(run: Path) -> None:
    (run / "result.json").write_text("{")
    (run / "metrics.csv").write_bytes(b"\xff")
    assert "unreadable" in page_of(run).read_text()


def test_in_a_browser_pictures_load_and_nothing_is_wider_than_a_phone(run: Path) -> None:
    with browser() as driver:
        driver.get(url(page_of(run)))
        size = {"width": 420, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        widths = "return [...document.images].map((image) => image.naturalWidth)"
        driver.execute_script("for (const i of document.images) i.loading = 'eager'")
        driver.execute_async_script(
            "Promise.all([...document.images].map((i) => i.decode())).then(arguments[0])"
        )
        assert driver.execute_script(widths) == [1, 1]
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 420
        assert driver.get_log("browser") == []
