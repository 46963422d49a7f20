"""Links between the pages, and from them to the sources."""

from pathlib import Path

import pytest

from support.docs import DOCS, REPOSITORY, anchors, links

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")),
    *sorted(DOCS.rglob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}: no such heading"


def test_every_page_is_reachable_from_the_index() -> None:
    found: set[Path] = set()
    left = [DOCS / "README.md"]
    while left:
        page = left.pop().resolve()
        if page not in found and page.suffix == ".md":
            found.add(page)
            relative = (link.partition("#")[0] for link in links(page) if "://" not in link)
            left += [page.parent / link for link in relative if link]
    assert {page.resolve() for page in DOCS.rglob("*.md")} <= found
