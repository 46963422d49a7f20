"""The hooks that make a site of the documentation."""

import re
from pathlib import Path

import pytest
import yaml

from tools.docs_site import API, formulas_as_mathml, outside, relinked

ROOT = Path(__file__).parents[2]
PAGES = {
    *(file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs").rglob("*.md")),
    *(file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs").rglob("*.png")),
    *outside(),
    *(f"api/{name}.md" for name in ("airl_cli", *API)),
} - {"README.md"}


@pytest.mark.parametrize(
    ("page", "link", "wanted"),
    [
        ("index.md", "[t](docs/tutorial.md#a)", "[t](tutorial.md#a)"),
        ("index.md", "![curve](docs/images/reward.png)", "![curve](images/reward.png)"),
        ("maths.md", "[`shaped`](../airl_cli/rewards/shaped.py)", "`shaped`"),
        ("maths.md", "[table](../benchmarks/README.md)", "[table](benchmarks/README.md)"),
        ("configuration/env.md", "[home](../../README.md)", "[home](../index.md)"),
        ("benchmarks/README.md", "[t](untuned/untuned.md)", "[t](untuned/untuned.md)"),
        ("tutorial.md", "[paper](https://arxiv.org/abs/1710.11248)", None),
        ("tutorial.md", "[below](#here)", None),
        ("tutorial.md", "\n```\nrewards[0](obs)\n```\n", None),
    ],
)
def test_links_are_those_of_the_site_and_source_files_become_text(page, link, wanted):
    assert relinked(f"before {link} after", page, PAGES) == f"before {wanted or link} after"


def test_every_link_of_every_page_leads_to_a_page_of_the_site():
    for name in sorted(page for page in PAGES if page.endswith(".md") and "api/" not in page):
        source = ROOT / (outside().get(name) or f"docs/{name}")
        for target in re.findall(r"\]\(([^)\s]+)\)", relinked(source.read_text(), name, PAGES)):
            path = target.partition("#")[0]
            if path and "://" not in path:
                there = (ROOT / "site" / name).parent / path
                assert there.resolve().relative_to(ROOT / "site").as_posix() in PAGES, (
                    name,
                    target,
                )


def test_every_page_of_the_docs_is_in_the_navigation():
    def leaves(node):
        if isinstance(node, str):
            yield node
        for child in (
            node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        ):
            yield from leaves(child)

    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    listed = set(leaves(config["nav"]))
    assert listed <= PAGES
    assert {page for page in PAGES if page.endswith(".md") and "benchmarks/" not in page} <= listed


def test_formulas_become_mathml():
    pytest.importorskip("latex2mathml")
    html = formulas_as_mathml(
        '<p>Of <span class="arithmatex">\\(a &lt; b\\)</span>:</p>'
        '<div class="arithmatex">\\[\\sum_t \\gamma^t\\]</div>'
    )
    assert "arithmatex" not in html
    assert html.count("<math") == 2
    assert html.count('display="block"') == 1 and "gamma" not in html
