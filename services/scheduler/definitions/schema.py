"""The shapes of the API's documents, field by field, with the bounds of Marathon 1.11's type tables.

Fields of features that are not there have the shape `anything`: `unsupported` refuses them by name.
"""

from __future__ import annotations

from typing import Any

from services.scheduler.definitions.errors import Problems
from services.scheduler.definitions.shapes import (
    Shape,
    anything,
    array,
    boolean,
    enum,
    integer,
    mapping,
    number,
    record,
    string,
    text_or_record,
    word_or,
)

_PATH_PART = r"(\.\.|[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)"
PATH_ID = string(
    least=1,
    most=1024,
    pattern=rf"/?({_PATH_PART}(/{_PATH_PART})*/?)?",
    says="names of a-z, 0-9, '-' and '.' that begin and end with a letter or digit, with '/' between them",
)
_PATHS = array(PATH_ID, unique=True)

_LABELS = mapping(string())
_PORT = integer(least=0, most=65535)
_WORD = "a-z, 0-9 and '-', beginning and ending with a letter or digit"
_PORT_NAME = string(least=1, pattern=r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", says=_WORD)
_NETWORK_NAME = string(
    least=1,
    most=63,
    pattern=r"[a-z0-9]([-a-z0-9_]*[a-z0-9])?",
    says="a-z, 0-9, '-' and '_', beginning and ending with a letter or digit",
)
_PROTOCOL = enum("tcp", "udp", "udp,tcp")
_URI = string(least=1, most=1024)
_PATH = string(least=1, most=1024)
_SECONDS = integer(least=0)

_SECRET_OR_TEXT = text_or_record(record({"secret": string()}, required=frozenset({"secret"})))

_NETWORK = record(
    {"mode": enum("container", "container/bridge", "host"), "name": _NETWORK_NAME, "labels": _LABELS},
)

_PORT_DEFINITION = record({"port": _PORT, "protocol": _PROTOCOL, "name": _PORT_NAME, "labels": _LABELS})

_PORT_MAPPING = record(
    {
        "containerPort": _PORT,
        "hostPort": _PORT,
        "servicePort": _PORT,
        "protocol": _PROTOCOL,
        "name": _PORT_NAME,
        "labels": _LABELS,
        "networkNames": array(_NETWORK_NAME),
    }
)

_DOCKER = record(
    {
        "image": string(least=1),
        "forcePullImage": boolean,
        "privileged": boolean,
        "parameters": array(
            record({"key": string(least=1), "value": string()}, required=frozenset({"key", "value"})),
        ),
        "network": enum("BRIDGE", "HOST", "NONE", "USER"),
        "portMappings": array(_PORT_MAPPING),
        "credential": anything,
        "pullConfig": anything,
    },
    required=frozenset({"image"}),
)

_OTHER_VOLUMES = ("persistent", "external", "secret")
_HOST_VOLUME = record(
    {"containerPath": string(least=1), "hostPath": string(least=1), "mode": enum("RO", "RW")},
    required=frozenset({"containerPath", "hostPath", "mode"}),
)
_OTHER_VOLUME = record(dict.fromkeys(_OTHER_VOLUMES, anything))


def _volume(value: Any, path: str, problems: Problems) -> Any:
    other = isinstance(value, dict) and any(value.get(kind) is not None for kind in _OTHER_VOLUMES)
    return (_OTHER_VOLUME if other else _HOST_VOLUME)(value, path, problems)


_CONTAINER = record(
    {
        "type": enum("MESOS", "DOCKER"),
        "docker": _DOCKER,
        "portMappings": array(_PORT_MAPPING),
        "volumes": array(_volume),
        "linuxInfo": anything,
        "appc": anything,
    }
)

_HEALTH_CHECK = record(
    {
        "protocol": enum("HTTP", "HTTPS", "TCP", "COMMAND", "MESOS_TCP", "MESOS_HTTP", "MESOS_HTTPS"),
        "path": string(),
        "port": _PORT,
        "portIndex": _PORT,
        "command": record({"value": string()}, required=frozenset({"value"})),
        "delaySeconds": _SECONDS,
        "gracePeriodSeconds": _SECONDS,
        "intervalSeconds": _SECONDS,
        "timeoutSeconds": integer(least=0),
        "maxConsecutiveFailures": integer(least=0),
        "ignoreHttp1xx": boolean,
        "ipProtocol": enum("IPv4", "IPv6"),
    }
)

_COMMAND = record({"shell": string(least=1), "argv": array(string(), least=1)})

_CHECK = record(
    {
        "delaySeconds": _SECONDS,
        "intervalSeconds": _SECONDS,
        "timeoutSeconds": _SECONDS,
        "exec": record({"command": _COMMAND}, required=frozenset({"command"})),
        "http": record({"path": _PATH, "port": _PORT, "portIndex": _PORT, "scheme": enum("HTTP", "HTTPS")}),
        "tcp": record({"port": _PORT, "portIndex": _PORT}),
    }
)

_READINESS_CHECK = record(
    {
        "name": string(least=1),
        "protocol": enum("HTTP", "HTTPS"),
        "path": _PATH,
        "portName": _PORT_NAME,
        "intervalSeconds": _SECONDS,
        "timeoutSeconds": integer(least=1),
        "httpStatusCodesForReady": array(integer(least=100, most=999), least=1, unique=True),
        "preserveLastResponse": boolean,
    }
)

_IP_ADDRESS = record(
    {
        "networkName": string(least=1),
        "labels": _LABELS,
        "groups": array(string(), unique=True),
        "discovery": record(
            {
                "ports": array(
                    record(
                        {"number": _PORT, "name": _PORT_NAME, "protocol": _PROTOCOL, "labels": _LABELS},
                        required=frozenset({"name"}),
                    )
                )
            }
        ),
    }
)

_FETCH = record(
    {"uri": _URI, "extract": boolean, "executable": boolean, "cache": boolean, "destPath": _PATH},
    required=frozenset({"uri"}),
)

_LIMIT = word_or("unlimited", number())

_APP_FIELDS: dict[str, Shape] = {
    "id": PATH_ID,
    "cmd": string(least=1),
    "args": array(string()),
    "user": string(),
    "env": mapping(_SECRET_OR_TEXT),
    "secrets": anything,
    "instances": integer(least=0),
    "cpus": number(least=0.001),
    "mem": number(least=0),
    "disk": number(least=0),
    "gpus": integer(least=0),
    "resourceLimits": record({"cpus": _LIMIT, "mem": _LIMIT}),
    "role": string(least=1),
    "acceptedResourceRoles": array(string(), unique=True),
    "executor": string(pattern=r"(//cmd|/?[^/]+(/[^/]+)*)?", says="empty, //cmd or a path"),
    "executorResources": anything,
    "constraints": array(array(string(), least=2, most=3), unique=True),
    "labels": _LABELS,
    "fetch": array(_FETCH),
    "uris": array(_URI),
    "container": _CONTAINER,
    "networks": array(_NETWORK),
    "ipAddress": _IP_ADDRESS,
    "ports": array(_PORT),
    "portDefinitions": array(_PORT_DEFINITION),
    "requirePorts": boolean,
    "healthChecks": array(_HEALTH_CHECK, unique=True),
    "check": _CHECK,
    "readinessChecks": array(_READINESS_CHECK),
    "dependencies": _PATHS,
    "backoffSeconds": _SECONDS,
    "backoffFactor": number(least=1.0),
    "maxLaunchDelaySeconds": _SECONDS,
    "taskKillGracePeriodSeconds": _SECONDS,
    "upgradeStrategy": record(
        {
            "minimumHealthCapacity": number(least=0.0, most=1.0),
            "maximumOverCapacity": number(least=0.0, most=1.0),
        },
        required=frozenset({"minimumHealthCapacity", "maximumOverCapacity"}),
    ),
    "killSelection": enum("YOUNGEST_FIRST", "OLDEST_FIRST"),
    "unreachableStrategy": word_or(
        "disabled",
        record({"inactiveAfterSeconds": integer(least=0, bits=64), "expungeAfterSeconds": integer(least=0, bits=64)}),
    ),
    "residency": anything,
    "tty": boolean,
    "version": string(),
    "versionInfo": anything,
}

APP = record(_APP_FIELDS, required=frozenset({"id"}))
APP_UPDATE = record(_APP_FIELDS)

_GROUP_FIELDS: dict[str, Shape] = {
    "id": PATH_ID,
    "apps": array(APP),
    "dependencies": _PATHS,
    "enforceRole": boolean,
    "pods": anything,
    "scaleBy": number(least=0),
    "version": string(),
}
GROUP = record(_GROUP_FIELDS)
# Groups in a group: the same, and they must be named.
_INNER_GROUP = record(_GROUP_FIELDS, required=frozenset({"id"}))
_GROUP_FIELDS["groups"] = array(_INNER_GROUP)
