"""Is a service of this node ready to do its job? Asked of the service itself, at its own address.

`probe(name)` never raises for a service that is down: that is an answer. Names are the `probe` names of
the role table. `mode` is "leader", "follower", "standalone" or "" for services that have no such thing.
"""

import base64
import http.client
import json
import re
import socket
import ssl
import urllib.parse
from pathlib import Path

TIMEOUT = 3  # seconds per question
ZOOKEEPER_PORT, MASTER_PORT, AGENT_PORT = 2181, 5050, 5051
OPERATOR = "operator"  # the user of every HTTP API
CA = "/etc/utopia/ca.crt"
MASTER_CREDENTIALS = "/etc/mesos/master-credentials.json"
AGENT_CREDENTIALS = "/etc/mesos/agent-http-credentials.json"


def probe(name):
    """Return {"ready": bool, "mode": str, "detail": str} for the service behind probe `name`.

    RuntimeError where the pillar that this minion has in memory is from before the service came to the node.
    """
    if name not in PROBES:
        raise ValueError(f"no readiness probe {name!r}, there are: {', '.join(sorted(PROBES))}")
    try:
        return PROBES[name]()
    except (OSError, http.client.HTTPException, NotReadyError) as error:
        return _answer(False, str(error) or type(error).__name__)
    except KeyError as error:
        raise RuntimeError(f"{name}: {error} is missing in this minion's pillar, or in what {name} answered") from None


def others(name):
    """How many the files of this node name beside the service itself; 0 for services that are not an ensemble."""
    return len(__pillar__[name]["ensemble"]) - 1 if name == "zookeeper" else 0


def squatter(name, unit=None):
    """Who else has the port of the service behind probe `name`, in words; "" for nobody."""
    port = PORTS[name]() if name in PORTS else None
    listening = __salt__["cmd.run_stdout"](["ss", "-Hltnp", f"sport = :{port}"], python_shell=False) if port else ""
    for program, process in re.findall(r'\("([^"]+)",pid=(\d+)', listening):
        try:
            groups = Path(f"/proc/{process}/cgroup").read_text(encoding="utf-8")
        except OSError:
            continue  # it has ended since
        if f"/{unit or name}.service" not in groups:
            return f"port {port} is held by {program} (process {process})"
    return ""


class NotReadyError(Exception):
    """A service answered, but not as one that is ready."""


def _zookeeper():
    server = _four_letters("srvr")
    mode = _field(server, "Mode:")
    count = others("zookeeper")
    if mode == "standalone":
        return _answer(not count, "serves alone" if not count else f"serves alone, with {count} others named", mode)
    if mode == "leader":
        # Nothing when the leader lost its office between the two questions; newer servers write 2.0.
        synced = int(float(_field(_four_letters("mntr"), "zk_synced_followers") or 0))
        return _answer(synced == count, f"leads, {synced} of {count} followers in sync", mode)
    return _answer(mode == "follower", f"is a {mode}" if mode else _first_line(server), mode)


def _four_letters(word):
    with socket.create_connection((_address(), ZOOKEEPER_PORT), TIMEOUT) as connection:
        connection.sendall(word.encode())
        chunks = iter(lambda: connection.recv(65536), b"")
        return b"".join(chunks).decode()


def _field(text, name):
    for line in text.splitlines():
        if line.startswith(name):
            return line[len(name) :].strip()
    return ""


def _first_line(text):
    return text.splitlines()[0] if text else "the server closed the connection without an answer"


def _mesos_master():
    metrics = _mesos_metrics(MASTER_PORT, MASTER_CREDENTIALS)
    if not metrics.get("registrar/log/recovered"):
        return _answer(False, "has not recovered its replica of the registry")
    if metrics.get("master/elected"):
        return _answer(True, f"leads {int(metrics['master/slaves_active'])} active agents", "leader")
    status, headers, _ = _http(MASTER_PORT, "/master/redirect", MASTER_CREDENTIALS)
    leader = urllib.parse.urlsplit(headers.get("Location", "")).hostname
    if status != http.HTTPStatus.TEMPORARY_REDIRECT or not leader:
        return _answer(False, "knows no leading master")
    return _answer(leader != _address(), f"stands by for {leader}", "follower")


def _mesos_agent():
    registered = _mesos_metrics(AGENT_PORT, AGENT_CREDENTIALS).get("slave/registered")
    return _answer(bool(registered), "registered" if registered else "runs, but no master has registered it")


def _mesos_metrics(port, credentials):
    _expect(_http(port, "/health"), "/health")
    return json.loads(_expect(_http(port, "/metrics/snapshot", credentials), "/metrics/snapshot"))


def _http(port, path, credentials=None, login=None):
    """GET without following redirects: (status, headers, body). Credentials never leave this node.

    `credentials`: a file of Mesos; `login`: "user:password".
    """
    connection = http.client.HTTPConnection(_address(), port, timeout=TIMEOUT)
    login = _operator(credentials) if credentials else login
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def _operator(path):
    for credential in json.loads(Path(path).read_text(encoding="utf-8"))["credentials"]:
        if credential["principal"] == OPERATOR:
            return f"{OPERATOR}:{credential['secret']}"
    raise NotReadyError(f"{path} holds no credential of the principal operator")


def _expect(response, path):
    status, _, body = response
    if status != http.HTTPStatus.OK:
        raise NotReadyError(f"{path} answers with status {status}")
    return body


def _marathon():
    """Ready when a leader is known and its framework is registered; one that stands by asks the leader."""
    port = __pillar__["marathon"]["port"]
    leader = json.loads(_expect(_http(port, "/v2/leader", login=_marathon_login()), "/v2/leader")).get("leader", "")
    info = json.loads(_expect(_http(port, "/v2/info", login=_marathon_login()), "/v2/info"))
    mode = "leader" if leader == f"{_address()}:{port}" else "follower"
    if not leader:
        return _answer(False, "knows no leader")
    if not info.get("frameworkId"):
        return _answer(False, f"{leader} leads, and Mesos has not registered it", mode)
    return _answer(True, "leads" if mode == "leader" else f"stands by for {leader}", mode)


def _marathon_login():
    return f"{OPERATOR}:{__pillar__['secrets']['marathon-operator']}"


def _haproxy():
    """Ready when it answers at all: what it answers to an unknown host is its configuration's affair."""
    status, _, _ = _http(__pillar__["ingress"]["ports"]["http"], "/")
    return _answer(True, f"answers with status {status}")


def _ingress():
    """Ready when HAProxy serves and the provider has an API: then it has written HAProxy's configuration."""
    _expect(_http(__pillar__["ingress"]["ports"]["api"], "/status"), "/status")
    return _haproxy()


def _elasticsearch():
    """Ready when the member is in a cluster that has a master and lost no primary shard, if that is asked for."""
    health = __salt__["elasticsearch.call"]("GET", "/_cluster/health")
    nodes, status = health["number_of_nodes"], health["status"]
    anyway = "elasticsearch" in __pillar__.get("restart_anyway", ())
    mode = "leader" if __salt__["elasticsearch.leads"]() else "follower"
    return _answer(status != "red" or anyway, f"in a cluster of {nodes}, {status}", mode)


def _logs():
    """Ready when the shipper runs, and an aggregator greets it or, where there is none, the index knows its login."""
    unit = next(name for name in ("fluentd", "rsyslog") if name in __pillar__["components"])
    if not _active(unit):
        return _answer(False, f"{unit} does not run")
    aggregators = __pillar__["logs"]["aggregators"]
    if not aggregators:
        return _index_takes(unit)
    said = []
    for place in aggregators:
        try:
            _greeted(place["host"], place["port"], place["name"], __pillar__["logs"]["aggregators_ca"])
            return _answer(True, f"{unit} sends to {place['host']}")
        except (OSError, NotReadyError) as error:
            said.append(f"{place['host']}: {error}")
    return _answer(False, f"no aggregator takes lines: {'; '.join(said)}")


def _log_aggregator():
    """Ready when it greets at its port over TLS, and its login is good for the index."""
    unit = "fluentd-aggregator"
    if not _active(unit):
        return _answer(False, f"{unit} does not run")
    name = f"{__pillar__['node']['name']}.{__pillar__['domain']}"
    _greeted(_address(), __pillar__["logs"]["aggregator_port"], name, CA)
    return _index_takes(unit)


def _active(unit):
    return not __salt__["cmd.retcode"](["systemctl", "is-active", "--quiet", unit], python_shell=False)


def _greeted(host, port, name, ca):
    """The other side speaks Fluentd's forward protocol, with a certificate of `name` ("": of any name)."""
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = bool(name)
    plain = socket.create_connection((host, port), TIMEOUT)
    with plain, context.wrap_socket(plain, server_hostname=name or None) as connection:
        if b"HELO" not in connection.recv(64):
            raise NotReadyError(f"port {port} does not greet as an aggregator does")


def _index_takes(unit):
    """One of the members of the index knows the shipper's login."""
    login = f"shipper:{__pillar__['secrets']['elasticsearch-shipper']}"
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    context = ssl.create_default_context(cafile=CA)
    said = "there is no member"
    for address in __pillar__["elasticsearch"]["members"].values():
        port = __pillar__["elasticsearch"]["port"]
        connection = http.client.HTTPSConnection(address, port, timeout=TIMEOUT, context=context)
        try:
            connection.request("GET", "/_cluster/health", headers=headers)
            response = connection.getresponse()
            response.read()
            if response.status == http.HTTPStatus.OK:
                return _answer(True, f"{unit} ships to {address}")
            said = f"{address} answers {response.status}"
        except (OSError, http.client.HTTPException) as error:
            said = f"{address}: {error}"
        finally:
            connection.close()
    return _answer(False, f"no member of the index takes the shipper's login: {said}")


def _node_exporter():
    """It listens on loopback; the exporter beside it reads it there."""
    return _local("node", "tells the figures of the machine")


def _elasticsearch_exporter():
    return _local("elasticsearch", "tells the figures of the log index")


def _local(exporter, does):
    with socket.create_connection(("127.0.0.1", __pillar__["monitoring"]["local_ports"][exporter]), TIMEOUT):
        return _answer(True, does)


def _exporter():
    return _healthy(__pillar__["monitoring"]["port"], "/healthz", "tells figures over verified TLS")


def _newrelic():
    """The agent looks after its own connection to the vendor: it must run, and not be restarted all the time."""
    keys = "ActiveState,SubState,NRestarts"
    out = __salt__["cmd.run_stdout"](["systemctl", "show", "--property", keys, "newrelic-infra"], python_shell=False)
    unit = dict(line.split("=", 1) for line in out.splitlines())
    return _answer(unit.get("SubState") == "running", f"is {unit.get('ActiveState')}")


def _monitoring():
    """Whichever provider fills the role: a node that is asked has been told by whom."""
    return _exporter() if "monitoring" in __pillar__ else _newrelic()


def _prometheus():
    return _healthy(__pillar__["alerts"]["ports"]["prometheus"], "/-/ready", "collects figures")


def _alertmanager():
    return _healthy(__pillar__["alerts"]["ports"]["alertmanager"], "/-/ready", "takes alerts")


def _healthy(port, path, what):
    """Over TLS verified with the environment's CA; with the operator's login where this node has it."""
    password = __pillar__["secrets"].get("prometheus-operator", "")
    login = base64.b64encode(f"{OPERATOR}:{password}".encode()).decode()
    context = ssl.create_default_context(cafile=CA)
    connection = http.client.HTTPSConnection(_address(), port, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", path, headers={"Authorization": f"Basic {login}"} if password else {})
        response = connection.getresponse()
        _expect((response.status, response.headers, response.read()), path)
    finally:
        connection.close()
    return _answer(True, what)


def _docker():
    version = __salt__["engine.version"]()
    return _answer(True, f"engine {version}")


def _artifact_server():
    url = urllib.parse.urlsplit(__pillar__["artifacts"]["url"])
    context = ssl.create_default_context(cafile=CA)
    connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        _expect((response.status, response.headers, response.read()), "/healthz")
    finally:
        connection.close()
    return _answer(True, "answers over verified TLS")


def _address():
    return __pillar__["node"]["address"]


def _answer(ready, detail, mode=""):
    return {"ready": ready, "mode": mode, "detail": detail}


PORTS = {
    "zookeeper": lambda: ZOOKEEPER_PORT,
    "mesos-master": lambda: MASTER_PORT,
    "mesos-agent": lambda: AGENT_PORT,
    "marathon": lambda: __pillar__["marathon"]["port"],
    "haproxy": lambda: __pillar__["ingress"]["ports"]["http"],
    "ingress": lambda: __pillar__["ingress"]["ports"]["api"],
    "elasticsearch": lambda: __pillar__["elasticsearch"]["port"],
    "log-aggregator": lambda: __pillar__["logs"]["aggregator_port"],
    "utopia-exporter": lambda: __pillar__["monitoring"]["port"],
    "prometheus": lambda: __pillar__["alerts"]["ports"]["prometheus"],
    "alertmanager": lambda: __pillar__["alerts"]["ports"]["alertmanager"],
}
PROBES = {
    "zookeeper": _zookeeper,
    "mesos-master": _mesos_master,
    "mesos-agent": _mesos_agent,
    "marathon": _marathon,
    "haproxy": _haproxy,
    "ingress": _ingress,
    "elasticsearch": _elasticsearch,
    "logs": _logs,
    "log-aggregator": _log_aggregator,
    "node-exporter": _node_exporter,
    "elasticsearch-exporter": _elasticsearch_exporter,
    "monitoring": _monitoring,
    "utopia-exporter": _exporter,
    "newrelic-infra": _newrelic,
    "prometheus": _prometheus,
    "alertmanager": _alertmanager,
    "docker": _docker,
    "artifact-server": _artifact_server,
}
