"""Stand-ins for the libraries of Ubuntu 16.04 that the Mesos library needs and Debian 12 lacks.

The library was linked with OpenSSL 1.0, a libcurl with other version names, and Python 2. What it needs of
them is read from its own symbol table. Most functions only have to exist: TLS inside the library does not
work, and the Python binding is never used. A few are forwarded to today's library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

OPENSSL_VERSIONS = ("OPENSSL_1.0.0", "OPENSSL_1.0.1", "OPENSSL_1.0.2")
CURL_VERSION = "CURL_OPENSSL_3"
LIBCRYPTO = "libcrypto.so.3"
# By absolute path: inside the process the name libcurl.so.4 belongs to the stand-in.
LIBCURL = "/usr/lib/x86_64-linux-gnu/libcurl.so.4"

PYTHON_OBJECTS = {"PyExc_Exception", "PyExc_TypeError", "_Py_NoneStruct"}


@dataclass(frozen=True)
class Forward:
    """A function with the same meaning in today's library: its result and parameter types."""

    result: str
    parameters: tuple[str, ...] = ()


# HMAC with EVP_sha256 signs the executors' tokens.
CRYPTO_FORWARDS = {
    "HMAC": Forward("void *", ("void *", "void *", "int", "void *", "size_t", "void *", "void *")),
    "EVP_sha256": Forward("void *"),
    "EVP_sha1": Forward("void *"),
    "SHA256": Forward("void *", ("void *", "size_t", "void *")),
    "RAND_poll": Forward("int"),
}

_HANDLE = Forward("void *", ("void *",))
# The variadic ones take exactly one more argument, of a pointer's size.
_CURL_OPTION = Forward("int", ("void *", "int", "void *"))
CURL_FORWARDS = {
    "curl_easy_init": Forward("void *"),
    "curl_easy_cleanup": _HANDLE,
    "curl_easy_perform": Forward("int", ("void *",)),
    "curl_easy_strerror": Forward("void *", ("int",)),
    "curl_global_init": Forward("int", ("long",)),
    "curl_easy_setopt": _CURL_OPTION,
    "curl_easy_getinfo": _CURL_OPTION,
}
_VARIADIC = {"curl_easy_setopt", "curl_easy_getinfo"}


@dataclass
class Wanted:
    """What the library misses: version name -> symbols per OpenSSL library, and the unversioned rest."""

    crypto: dict[str, list[str]] = field(default_factory=dict)
    ssl: dict[str, list[str]] = field(default_factory=dict)
    curl: list[str] = field(default_factory=list)
    python: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Library:
    """One stand-in: its file name (also its soname), C source and linker version script ("" = none)."""

    file: str
    source: str
    versions: str = ""


def wanted(nm_output: str) -> Wanted:
    """Read the output of `nm --dynamic --undefined-only`."""
    found = Wanted()
    for line in sorted(nm_output.splitlines()):
        if not line.strip():
            continue
        symbol, _, version = line.split()[-1].partition("@")
        if version in OPENSSL_VERSIONS:
            library = found.ssl if symbol.startswith(("SSL", "TLS")) else found.crypto
            library.setdefault(version, []).append(symbol)
        elif version == CURL_VERSION:
            found.curl.append(symbol)
        elif re.match(r"_?Py", symbol):
            found.python.append(symbol)
    return found


def libraries(found: Wanted) -> list[Library]:
    """The stand-ins to compile."""
    return [
        Library(
            "libcrypto.so.1.0.0", _source(_flat(found.crypto), CRYPTO_FORWARDS, LIBCRYPTO), _openssl_map(found.crypto)
        ),
        Library("libssl.so.1.0.0", _source(_flat(found.ssl), {}, ""), _openssl_map(found.ssl)),
        Library(
            "libcurl.so.4", _source(found.curl, CURL_FORWARDS, LIBCURL), _node(CURL_VERSION, found.curl, first=True)
        ),
        Library("libpy2stub.so", _python_source(found.python)),
    ]


def _flat(versions: Mapping[str, Iterable[str]]) -> list[str]:
    return sorted(symbol for symbols in versions.values() for symbol in symbols)


def _node(version: str, symbols: Iterable[str], *, first: bool, parent: str = "") -> str:
    lines = [f"{version} {{"]
    names = sorted(symbols)
    if names:
        lines += ["  global:", *(f"    {name};" for name in names)]
    if first:
        lines += ["  local:", "    *;"]
    return "\n".join([*lines, f"}}{' ' + parent if parent else ''};", ""])


def _openssl_map(versions: Mapping[str, Iterable[str]]) -> str:
    """Every version of the chain is defined, also those without symbols: the library names them all."""
    parents = ("", *OPENSSL_VERSIONS)
    return "".join(
        _node(version, versions.get(version, ()), first=not parent, parent=parent)
        for version, parent in zip(OPENSSL_VERSIONS, parents, strict=False)
    )


def _source(symbols: Iterable[str], forwards: Mapping[str, Forward], target: str) -> str:
    parts = ["#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stddef.h>\n"]
    if forwards:
        parts.append(_resolver(target))
    parts += [_forward(s, forwards[s]) if s in forwards else f"void *{s}(void) {{ return 0; }}\n" for s in symbols]
    return "".join(parts)


def _resolver(target: str) -> str:
    """A missing target makes the forwarded call crash at a null pointer, never return a wrong success."""
    return f"""
static void *resolve(const char *name) {{
  static void *library;
  if (!library) library = dlopen("{target}", RTLD_NOW | RTLD_LOCAL);
  return library ? dlsym(library, name) : 0;
}}
"""


def _forward(symbol: str, forward: Forward) -> str:
    names = [f"a{i}" for i in range(len(forward.parameters))]
    declared = ", ".join(f"{kind} {name}" for kind, name in zip(forward.parameters, names, strict=True)) or "void"
    kinds = list(forward.parameters)
    if symbol in _VARIADIC:
        kinds = [*kinds[:-1], "..."]
    pointer = f"{forward.result} (*)({', '.join(kinds) or 'void'})"
    typed = pointer.replace("(*)", "(*function)")
    return f"""
{forward.result} {symbol}({declared}) {{
  static {typed};
  if (!function) function = ({pointer})resolve("{symbol}");
  return function({", ".join(names)});
}}
"""


def _python_source(symbols: Iterable[str]) -> str:
    """Data objects are zeroed blocks; the functions end the program, for nothing may ever call them."""
    return "".join(
        f"char {s}[256];\n" if s in PYTHON_OBJECTS else f"void {s}(void) {{ __builtin_trap(); }}\n" for s in symbols
    )
