"""A Mesos master with any number of agents, in one asyncio loop: real HTTP, no real tasks.

    async with MesosSimulator([SimulatedAgent("a-1", cpus=4)]) as mesos:
        ...  # a scheduler subscribes at mesos.address
        mesos.end_task(task_id, "TASK_FAILED", "out of memory")
        mesos.lose_agent("a-1")

It keeps the rules of the v1 scheduler API that schedulers depend on: the stream id, offers of free resources
only, filters, suppression, tasks checked against their offer, one status at a time until it is acknowledged and
again if it is not, reconciliation, failover of the framework. An agent has at most one outstanding offer, with
all that is free.
"""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Self

import orjson
from aiohttp import web
from simulated_agent import Amounts, Json, SimulatedAgent, SimulatedTask, used

TERMINAL = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE"}
TERMINAL |= {"TASK_GONE_BY_OPERATOR"}
DEFAULT_REFUSE_SECONDS = 5.0

Behaviour = Callable[["MesosSimulator", SimulatedTask], None]


def runs(start_seconds: float = 0.0, healthy_after: float = 0.0) -> Behaviour:
    """Tasks start, run and, if they have a health check, become healthy."""

    def behave(mesos: MesosSimulator, task: SimulatedTask) -> None:
        mesos.update(task, "TASK_STARTING")
        mesos.later(start_seconds, lambda: mesos.update(task, "TASK_RUNNING"))
        if "health_check" in task.info:
            mesos.later(start_seconds + healthy_after, lambda: mesos.set_healthy(task.id, healthy=True))

    return behave


RUNS = runs()


class RefusedError(Exception):
    """A call that is answered with an HTTP error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class MesosSimulator:
    """One master, one framework. Times in seconds; everything can be read and changed while it runs."""

    def __init__(
        self,
        agents: Iterable[SimulatedAgent] = (),
        *,
        login: tuple[str, str] | None = None,
        behaviour: Behaviour = RUNS,
        allocation_interval: float = 0.05,
        retry_seconds: float = 10.0,
        heartbeat_seconds: float = 15.0,
        kill_seconds: float = 0.0,
    ) -> None:
        self.agents = {agent.id: agent for agent in agents}
        self.behaviour = behaviour
        self.tasks: dict[str, SimulatedTask] = {}
        self.calls: list[Json] = []  # all accepted ones but ACKNOWLEDGE
        self.call_counts: Counter[str] = Counter()
        self.launched: Counter[str] = Counter()  # task id -> how many times
        self.framework: Json = {}
        self.offers: dict[str, tuple[SimulatedAgent, str]] = {}  # id -> agent, role
        self.leader: str | None = None  # another master: everything is redirected there
        self.address = ""
        self._authorization = "Basic " + base64.b64encode(":".join(login).encode()).decode() if login else None
        self._allocation_interval = allocation_interval
        self._retry_seconds = retry_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._kill_seconds = kill_seconds
        self._suppressed: set[str] = set()
        self._removed: set[str] = set()
        self._stream = ""
        self._outbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._number = 0
        self._background: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        application = web.Application(client_max_size=1 << 28)
        application.router.add_post("/api/v1/scheduler", self._scheduler)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.address = "{}:{}".format(*self._runner.addresses[0][:2])
        self._background = [asyncio.create_task(work()) for work in (self._allocate, self._retry, self._beat)]

    async def stop(self) -> None:
        for task in self._background:
            task.cancel()
        self.disconnect()
        await self._runner.cleanup()

    # What tests do to the cluster

    @property
    def subscribed(self) -> bool:
        return bool(self._stream)

    @property
    def outstanding(self) -> int:
        """Events that the scheduler has not read yet, apart from what is in the connection's buffers."""
        return self._outbox.qsize()

    def of_type(self, kind: str) -> list[Json]:
        """The calls of one type so far."""
        return [call for call in self.calls if call["type"] == kind]

    def disconnect(self) -> None:
        """The connection breaks; offers are gone, tasks go on."""
        if self._stream:
            self._outbox.put_nowait(None)
            self._stream = ""
        for offer_id in list(self.offers):
            self._recover(offer_id)

    def end_task(self, task_id: str, state: str = "TASK_FAILED", message: str = "") -> None:
        """The task ends by itself."""
        self.update(self.tasks[task_id], state, message=message)

    def set_healthy(self, task_id: str, *, healthy: bool) -> None:
        """The verdict of the task's health check changes."""
        task = self.tasks.get(task_id)
        if task is not None and task.state == "TASK_RUNNING":
            task.healthy = healthy
            self.update(task, "TASK_RUNNING", reason="REASON_TASK_HEALTH_CHECK_STATUS_UPDATED")

    def lose_agent(self, agent_id: str) -> None:
        """The master does not hear of the agent any more: its tasks are unreachable."""
        agent = self.agents[agent_id]
        agent.reachable = False
        if agent.offered:
            offer = agent.offered
            self._recover(offer)
            self._send({"type": "RESCIND", "rescind": {"offer_id": {"value": offer}}})
        self._send({"type": "FAILURE", "failure": {"agent_id": {"value": agent_id}}})
        for task in self._on(agent):
            self._tell(task, "TASK_UNREACHABLE", "REASON_SLAVE_REMOVED")

    def return_agent(self, agent_id: str) -> None:
        """It is back with its tasks; what happened meanwhile is told."""
        agent = self.agents[agent_id]
        agent.reachable = True
        for task in self._on(agent):
            self._tell(task, task.state, "REASON_SLAVE_REREGISTERED")
            self._forward(task)

    def agent_gone(self, agent_id: str) -> None:
        """The operator declares that the agent never comes back."""
        agent = self.agents.pop(agent_id)
        self._send({"type": "FAILURE", "failure": {"agent_id": {"value": agent_id}}})
        for task in self._on(agent):
            del self.tasks[task.id]
            self._tell(task, "TASK_GONE_BY_OPERATOR", "REASON_SLAVE_REMOVED_BY_OPERATOR")

    def update(self, task: SimulatedTask, state: str, *, message: str = "", reason: str = "") -> None:
        """A new status from the task's executor; nothing follows a terminal one."""
        if task.state in TERMINAL or (task.state == "TASK_KILLING" and state not in TERMINAL):
            return
        task.state = state
        status = self._status(task, state, reason) | {"source": "SOURCE_EXECUTOR", "message": message}
        status["uuid"] = base64.b64encode(uuid.uuid4().bytes).decode()
        task.updates.append(status)
        if state in TERMINAL:
            task.agent.free.update(task.uses)
            task.agent.used_ports -= task.ports
        if len(task.updates) == 1:
            self._forward(task)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after a time, or at once."""
        if seconds > 0:
            asyncio.get_running_loop().call_later(seconds, action)
        else:
            action()

    # Events

    def _send(self, event: Json) -> None:
        if self._stream:
            record = orjson.dumps(event)
            self._outbox.put_nowait(b"%d\n%s" % (len(record), record))

    def _status(self, task: SimulatedTask, state: str, reason: str) -> Json:
        status: Json = {"task_id": {"value": task.id}, "agent_id": {"value": task.agent.id}, "state": state}
        status["timestamp"] = time.time()
        network = {"ip_addresses": [{"protocol": "IPv4", "ip_address": "172.17.0.2"}]}
        status["container_status"] = {"container_id": {"value": f"c-{task.id[-36:]}"}, "network_infos": [network]}
        return (
            status
            | ({"reason": reason} if reason else {})
            | ({"healthy": task.healthy} if task.healthy is not None else {})
        )

    def _tell(self, task: SimulatedTask, state: str, reason: str) -> None:
        """A status of the master's own: it is not acknowledged and not sent again."""
        status = self._status(task, state, reason) | {"source": "SOURCE_MASTER"}
        self._send({"type": "UPDATE", "update": {"status": status}})

    def _tell_unknown(self, task_id: str, agent_id: str, state: str, reason: str, message: str = "") -> None:
        status = {"task_id": {"value": task_id}, "state": state, "reason": reason, "message": message}
        status |= {"source": "SOURCE_MASTER"} | ({"agent_id": {"value": agent_id}} if agent_id else {})
        self._send({"type": "UPDATE", "update": {"status": status}})

    def _forward(self, task: SimulatedTask) -> None:
        """Send the oldest status that is not acknowledged."""
        if task.updates and task.agent.reachable and self._stream:
            task.sent_at = asyncio.get_running_loop().time()
            self._send({"type": "UPDATE", "update": {"status": task.updates[0]}})

    def _on(self, agent: SimulatedAgent) -> list[SimulatedTask]:
        return [task for task in self.tasks.values() if task.agent is agent]

    def _capable(self, capability: str) -> bool:
        return any(c["type"] == capability for c in self.framework.get("capabilities", ()))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            self._send({"type": "HEARTBEAT"})

    async def _retry(self) -> None:
        while True:
            await asyncio.sleep(self._retry_seconds / 4)
            before = asyncio.get_running_loop().time() - self._retry_seconds
            for task in list(self.tasks.values()):
                if task.updates and task.sent_at < before:
                    self._forward(task)

    async def _allocate(self) -> None:
        while True:
            await asyncio.sleep(self._allocation_interval)
            roles = [role for role in self.framework.get("roles", ()) if role not in self._suppressed]
            if self._stream and roles:
                self._offer(roles)

    def _offer(self, roles: list[str]) -> None:
        now = asyncio.get_running_loop().time()
        refined = self._capable("RESERVATION_REFINEMENT")
        documents = []
        for agent in self.agents.values():
            if agent.offered or not agent.reachable:
                continue
            role = next((r for r in roles if agent.refused_until.get(r, 0.0) <= now), None)
            if role is None or not any(v > 0 and k[1] in ("*", role) for k, v in agent.free.items()):
                continue
            self._number += 1
            agent.offered = f"offer-{self._number}"
            self.offers[agent.offered] = (agent, role)
            documents.append(agent.offer_document(agent.offered, self.framework["id"], role, refined=refined))
        if documents:
            self._send({"type": "OFFERS", "offers": {"offers": documents}})

    def _recover(self, offer_id: str, filters: Json | None = None) -> None:
        agent, role = self.offers.pop(offer_id)
        agent.offered = None
        if filters is not None:
            seconds = float(filters.get("refuse_seconds", DEFAULT_REFUSE_SECONDS))
            agent.refused_until[role] = asyncio.get_running_loop().time() + seconds

    # Calls

    async def _scheduler(self, request: web.Request) -> web.StreamResponse:
        if self.leader:
            raise web.HTTPTemporaryRedirect(f"//{self.leader}/api/v1/scheduler")
        if self._authorization and request.headers.get("Authorization") != self._authorization:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="mesos-master-scheduler"'})
        if request.content_type != "application/json":
            return web.Response(status=415, text="Expecting 'Content-Type' of application/json")
        call = orjson.loads(await request.read())
        stream = request.headers.get("Mesos-Stream-Id")
        try:
            if call.get("type") == "SUBSCRIBE":
                return await self._subscribe(request, call)
            self._check(call, stream)
            self._handle(call)
        except RefusedError as refusal:
            return web.Response(status=refusal.status, text=str(refusal))
        return web.Response(status=202)

    def _check(self, call: Json, stream: str | None) -> None:
        if not stream:
            raise RefusedError(400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
        if "framework_id" not in call:
            raise RefusedError(400, "Expecting 'framework_id' to be present")
        if call["framework_id"]["value"] != self.framework.get("id"):
            raise RefusedError(400, "Framework cannot be found")
        if not self._stream:
            raise RefusedError(403, "Framework is not subscribed")
        if stream != self._stream:
            raise RefusedError(
                400, "The stream ID of this request is not the one currently associated with the framework"
            )

    async def _subscribe(self, request: web.Request, call: Json) -> web.StreamResponse:
        if "Mesos-Stream-Id" in request.headers:
            raise RefusedError(400, "Subscribe calls should not include the 'Mesos-Stream-Id' header")
        info = call["subscribe"]["framework_info"]
        wanted = call.get("framework_id", {}).get("value")
        if wanted != info.get("id", {}).get("value"):
            raise RefusedError(400, "'framework_id' differs from 'subscribe.framework_info.id'")
        stream = str(uuid.uuid4())
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Mesos-Stream-Id": stream})
        if wanted in self._removed:
            await response.prepare(request)
            record = orjson.dumps({"type": "ERROR", "error": {"message": "Framework has been removed"}})
            await response.write(b"%d\n%s" % (len(record), record))
            return response
        self._send({"type": "ERROR", "error": {"message": "Framework failed over"}})
        self.disconnect()
        framework_id = wanted or f"{uuid.uuid4()}-0000"
        if framework_id != self.framework.get("id"):
            self.tasks.clear()
        self.framework = {**info, "id": framework_id, "roles": info.get("roles") or [info.get("role", "*")]}
        self._suppressed = set(call["subscribe"].get("suppressed_roles", ()))
        self._stream = stream
        outbox = self._outbox = asyncio.Queue()
        self.call_counts["SUBSCRIBE"] += 1
        self.calls.append(call)
        for agent in self.agents.values():
            agent.refused_until.clear()
        await response.prepare(request)
        subscribed = {"framework_id": {"value": framework_id}, "heartbeat_interval_seconds": self._heartbeat_seconds}
        subscribed["master_info"] = self._master_info()
        self._send({"type": "SUBSCRIBED", "subscribed": subscribed})
        self._send({"type": "HEARTBEAT"})
        for task in self.tasks.values():
            self._forward(task)
        try:
            while (event := await outbox.get()) is not None:
                await response.write(event)
        except ConnectionError:
            pass  # the scheduler went away; what follows is the same
        finally:
            if self._outbox is outbox:
                self.disconnect()
        return response

    def _handle(self, call: Json) -> None:
        kind = call["type"]
        handler = getattr(self, f"_on_{kind.lower()}", None)
        if handler is None:
            raise RefusedError(400, f"Unknown call {kind}")
        self.call_counts[kind] += 1
        if kind != "ACKNOWLEDGE":
            self.calls.append(call)
        handler(call.get(kind.lower(), {}))

    def _master_info(self) -> Json:
        host, _, port = self.address.rpartition(":")
        address = {"hostname": host, "ip": host, "port": int(port)}
        return {"id": "simulator", "ip": 16777343, "hostname": host, "port": int(port), "address": address}

    def _on_update_framework(self, update: Json) -> None:
        info = update["framework_info"]
        self.framework = {**info, "id": self.framework["id"], "roles": info.get("roles") or ["*"]}
        self._suppressed = set(update.get("suppressed_roles", ()))

    def _on_teardown(self, _: Json) -> None:
        for task in self.tasks.values():
            self.update(task, "TASK_KILLED")
        self.tasks.clear()
        self._removed.add(self.framework.pop("id"))
        self.disconnect()

    def _on_decline(self, decline: Json) -> None:
        for offer_id in decline["offer_ids"]:
            if offer_id["value"] in self.offers:
                self._recover(offer_id["value"], decline.get("filters", {}))

    def _on_suppress(self, suppress: Json) -> None:
        self._suppressed |= set(suppress.get("roles") or self.framework["roles"])

    def _on_revive(self, revive: Json) -> None:
        roles = set(revive.get("roles") or self.framework["roles"])
        self._suppressed -= roles
        for agent in self.agents.values():
            for role in roles:
                agent.refused_until.pop(role, None)

    def _on_accept(self, accept: Json) -> None:
        offers = [offer_id["value"] for offer_id in accept["offer_ids"]]
        infos = [i for o in accept.get("operations", ()) if o["type"] == "LAUNCH" for i in o["launch"]["task_infos"]]
        places = {self.offers[offer][0].id: self.offers[offer] for offer in offers if offer in self.offers}
        if len(places) != 1 or any(offer not in self.offers for offer in offers):
            dropped = "TASK_DROPPED" if self._capable("PARTITION_AWARE") else "TASK_LOST"
            message = "Task launched with invalid offers: an offer is no longer valid"
            for info in infos:
                agent_id = info["agent_id"]["value"]
                self._tell_unknown(info["task_id"]["value"], agent_id, dropped, "REASON_INVALID_OFFERS", message)
        else:
            ((agent, role),) = places.values()
            for info in infos:
                self._launch(agent, role, info)
        for offer in offers:
            if offer in self.offers:
                self._recover(offer, accept.get("filters", {}))

    def _launch(self, agent: SimulatedAgent, role: str, info: Json) -> None:
        task_id = info["task_id"]["value"]
        self.launched[task_id] += 1
        uses, ports = used(info["resources"])
        if problem := self._invalid(agent, role, info, uses, ports):
            self._tell_unknown(task_id, agent.id, "TASK_ERROR", "REASON_TASK_INVALID", problem)
            return
        task = SimulatedTask(task_id, agent, info, uses, set(ports))
        agent.free.subtract(uses)
        agent.used_ports |= task.ports
        self.tasks[task_id] = task
        self.behaviour(self, task)

    def _invalid(self, agent: SimulatedAgent, role: str, info: Json, uses: Amounts, ports: list[int]) -> str | None:
        if info["agent_id"]["value"] != agent.id:
            return f"Task uses invalid agent {info['agent_id']['value']} while agent {agent.id} is expected"
        if info["task_id"]["value"] in self.tasks:
            return "Task has duplicate ID"
        if ("command" in info) == ("executor" in info):
            return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
        if any(resource.get("allocation_info", {}).get("role") != role for resource in info["resources"]):
            return "Resources are not allocated to the offer's role"
        begin, end = agent.ports
        taken = any(port in agent.used_ports or not begin <= port <= end for port in ports)
        over = any(amount > agent.free[key] or key[1] not in ("*", role) for key, amount in uses.items())
        if taken or over or len(set(ports)) != len(ports):
            return f"Task uses more resources {dict(uses)} ports {ports} than available {dict(agent.free)}"
        return None

    def _on_kill(self, kill: Json) -> None:
        task = self.tasks.get(kill["task_id"]["value"])
        if task is None:
            self._on_reconcile({"tasks": [kill]})
        elif task.agent.reachable:
            if self._capable("TASK_KILLING_STATE"):
                self.update(task, "TASK_KILLING")
            self.later(self._kill_seconds, lambda: self.update(task, "TASK_KILLED"))

    def _on_shutdown(self, _: Json) -> None:
        """Executors of command tasks end with their tasks."""

    def _on_acknowledge(self, acknowledge: Json) -> None:
        task = self.tasks.get(acknowledge["task_id"]["value"])
        if task is None or not task.updates or task.updates[0]["uuid"] != acknowledge["uuid"]:
            return  # a second one, as the agent ignores it
        done = task.updates.popleft()
        if done["state"] in TERMINAL:
            del self.tasks[task.id]
        self._forward(task)

    def _on_reconcile(self, reconcile: Json) -> None:
        asked = reconcile.get("tasks") or [{"task_id": {"value": task_id}} for task_id in self.tasks]
        for entry in asked:
            task_id = entry["task_id"]["value"]
            task = self.tasks.get(task_id)
            if task is not None:
                state = task.state if task.agent.reachable else "TASK_UNREACHABLE"
                self._tell(task, state, "REASON_RECONCILIATION")
            else:
                agent_id = entry.get("agent_id", {}).get("value", "")
                agent = self.agents.get(agent_id)
                unknown = "TASK_UNKNOWN" if agent is None else "TASK_GONE" if agent.reachable else "TASK_UNREACHABLE"
                state = unknown if self._capable("PARTITION_AWARE") else "TASK_LOST"
                self._tell_unknown(task_id, agent_id, state, "REASON_RECONCILIATION")
