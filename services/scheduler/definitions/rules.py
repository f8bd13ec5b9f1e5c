"""Rules over a whole application, beyond the shape of its document; all violations are collected."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from services.scheduler.definitions import rules_checks, rules_network
from services.scheduler.definitions.app import App, Constraint, Container
from services.scheduler.definitions.build import SINGLE_INSTANCE
from services.scheduler.definitions.errors import Problems

RESERVED_NAMES = ("restart", "tasks", "versions", ".", "..")
MOST_ID = 200  # Mesos allows 255 for a task id: ours adds ".instance-<uuid>._app.1"

_NOT_IN_ROLES = re.compile(r"[\t\n\v\f\r /\x7f]")
_NOT_IN_URIS = re.compile(r'[\s<>"{}|\\^`]|%(?![0-9A-Fa-f]{2})')
# Docker parameters that give what "privileged" gives.
_PRIVILEGES = {"privileged": {"true", "1", "t", ""}, "cap-add": {"all", "sys_admin", "cap_sys_admin"}}


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows and presets."""

    allow_privileged: bool = False
    default_role: str = "*"
    default_network_name: str | None = None
    local_port_min: int = 10000  # service ports that the scheduler gives
    local_port_max: int = 20000


def check(app: App, policy: Policy, *, roles: Collection[str] | None, problems: Problems) -> None:
    """Reports every rule that `app` breaks. `roles`: the ones it may have; None: any well-formed one."""
    _check_id(app, problems)
    _check_command(app, problems)
    _check_roles(app, roles, problems)
    _check_limits(app, problems)
    for name in app.env:
        if not name:
            problems.add("/env", "names of environment variables must not be empty")
    for index, constraint in enumerate(app.constraints):
        error = _of_constraint(constraint)
        if error:
            problems.add(f"/constraints({index})", error)
    for index, fetch in enumerate(app.fetch):
        if _NOT_IN_URIS.search(fetch.uri):
            problems.add(f"/fetch({index})/uri", "URI has invalid syntax.")
    if app.container is not None:
        _check_container(app.container, policy, problems)
    _check_single_instance(app, problems)
    rules_network.check(app, problems)
    rules_checks.check(app, problems)


def _check_id(app: App, problems: Problems) -> None:
    if app.id == "/":
        problems.add("/id", "Path must contain at least one path element")
    if app.id.rpartition("/")[2] in RESERVED_NAMES:
        problems.add("/id", f"must not end with any of the following reserved keywords: {', '.join(RESERVED_NAMES)}")
    if len(app.id) > MOST_ID:
        problems.add("/id", f"must not be longer than {MOST_ID} characters: task ids are made of it")
    if app.id in app.dependencies:
        problems.add("/dependencies", "an application must not depend on itself")


def _check_command(app: App, problems: Problems) -> None:
    has_image = app.container is not None and app.container.image is not None
    if (app.cmd is not None and app.args) or (app.cmd is None and not app.args and not has_image):
        problems.add("", "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.")


def _check_roles(app: App, roles: Collection[str] | None, problems: Problems) -> None:
    error = _of_role(app.role)
    if error:
        problems.add("/role", error)
    elif roles is not None and app.role not in roles:
        problems.add("/role", f"must be one of {', '.join(sorted(roles))}")
    others = [role for role in app.accepted_resource_roles if role not in ("*", app.role)]
    if others:
        error = f'may only contain "*" and the application\'s role "{app.role}", not {", ".join(others)}'
        problems.add("/acceptedResourceRoles", error)


def _of_role(role: str) -> str | None:
    if role in (".", ".."):
        return f'A role name must not be "{role}".'
    if role.startswith("-"):
        return "A role name must not start with a '-'."
    if _NOT_IN_ROLES.search(role):
        return "A role name must not include white space, a slash or a backspace."
    return None


def _check_limits(app: App, problems: Problems) -> None:
    for name, limit, wanted in (("cpus", app.cpus_limit, app.cpus), ("mem", app.mem_limit, app.mem)):
        if limit is not None and limit < wanted:
            problems.add(f"/resourceLimits/{name}", f'must be at least the application\'s {name}, or "unlimited"')


def _of_constraint(constraint: Constraint) -> str | None:
    operator, value = constraint.operator, constraint.value
    error = None
    if not constraint.field:
        error = "Missing field and operator"
    elif operator == "UNIQUE" and value is not None:
        error = "Value specified but not used"
    elif operator in ("CLUSTER", "IS") and not value:
        error = "Missing value"
    elif operator == "GROUP_BY" and value is not None and not _is_count(value):
        error = "GROUP_BY may either have no value or an integer value"
    elif operator == "MAX_PER" and not _is_count(value or ""):
        error = "MAX_PER must have an integer value"
    elif operator in ("LIKE", "UNLIKE"):
        error = _of_pattern(value)
    return error


def _is_count(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", value) is not None


def _of_pattern(value: str | None) -> str | None:
    if value is None:
        return "A regular expression value must be provided"
    try:
        re.compile(value)
    except re.error as error:
        return f"'{value}' is not a valid regular expression: {error}"
    return None


def _check_container(container: Container, policy: Policy, problems: Problems) -> None:
    if container.type == "DOCKER" and container.image is None:
        problems.add("/container/docker", "not defined")
    if policy.allow_privileged:
        return
    if container.privileged:
        problems.add("/container/docker/privileged", "privileged containers are not allowed by this scheduler")
    for index, (key, value) in enumerate(container.parameters):
        if value.strip().lower() in _PRIVILEGES.get(key.strip().lower().lstrip("-"), ()):
            path = f"/container/docker/parameters({index})"
            problems.add(path, f"privileged containers are not allowed by this scheduler: {key}={value}")


def _check_single_instance(app: App, problems: Problems) -> None:
    if app.labels.get(SINGLE_INSTANCE) != "true":
        return
    if app.instances > 1:
        problems.add("", "Single instance app may only have one instance")
    strategy = app.upgrade_strategy
    if strategy.minimum_health_capacity != 0:
        problems.add("/upgradeStrategy/minimumHealthCapacity", "must be 0 for a single instance app")
    if strategy.maximum_over_capacity != 0:
        problems.add("/upgradeStrategy/maximumOverCapacity", "must be 0 for a single instance app")
