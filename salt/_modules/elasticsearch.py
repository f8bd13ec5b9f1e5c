"""Elasticsearch as this node's member sees it, and what the states need to know of it."""

import base64
import hashlib
import http.client
import json
import ssl

CA = "/etc/utopia/ca.crt"
FORMED = "/elasticsearch-formed"  # in ZooKeeper: there has been a cluster
TIMEOUT = 10  # seconds per question
# Seconds for what changes something: the server has bounds of its own, 30 s until the master turns to it and 30 s
# until all members have it, and says what went wrong. On a crowded host a change does take more than ten.
CHANGE_TIMEOUT = 70
_ROUNDS = 10000  # of PBKDF2: the server keeps what it has checked in a cache


class ElasticsearchError(OSError):
    """The member answered with an error."""


def password_hash(user, secret):
    """What the file of users holds for a password in the node's pillar; the same every time.

    The salt is made from the name and the password: passwords are generated, long and never used twice.
    """
    password = __pillar__["secrets"][secret]
    salt = hashlib.sha256(f"{user}:{password}".encode()).digest()
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, 32)
    return f"{{PBKDF2}}{_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def call(method, path, body=None, timeout=None, address=""):
    """The JSON answer of this node's member, or of another's. None where there is no such thing.

    Raises ElasticsearchError with what the member says, OSError when it is down.
    """
    context = ssl.create_default_context(cafile=CA)
    node = address or __pillar__["node"]["address"]
    port = __pillar__["elasticsearch"]["port"]
    login = base64.b64encode(f"operator:{__pillar__['secrets']['elasticsearch-operator']}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    seconds = timeout or (TIMEOUT if method == "GET" else CHANGE_TIMEOUT)
    connection = http.client.HTTPSConnection(node, port, timeout=seconds, context=context)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    except http.client.HTTPException as error:
        raise ElasticsearchError(f"{method} {path}: {type(error).__name__} {error}") from error
    finally:
        connection.close()
    if response.status == http.HTTPStatus.NOT_FOUND:
        return None
    if response.status >= http.HTTPStatus.BAD_REQUEST:
        raise ElasticsearchError(f"{method} {path}: HTTP {response.status} {text[:500]}")
    return json.loads(text)


def leads():
    """Whether this node's member is the elected master."""
    master = call("GET", "/_cluster/state/master_node?local=true").get("master_node")
    return master in call("GET", "/_nodes/_local?filter_path=nodes.*.name")["nodes"]


def may_form():
    """Whether there has never been a cluster, as far as ZooKeeper and every member that answers know."""
    if __salt__["znode.exists"](FORMED, "elasticsearch", "zookeeper-elasticsearch"):
        return False
    return not any(_in_a_cluster(address) for address in __pillar__["elasticsearch"]["members"].values())


def _in_a_cluster(address):
    try:
        state = call("GET", "/_cluster/state/version?local=true", timeout=3, address=address)
    except OSError:
        return False
    return (state or {}).get("cluster_uuid", "_na_") != "_na_"
