"""One action of a step: looks at what there is, does what is to be done next, and says whether it is finished.

An action counts nothing from events, and keeps nothing between its looks: after a failover, or whatever may
happen to instances meanwhile, the next look is right again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import filterfalse, islice

from services.scheduler.definitions.app import App
from services.scheduler.deployments import upgrade
from services.scheduler.deployments.parts import Parts
from services.scheduler.deployments.plan import Action, ActionType, DeploymentPlan
from services.scheduler.deployments.upgrade import Member, View
from services.scheduler.instances import kill_selection
from services.scheduler.instances.instance import Condition, Instance

_KILLS_OF_A_LOOK = 200  # more follow with the next look, since each kill is told to everybody at once
_OUT_OF_REACH = (Condition.UNREACHABLE, Condition.UNREACHABLE_INACTIVE)


def begin(action: Action, plan: DeploymentPlan, parts: Parts) -> None:
    """Before the first look: what waits for offers by the old definition waits no longer, nor for its failures.

    Instances that run the wanted definition under an older version get the new one, so that everybody (constraints,
    clients that wait for the version) sees them as what they are. Their environment still names the old version.
    """
    app = action.app
    parts.queue.purge(app.id)
    parts.queue.reset_delay(app.id)
    for instance in list(parts.instances.of(app.id).values()):
        if plan.takes_over(app.id, instance.version):
            parts.instances.update(instance, version=app.version)


def look(action: Action, plan: DeploymentPlan, parts: Parts) -> bool:
    """One look and what follows from it. True: finished."""
    match action.type:
        case ActionType.START:
            return True  # with no instance: a scale follows in the step of its layer
        case ActionType.STOP:
            return _stop(action.app, parts)
        case ActionType.SCALE:
            return _scale(action, plan, parts)
        case ActionType.RESTART:
            return _restart(action.app, plan, parts)


def serves(app: App, instance: Instance) -> bool:
    """It runs, is healthy, and was ready."""
    return (
        instance.condition is Condition.RUNNING
        and (instance.healthy is True or not app.health_checks)
        and (instance.ready or not app.readiness_checks)
    )


def _live(app_id: str, parts: Parts) -> list[Instance]:
    return [instance for instance in parts.instances.of(app_id).values() if not instance.condition.is_terminal]


def _is_outdated(app: App, instance: Instance) -> bool:
    return instance.version < app.last_config_change_at


def _is_leaving(instance: Instance) -> bool:
    return instance.condition is Condition.KILLING


def _kill(instances: Iterable[Instance], parts: Parts) -> None:
    """Those out of reach are forgotten: should they come back, they are unknown and killed then."""
    chosen = list(filterfalse(_is_leaving, instances))
    away = [instance for instance in chosen if instance.condition in _OUT_OF_REACH]
    here = [instance for instance in chosen if instance.condition not in _OUT_OF_REACH]
    if away:
        parts.killer.kill(away, wipe=True)
    if here:
        parts.killer.kill(here)


def _stop(app: App, parts: Parts) -> bool:
    if parts.queue.count(app.id):
        parts.queue.purge(app.id)
    live = _live(app.id, parts)
    if not live:
        parts.bus.publish("app_terminated_event", appId=app.id)
        return True
    _kill(_some(live), parts)
    return False


def _scale(action: Action, plan: DeploymentPlan, parts: Parts) -> bool:
    app = action.app
    live = _live(app.id, parts)
    active = [instance for instance in live if instance.condition.is_active]
    started = [instance for instance in active if instance.staged_at >= plan.version]
    _check_readiness(app, started, parts)
    surplus = len(active) - app.instances
    if surplus > 0:
        _want(app, 0, parts)
        _kill(_some(_first(action, active, surplus)), parts)
        return False
    _want(app, -surplus, parts)
    return not surplus and not any(map(_is_leaving, live)) and all(serves(app, instance) for instance in started)


def _some(instances: Iterable[Instance]) -> list[Instance]:
    return list(islice(filterfalse(_is_leaving, instances), _KILLS_OF_A_LOOK))


def _first(action: Action, active: list[Instance], surplus: int) -> list[Instance]:
    """Those that were named, then by the application's kill selection."""
    named = [instance for instance in active if instance.id in action.first][:surplus]
    chosen = {instance.id for instance in named}
    others = [instance for instance in active if instance.id not in chosen]
    return [*named, *kill_selection.select(action.app, others, surplus - len(named))]


def _restart(app: App, plan: DeploymentPlan, parts: Parts) -> bool:
    live = _live(app.id, parts)
    old = [instance for instance in live if _is_outdated(app, instance)]
    # An old one that was given up and replaced already holds no room, and must not come back.
    _kill([instance for instance in old if instance.condition is Condition.UNREACHABLE_INACTIVE], parts)
    old = [instance for instance in old if instance.condition.is_active]
    new = [instance for instance in live if instance.condition.is_active and not _is_outdated(app, instance)]
    _check_readiness(app, new, parts)
    queued = parts.queue.count(app.id)
    view = View(
        old=[Member(i.id, _old_serves(i, plan)) for i in kill_selection.select(app, old, len(old))],
        new=[Member(i.id, serves(app, i)) for i in kill_selection.select(app, new, len(new))],
        leaving=sum(map(_is_leaving, live)),
        queued=queued,
    )
    move = upgrade.next_move(app.instances, app.upgrade_strategy, view)
    if move.done:
        return True
    _want(app, min(queued, max(0, app.instances - len(new))) + move.launch, parts)
    chosen = set(move.kill)
    _kill([instance for instance in live if instance.id in chosen], parts)
    return False


def _old_serves(instance: Instance, plan: DeploymentPlan) -> bool:
    """By the definition it runs, as far as that is known; of older ones what its health says."""
    change = plan.changes.apps[instance.app_id]
    checked = False
    if change.before is not None and instance.version >= change.before.last_config_change_at:
        checked = bool(change.before.health_checks)
    healthy = instance.healthy is True if checked else instance.healthy is not False
    return instance.condition is Condition.RUNNING and healthy


def _want(app: App, count: int, parts: Parts) -> None:
    queued = parts.queue.count(app.id)
    if count > queued:
        parts.queue.add(app, count - queued)
    elif count < queued:
        parts.queue.set(app, count)


def _check_readiness(app: App, instances: Collection[Instance], parts: Parts) -> None:
    if not app.readiness_checks:
        return
    parts.readiness.keep(app.id, {instance.id for instance in instances})
    for instance in instances:
        if instance.condition is Condition.RUNNING and not instance.ready:
            parts.readiness.watch(app, instance)
