"""What MkDocs is told besides mkdocs.yml: which pages a pattern stands for, and where Mermaid is."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

HERE = Path(__file__).parent
MERMAID = HERE / "node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"
SCRIPT = "javascripts/mermaid.js"
STYLE = "site.css"

Entry = Any
"""Of the navigation: a path or a pattern, a dictionary of a title and more, a list."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    docs = Path(config.docs_dir)
    pages = sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md"))
    named = set(_paths(config.nav))
    config.nav = _expanded(config.nav, [page for page in pages if page not in named])
    return config


def _paths(entry: Entry) -> list[str]:
    if isinstance(entry, dict):
        return [path for each in entry.values() for path in _paths(each)]
    if isinstance(entry, list):
        return [path for each in entry for path in _paths(each)]
    return [entry]


def _expanded(entry: Entry, rest: list[str]) -> Entry:
    """With pages in place of patterns; what is empty then is left out."""
    if isinstance(entry, dict):
        expanded = {title: _expanded(each, rest) for title, each in entry.items()}
        return {title: each for title, each in expanded.items() if each}
    if isinstance(entry, list):
        found = [(each, _expanded(each, rest)) for each in entry]
        return [
            page
            for each, pages in found
            if pages
            for page in (pages if isinstance(each, str) and "*" in each else [pages])
        ]
    if "*" in entry:
        return [page for page in rest if fnmatch(page, entry) and page.count("/") == entry.count("/")]
    return entry


def on_files(files: Files, config: MkDocsConfig) -> Files:
    files.append(File.generated(config, SCRIPT, abs_src_path=str(MERMAID)))
    files.append(File.generated(config, STYLE, abs_src_path=str(HERE / STYLE)))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Pages with a picture load Mermaid before the theme asks a server of others for it."""
    if 'class="mermaid"' not in output:
        return output
    script = f'<script src="{get_relative_url(SCRIPT, page.url)}"></script>'
    return output.replace("</head>", f"{script}</head>", 1)
