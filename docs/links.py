"""Follow every link within a built site: ``python docs/links.py SITE`` lists those to nowhere."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page links to, and where it can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str | None] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the attributes that matter."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name"):
                self.places.add(value)


def broken(site: Path) -> list[str]:
    """List the links that lead nowhere; those to other hosts are not tried."""
    pages = {
        path: Page(path.read_text(encoding="utf-8"))
        for path in site.rglob("*.html")
        if "_static" not in path.parts
    }
    links = [(path, link) for path, page in pages.items() for link in page.links]
    text = site / "llms.txt"
    links += [(text, link) for link in re.findall(r"\]\((.*?)\)", text.read_text(encoding="utf-8"))]
    found = []
    for path, link in links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        at = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        page, place = pages.get(at), unquote(parts.fragment)
        # a theme links to the top of a page
        if not at.is_file() or (page and place and place not in {*page.places, "top"}):
            found.append(f"{path.relative_to(site)}: {link}")
    return found


if __name__ == "__main__":
    wrong = broken(Path(sys.argv[1]).resolve())
    sys.exit("\n".join(wrong) or 0)
