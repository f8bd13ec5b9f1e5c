"""A program of its own: `python pip_fetch.py PROJECT FILE TARGET` fetches one file of a project.

It asks the package index that pip is configured for, with pip's own session: address, certificates,
proxies and logins are the operator's. `pip download` itself refuses files that are no Python project.
Runs in a process of its own because it uses pip's internals, which promise nothing.
"""

import html
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit


def fetch(project: str, file: str, target: Path) -> str:
    """ "" when `target` was written, else why not."""
    from pip._internal.commands import create_command

    command = create_command("download")
    options, _ = command.parse_args(["placeholder"])
    normalised = re.sub(r"[-_.]+", "-", project).lower()
    with command.main_context():
        session = command.get_default_session(options)  # type: ignore[attr-defined]
        finder = command._build_package_finder(options, session)  # type: ignore[attr-defined]
        pages = [url for url in finder.search_scope.get_index_urls_locations(normalised) if url.startswith("http")]
        tried = []
        for page in pages:
            answer = session.get(page, headers={"Accept": "text/html"})
            if answer.status_code != 200:
                tried.append(f"{_named(page)}: HTTP {answer.status_code}")
                continue
            links = [urljoin(answer.url, html.unescape(link)) for link in re.findall(r'href="([^"]+)"', answer.text)]
            found = [link.partition("#")[0] for link in links if unquote(urlsplit(link).path).endswith(f"/{file}")]
            if not found:
                tried.append(f"{_named(page)}: has no file {file}")
                continue
            with session.get(found[0], stream=True) as download:
                if download.status_code != 200:
                    tried.append(f"{_named(found[0])}: HTTP {download.status_code}")
                    continue
                with target.open("wb") as out:
                    for piece in download.iter_content(1 << 20):
                        out.write(piece)
            return ""
    return "; ".join(tried) or "pip has no package index configured (--no-index)"


def _named(url: str) -> str:
    """Without a login."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


if __name__ == "__main__":
    try:
        problem = fetch(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except OSError as error:  # a network error of requests is one, a full disk is one
        problem = f"{type(error).__name__}: {error}"
        if error.errno == 28:
            sys.exit(28)
    if problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(1)
