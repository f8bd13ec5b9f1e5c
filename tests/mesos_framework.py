"""A small Mesos framework for tests: v1 scheduler API, JSON over HTTP.

    with MesosFramework("10.0.0.1:5050", "marathon", "secret") as framework:
        task = framework.launch_command("agent-1", "echo hello")
        framework.wait(task, "TASK_FINISHED")

Waiting fails with the last state and message that came, never silently.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

Json = dict[str, Any]
TERMINAL = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE"}


class MesosFramework:
    """Subscribes in a thread, keeps all offers and updates, and acknowledges. Ends (tears down) on exit.

    `master`: any master, or several with commas between; a standby's 307 is followed. It subscribes again when
    a master goes away, with the same framework id.
    """

    def __init__(self, master: str, principal: str = "", secret: str = "", *, user: str = "root") -> None:
        self._masters = master.split(",")
        self.master = self._masters[0]
        self.updates: list[Json] = []
        login = base64.b64encode(f"{principal}:{secret}".encode()).decode()
        self._authorization = {"Authorization": f"Basic {login}"} if principal else {}
        self._info: Json = {"user": user, "name": "utopia-test", "roles": ["*"], "checkpoint": True}
        self._info |= {"failover_timeout": 3600.0} | ({"principal": principal} if principal else {})
        self._info["capabilities"] = [{"type": "MULTI_ROLE"}, {"type": "TASK_KILLING_STATE"}]
        self._offers: dict[str, Json] = {}
        self._wants_offers = False
        self._stream = ""
        self._error = "no master answered yet"
        self._closing = False
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name="mesos-framework", daemon=True).start()
        self._wait_for(lambda: self._stream, 60, lambda: f"not subscribed: {self._error}")
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._call({"type": "TEARDOWN"})

    def launch_command(self, agent: str, command: str, **task: Any) -> str:
        """Launch a shell command on the agent with this hostname; returns the task id. See `launch`."""
        return self.launch(agent, {"command": {"shell": True, "value": command}, **task})

    def launch_docker(
        self, agent: str, image: str, command: str = "", *, ports: dict[int, int] | None = None, **task: Any
    ) -> str:
        """Launch a bridged container; `ports`: host port -> container port. Without a command the image's runs."""
        mappings = [{"host_port": host, "container_port": inside} for host, inside in (ports or {}).items()]
        docker = {"image": image, "network": "BRIDGE", "port_mappings": mappings}
        wanted = {"shell": True, "value": command} if command else {"shell": False}
        container = {"type": "DOCKER", "docker": docker}
        return self.launch(agent, {"command": wanted, "container": container, **task}, ports=tuple(ports or ()))

    def launch(self, agent: str, task: Json, *, cpus: float = 0.1, mem: float = 64, ports: tuple[int, ...] = ()) -> str:
        """Launch a TaskInfo (name, ids and resources are added) on the next offer of `agent`."""
        offer = self._take_offer(agent, cpus, mem)
        name = f"test-{uuid.uuid4().hex[:12]}"
        scalars = [{"name": k, "type": "SCALAR", "scalar": {"value": v}} for k, v in (("cpus", cpus), ("mem", mem))]
        ranges = {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": p, "end": p} for p in ports]}}
        resources = [{**r, "allocation_info": {"role": "*"}} for r in [*scalars, *([ranges] if ports else [])]]
        info = {"name": name, "task_id": {"value": name}, "agent_id": offer["agent_id"], "resources": resources, **task}
        operation = {"type": "LAUNCH", "launch": {"task_infos": [info]}}
        accept = {"offer_ids": [offer["id"]], "operations": [operation], "filters": {"refuse_seconds": 0}}
        self._call({"type": "ACCEPT", "accept": accept})
        return name

    def kill(self, task: str, grace_seconds: float | None = None) -> None:
        """Ask for the end of a task."""
        kill: Json = {"task_id": {"value": task}}
        if grace_seconds is not None:
            kill["kill_policy"] = {"grace_period": {"nanoseconds": int(grace_seconds * 1e9)}}
        self._call({"type": "KILL", "kill": kill})

    def wait(self, task: str, state: str, timeout: float = 60, **fields: Any) -> Json:
        """The first update of `task` in `state` whose other fields are as given, e.g. healthy=True."""

        def found() -> Json | None:
            return next((u for u in self.of(task) if u["state"] == state and fields.items() <= u.items()), None)

        def over() -> bool:
            return found() is not None or any(u["state"] in TERMINAL for u in self.of(task))

        self._wait_for(over, timeout, lambda: f"{task} is not {state} {fields}: {self.tale(task)}")
        update = found()
        assert update is not None, f"{task} ended before it was {state} {fields}: {self.tale(task)}"
        return update

    def of(self, task: str) -> list[Json]:
        """All updates of a task so far."""
        return [update for update in list(self.updates) if update["task_id"]["value"] == task]

    def tale(self, task: str) -> str:
        """The states and messages of a task, for people."""
        return " -> ".join(f"{u['state']} {u.get('message', '')}".strip() for u in self.of(task)) or "no update came"

    def _take_offer(self, agent: str, cpus: float, mem: float) -> Json:
        def fits(offer: Json) -> bool:
            has = {r["name"]: r["scalar"]["value"] for r in offer["resources"] if r["type"] == "SCALAR"}
            return bool(offer["hostname"] == agent and has.get("cpus", 0) >= cpus and has.get("mem", 0) >= mem)

        def found() -> Json | None:
            return next((offer for offer in self._offers.values() if fits(offer)), None)

        self._wants_offers = True
        self._call({"type": "REVIVE"})
        self._wait_for(found, 60, lambda: f"no offer of {agent}; of {[o['hostname'] for o in self._offers.values()]}")
        with self._changed:
            offer = found()
            assert offer is not None, "the offer was rescinded"
            others = [other["id"] for other in self._offers.values() if other is not offer]
            self._offers, self._wants_offers = {}, False
        self._call({"type": "SUPPRESS"})  # what is not used stays with the other frameworks
        self._decline(others)
        return offer

    def _decline(self, offers: list[Json]) -> None:
        if offers:
            self._try({"type": "DECLINE", "decline": {"offer_ids": offers}})

    def _wait_for(self, condition: Callable[[], Any], timeout: float, message: Callable[[], str]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout), f"after {timeout:g} s: {message()}"

    def _post(self, message: Json, timeout: float) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """POST to the master; at a standby, to the leader it names."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self._authorization}
        headers |= {"Mesos-Stream-Id": self._stream} if self._stream else {}
        for _ in range(3):
            connection = http.client.HTTPConnection(self.master, timeout=timeout)
            connection.request("POST", "/api/v1/scheduler", json.dumps(message), headers)
            response = connection.getresponse()
            if response.status != 307:
                return connection, response
            connection.close()
            self.master = urlsplit(response.headers["Location"]).netloc
        raise ConnectionError("the masters send us from one to the other")

    def _call(self, message: Json) -> None:
        """One call in this framework's name; while a new leader is elected, again for at most 60 s."""
        deadline = time.monotonic() + 60
        while (problem := self._try(message)) is not None:
            assert time.monotonic() < deadline, f"{message['type']}: {problem}"
            time.sleep(0.2)

    def _try(self, message: Json) -> str | None:
        """None if the call was accepted, why not if another attempt may help; fails if it cannot."""
        if not self._stream:
            return "not subscribed"
        try:
            connection, response = self._post({**message, "framework_id": self._info["id"]}, 30)
            answer = response.read().decode()
            connection.close()
        except (OSError, http.client.HTTPException) as error:
            return f"{self.master}: {error}"
        assert response.status in (202, 503), f"{message['type']}: {response.status} {answer}"
        return None if response.status == 202 else answer

    def _run(self) -> None:
        while not self._closing:
            try:
                self._subscribe()
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self._error = f"{self.master}: {error}"
                self._masters.append(self._masters.pop(0))
                self.master = self._masters[0]
            with self._changed:
                self._stream = ""
                self._offers.clear()
            if not self._closing:
                time.sleep(0.5)

    def _subscribe(self) -> None:
        subscription = {"framework_info": self._info, "suppressed_roles": [] if self._wants_offers else ["*"]}
        message: Json = {"type": "SUBSCRIBE", "subscribe": subscription}
        if "id" in self._info:
            message["framework_id"] = self._info["id"]
        connection, response = self._post(message, 60)  # the master sends a heartbeat every 15 s
        assert response.status == 200, f"{response.status} {response.read().decode()}"
        stream = response.headers["Mesos-Stream-Id"]
        while length := response.readline():
            self._event(json.loads(response.read(int(length))), stream)
        connection.close()

    def _event(self, event: Json, stream: str) -> None:
        with self._changed:
            if event["type"] == "SUBSCRIBED":
                self._info["id"] = event["subscribed"]["framework_id"]
                self._stream = stream
            elif event["type"] == "OFFERS" and self._wants_offers:
                self._offers |= {offer["id"]["value"]: offer for offer in event["offers"]["offers"]}
            elif event["type"] == "RESCIND":
                self._offers.pop(event["rescind"]["offer_id"]["value"], None)
            elif event["type"] == "UPDATE" and event["update"]["status"] not in self.updates:
                self.updates.append(event["update"]["status"])
            elif event["type"] == "ERROR":
                self._error = event["error"]["message"]
            self._changed.notify_all()
        if event["type"] == "OFFERS" and not self._wants_offers:
            self._decline([offer["id"] for offer in event["offers"]["offers"]])
        elif event["type"] == "UPDATE" and "uuid" in event["update"]["status"]:
            status = event["update"]["status"]
            identity = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
            self._try({"type": "ACKNOWLEDGE", "acknowledge": identity})  # if it fails, the update comes again
