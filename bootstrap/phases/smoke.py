"""Phase `smoke`: an application deployed through Marathon's API answers through the edge, also while it is changed."""

from __future__ import annotations

from bootstrap import canary, log_index
from bootstrap.errors import NotReadyError
from bootstrap.health.net import Login
from bootstrap.phases import Context, PhaseResult
from bootstrap.plan import Phase
from bootstrap.smoke import sample
from bootstrap.smoke.edge import Edge
from bootstrap.smoke.marathon import Marathon
from bootstrap.smoke.proof import Proof

USER = "operator"
AGENT_ROLE = "mesos-agent"


def run(context: Context, phase: Phase) -> PhaseResult:
    """No change where the sample application is there and served. Raises NotReadyError or VerifyError.

    The canary is left to the checks of role logs where these are under way already: they let it sing as well.
    """
    proof = proof_of(context)
    note = f"the sample application answers at {sample.url(context.cluster) or 'the edge'}"
    if proof.holds():
        return PhaseResult(notes=(note, *(() if context.verifying else _canary(context))))
    seen = proof.show(lambda text: context.progress(phase.name, text))
    return PhaseResult(changes={phase.nodes[0]: 1}, notes=(seen, note, *_canary(context)))


def _canary(context: Context) -> tuple[str, ...]:
    """How long a container's line takes into the index, where lines are shipped."""
    shipped = {node.name for node in context.cluster.with_role(log_index.ROLE)}
    agents = [node.name for node in context.cluster.with_role(AGENT_ROLE) if node.name in shipped]
    if not agents:
        return ()

    def run_on(node: str, command: str) -> None:
        result = context.hosts.run(node, command, sudo=True)
        if not result.ok:
            raise NotReadyError(
                "the canary's container did not start",
                where=node,
                lines=list(result.tail()),
                next_step=f"bootstrap ssh {node} -- journalctl -n 50 -u docker",
            )

    index = log_index.of(context.cluster, Login(USER, context.secrets.value(log_index.SECRET)))
    found = canary.show(run_on, index, agents, sample.IMAGE)
    canary.keep(context.cluster.env, found)
    return (canary.note(found),)


def proof_of(context: Context) -> Proof:
    """With the addresses and logins of this environment."""
    plan, secrets = context.plan, context.secrets
    ports = plan.pillar["ingress"]["ports"]
    edges = [
        Edge(
            node.name,
            str(node.address),
            ports["http"],
            ports["api"],
            Login(USER, secrets.value("router-api")) if "router-api" in plan.secrets[node.name] else None,
        )
        for node in context.cluster.with_role(sample.ROLE)
    ]
    login = Login(USER, secrets.value("marathon-operator"))
    return Proof(Marathon(plan.pillar["marathon"]["endpoints"], login), edges, context.cluster.domain)
