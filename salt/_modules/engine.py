"""Questions to this node's Docker engine over its socket: milliseconds, where the `docker` client takes many."""

import http.client
import json
import socket
import urllib.parse

SOCKET = "/var/run/docker.sock"
TIMEOUT = 5  # seconds


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("docker", timeout=TIMEOUT)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


def version():
    """The engine's version. Raises OSError when it does not answer."""
    return _get("/version")["Version"]


def has_image(image):
    """Whether the engine holds `image` ("name:tag"), without asking any registry."""
    return _get(f"/images/{urllib.parse.quote(image)}/json") is not None


def _get(path):
    connection = _Connection(SOCKET)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status == http.HTTPStatus.NOT_FOUND:
        return None
    if response.status != http.HTTPStatus.OK:
        raise OSError(f"the Docker engine answers {path} with status {response.status}")
    return json.loads(body)
