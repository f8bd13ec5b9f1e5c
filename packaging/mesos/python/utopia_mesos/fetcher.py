"""mesos-fetcher: brings the files of a task into its sandbox, through the agent's cache where asked to."""

from __future__ import annotations

import base64
import gzip
import json
import os
import pwd
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .values import NANOSECONDS, Json

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
CHUNK = 1 << 20
DEFAULT_STALL_SECONDS = 60.0


class FetchError(Exception):
    """Ends the fetch; the agent reports the task as failed."""


@dataclass(frozen=True)
class Fetch:
    """The order of the agent (FetcherInfo)."""

    sandbox: Path
    cache: Path | None
    user: str | None
    frameworks_home: str
    stall_timeout: float
    items: tuple[Json, ...]

    @classmethod
    def of(cls, info: Json) -> Fetch:
        cache = info.get("cache_directory")
        stall = info.get("stall_timeout", {}).get("nanoseconds")
        return cls(
            sandbox=Path(info["sandbox_directory"]),
            cache=Path(cache) if cache else None,
            user=info.get("user"),
            frameworks_home=info.get("frameworks_home", ""),
            stall_timeout=int(stall) / NANOSECONDS if stall else DEFAULT_STALL_SECONDS,
            items=tuple(info.get("items", [])),
        )


def main(environment: Mapping[str, str] = os.environ) -> int:
    """0 if everything was fetched."""
    try:
        fetch_all(Fetch.of(json.loads(environment["MESOS_FETCHER_INFO"])))
    except (FetchError, OSError, subprocess.SubprocessError) as error:
        print(f"fetcher: {error}", file=sys.stderr)
        return 1
    return 0


def fetch_all(fetch: Fetch) -> None:
    """Fetch every item in order, then give the sandbox to the task's user."""
    for item in fetch.items:
        action = item.get("action", "BYPASS_CACHE")
        if action == "BYPASS_CACHE":
            target = _target(fetch, item["uri"])
            _download(fetch, item["uri"]["value"], target)
            _prepare(fetch, item["uri"], target)
            continue
        if fetch.cache is None or not item.get("cache_filename"):
            raise FetchError(f"{action} without a cache directory and file name")
        cached = fetch.cache / item["cache_filename"]
        if action == "DOWNLOAD_AND_CACHE":
            cached.parent.mkdir(parents=True, exist_ok=True)
            _download(fetch, item["uri"]["value"], cached)
        elif not cached.is_file():
            raise FetchError(f"the cache has no file {cached}")
        _from_cache(fetch, item["uri"], cached)
    if fetch.user:
        _give_to(fetch.user, fetch.sandbox)


def file_name(uri: str) -> str:
    """Last part of the URI's path, without a query."""
    path = urllib.parse.urlsplit(uri).path if "://" in uri else uri
    name = urllib.parse.unquote(path.rstrip("/")).rsplit("/", 1)[-1]
    if not name or name in (".", ".."):
        raise FetchError(f"{shown(uri)} does not name a file")
    return name


def shown(uri: str) -> str:
    """The URI as it may be printed: without user, password and query."""
    if "://" not in uri:
        return uri
    parts = urllib.parse.urlsplit(uri)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _target(fetch: Fetch, uri: Json) -> Path:
    """Where the file goes; its folder exists then. `output_file` must stay inside the sandbox."""
    relative = Path(uri.get("output_file") or file_name(uri["value"]))
    if relative.is_absolute() or ".." in relative.parts:
        raise FetchError(f"output_file {str(relative)!r} leads out of the sandbox")
    target = fetch.sandbox / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _from_cache(fetch: Fetch, uri: Json, cached: Path) -> None:
    if (
        uri.get("extract", True)
        and not uri.get("executable")
        and _extract(cached, file_name(uri["value"]), fetch.sandbox)
    ):
        return
    target = _target(fetch, uri)
    shutil.copyfile(cached, target)
    target.chmod(0o755 if uri.get("executable") else 0o644)


def _prepare(fetch: Fetch, uri: Json, target: Path) -> None:
    if uri.get("executable"):
        target.chmod(0o755)
    elif uri.get("extract", True):
        _extract(target, target.name, fetch.sandbox)


def _download(fetch: Fetch, uri: str, target: Path) -> None:
    """Complete or not at all: the file gets its name when it is whole."""
    print(f"Fetching {shown(uri)} to {target}", file=sys.stderr, flush=True)
    partial = target.with_name(f".{target.name}.part")
    try:
        scheme = urllib.parse.urlsplit(uri).scheme.lower() if "://" in uri else ""
        if scheme in ("http", "https", "ftp", "ftps"):
            _download_url(uri, partial, fetch.stall_timeout)
        elif scheme in ("", "file"):
            shutil.copy(_local_path(fetch, uri), partial)
        else:
            raise FetchError(
                f"{shown(uri)}: the scheme {scheme} is not supported (http, https, ftp, file and paths are)"
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _download_url(uri: str, target: Path, stall_timeout: float) -> None:
    """The time limit is for silence on the connection, not for the whole."""
    try:
        with urllib.request.urlopen(_request(uri), timeout=stall_timeout) as response, target.open("wb") as out:  # noqa: S310
            shutil.copyfileobj(response, out, CHUNK)
            expected = response.headers.get("Content-Length")
            if expected is not None and out.tell() != int(expected):
                raise FetchError(f"{shown(uri)}: {out.tell()} of {expected} bytes came")
    except urllib.error.HTTPError as error:
        raise FetchError(f"{shown(uri)}: the server answered {error.code} {error.reason}") from error
    except TimeoutError as error:
        raise FetchError(f"{shown(uri)}: nothing came for {stall_timeout:g} s") from error
    except urllib.error.URLError as error:
        raise FetchError(f"{shown(uri)}: {error.reason}") from error


def _request(uri: str) -> urllib.request.Request:
    """A user and password in the URI become basic authentication."""
    parts = urllib.parse.urlsplit(uri)
    if parts.username is None or not parts.scheme.startswith("http"):
        return urllib.request.Request(uri)  # noqa: S310 - the scheme was checked
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    request = urllib.request.Request(bare)  # noqa: S310
    request.add_unredirected_header("Authorization", authorization)
    return request


def _local_path(fetch: Fetch, uri: str) -> Path:
    path = Path(urllib.parse.unquote(urllib.parse.urlsplit(uri).path) if "://" in uri else uri)
    if path.is_absolute():
        return path
    if not fetch.frameworks_home:
        raise FetchError(f"{uri} is a relative path, and the agent has no --frameworks_home")
    return Path(fetch.frameworks_home) / path


def _extract(archive: Path, name: str, folder: Path) -> bool:
    """Unpack by the name's ending; False if it is not an archive's. (In the cache files have other names.)"""
    if name.endswith(TAR_SUFFIXES):
        _run("tar", "--no-same-owner", "-xf", str(archive), "-C", str(folder))
    elif name.endswith(".zip"):
        _run("unzip", "-o", "-q", "-d", str(folder), str(archive))
    elif name.endswith(".gz"):
        with gzip.open(archive) as packed, (folder / name.removesuffix(".gz")).open("wb") as out:
            shutil.copyfileobj(packed, out, CHUNK)
    else:
        return False
    print(f"Extracted {name} into {folder}", file=sys.stderr, flush=True)
    return True


def _run(*arguments: str) -> None:
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FetchError(f"{arguments[0]} ended with status {done.returncode}: {done.stderr.strip()[-500:]}")


def _give_to(user: str, folder: Path) -> None:
    """Only root can; an agent that runs as somebody else runs its tasks as the same."""
    if os.geteuid() != 0:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise FetchError(f"there is no user {user}") from error
    for parent, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            os.chown(Path(parent) / name, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
