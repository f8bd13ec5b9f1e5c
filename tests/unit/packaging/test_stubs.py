"""Stand-in libraries: from a symbol table to what the linker takes."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest
from builder import stubs

NM = """
                 U HMAC@OPENSSL_1.0.0
                 U BIO_new@OPENSSL_1.0.0
                 U EVP_sha256@OPENSSL_1.0.0
                 U X509_VERIFY_PARAM_set1_host@OPENSSL_1.0.2
                 U SSL_new@OPENSSL_1.0.0
                 U TLSv1_2_method@OPENSSL_1.0.1
                 U curl_easy_setopt@CURL_OPENSSL_3
                 U curl_easy_init@CURL_OPENSSL_3
                 U PyInt_FromLong
                 U _Py_NoneStruct
                 U malloc@GLIBC_2.2.5
                 w _ITM_deregisterTMCloneTable
"""


def test_symbols_are_sorted_into_their_libraries() -> None:
    found = stubs.wanted(NM)
    assert found.crypto == {
        "OPENSSL_1.0.0": ["BIO_new", "EVP_sha256", "HMAC"],
        "OPENSSL_1.0.2": ["X509_VERIFY_PARAM_set1_host"],
    }
    assert found.ssl == {"OPENSSL_1.0.0": ["SSL_new"], "OPENSSL_1.0.1": ["TLSv1_2_method"]}
    assert found.curl == ["curl_easy_init", "curl_easy_setopt"]
    assert found.python == ["PyInt_FromLong", "_Py_NoneStruct"]


def test_the_version_script_names_the_whole_chain() -> None:
    crypto = next(library for library in stubs.libraries(stubs.wanted(NM)) if library.file == "libcrypto.so.1.0.0")
    assert crypto.versions == (
        "OPENSSL_1.0.0 {\n  global:\n    BIO_new;\n    EVP_sha256;\n    HMAC;\n  local:\n    *;\n};\n"
        "OPENSSL_1.0.1 {\n} OPENSSL_1.0.0;\n"
        "OPENSSL_1.0.2 {\n  global:\n    X509_VERIFY_PARAM_set1_host;\n} OPENSSL_1.0.1;\n"
    )


def test_the_order_of_the_symbol_table_does_not_matter() -> None:
    backwards = "\n".join(reversed(NM.splitlines()))
    assert stubs.libraries(stubs.wanted(backwards)) == stubs.libraries(stubs.wanted(NM))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-ins of NM, compiled by the real thing."""
    assert shutil.which("gcc"), "install gcc and binutils: apt-get install gcc binutils"
    from builder import binaries

    folder = tmp_path_factory.mktemp("stubs")
    for library in stubs.libraries(stubs.wanted(NM)):
        binaries.compile_stub(library, folder, folder)
    return folder


@pytest.mark.parametrize(
    ("file", "symbols"),
    [
        ("libcrypto.so.1.0.0", {"HMAC@@OPENSSL_1.0.0", "X509_VERIFY_PARAM_set1_host@@OPENSSL_1.0.2"}),
        ("libssl.so.1.0.0", {"SSL_new@@OPENSSL_1.0.0", "TLSv1_2_method@@OPENSSL_1.0.1"}),
        ("libcurl.so.4", {"curl_easy_init@@CURL_OPENSSL_3", "curl_easy_setopt@@CURL_OPENSSL_3"}),
        ("libpy2stub.so", {"PyInt_FromLong", "_Py_NoneStruct"}),
    ],
)
def test_compiled_symbols_have_their_versions(compiled: Path, file: str, symbols: set[str]) -> None:
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", str(compiled / file)], capture_output=True, text=True, check=True
    )
    assert symbols <= {line.split()[-1] for line in listed.stdout.splitlines()}


def test_forwarded_functions_do_what_they_are_for(compiled: Path) -> None:
    """HMAC of RFC 4231, test case 2, through the stand-in and today's OpenSSL."""
    library = ctypes.CDLL(str(compiled / "libcrypto.so.1.0.0"))
    library.EVP_sha256.restype = ctypes.c_void_p
    library.HMAC.restype = ctypes.c_void_p
    digest, length = ctypes.create_string_buffer(32), ctypes.c_uint()
    key, data = b"Jefe", b"what do ya want for nothing?"
    method = ctypes.c_void_p(library.EVP_sha256())
    arguments = (method, key, len(key), data, ctypes.c_size_t(len(data)), digest, ctypes.byref(length))
    assert library.HMAC(*arguments)
    assert digest.raw.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert library.BIO_new() == 0
