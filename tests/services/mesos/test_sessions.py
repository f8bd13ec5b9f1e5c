"""A command beside a running task, with input and output: `dcos task exec` and the like build on it."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any

from mesos_framework import MesosFramework

AGENT = "127.0.0.1"
Json = dict[str, Any]


def call(cluster: Any, kind: str, content: Json, *records: Json) -> http.client.HTTPResponse:
    """A call to the agent's operator API; with `records` it is a stream of them, else the answer is one."""
    login = base64.b64encode(":".join(cluster.logins["operator"]).encode()).decode()
    headers = {"Authorization": f"Basic {login}"}
    first = {"type": kind, kind.lower(): content}
    if records:
        headers |= {"Content-Type": "application/recordio", "Message-Content-Type": "application/json"}
        headers |= {"Accept": "application/json"}
        body = "".join(f"{len(text)}\n{text}" for text in map(json.dumps, (first, *records)))
    else:
        headers |= {"Content-Type": "application/json"}
        headers |= {"Accept": "application/recordio", "Message-Accept": "application/json"}
        body = json.dumps(first)
    connection = http.client.HTTPConnection(cluster.agent.address, timeout=20)
    connection.request("POST", "/api/v1", body, headers)
    return connection.getresponse()


def output_until(response: http.client.HTTPResponse, end: str) -> str:
    """What the session wrote, up to and with `end`."""
    text = ""
    while end not in text:
        length = response.readline()
        assert length, f"the session ended after {text!r}"
        record = json.loads(response.read(int(length)))
        text += base64.b64decode(record.get("data", {}).get("data", "")).decode()
    return text


def input_data(container: Json, text: str) -> Json:
    data = {"type": "STDIN", "data": base64.b64encode(text.encode()).decode()}
    io = {"type": "PROCESS_IO", "process_io": {"type": "DATA", "data": data}}
    return {"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": io, "container_id": container}


def test_a_session_inside_a_running_task(cluster: Any, framework: MesosFramework) -> None:
    task = framework.launch_command(AGENT, "sleep 60")
    framework.wait(task, "TASK_RUNNING")
    (parent,) = cluster.containers(task)
    container = {"value": "session", "parent": {"value": parent["container_id"]}}
    command = {"shell": True, "value": "echo from inside; read line; echo heard $line"}
    session = call(cluster, "LAUNCH_NESTED_CONTAINER_SESSION", {"container_id": container, "command": command})
    assert session.status == 200, session.read()
    said = output_until(session, "from inside")
    attach = {"type": "CONTAINER_ID", "container_id": container}
    answer = call(cluster, "ATTACH_CONTAINER_INPUT", attach, input_data(container, "a word\n"))
    assert answer.status == 200, answer.read()
    assert "heard a word" in said + output_until(session, "heard a word")
    framework.kill(task)
    framework.wait(task, "TASK_KILLED")
