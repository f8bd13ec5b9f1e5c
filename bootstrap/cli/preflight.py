"""`bootstrap preflight`: what stands in the way of a run, on this machine and on every node, at once."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bootstrap.errors import ExitStatus
from bootstrap.model import ADMIN_ROLE
from bootstrap.report import Report

if TYPE_CHECKING:
    from bootstrap.drivers import Driver
    from bootstrap.model import Cluster, Machine
    from bootstrap.preflight import Finding
    from bootstrap.preflight.inspection import Inspection

HELP = "look for what stands in the way, on this machine and on every node at once; changes nothing"


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Every node is asked, also those that an earlier run found good."""
    from bootstrap import config, drivers, preflight, whose_machines
    from bootstrap.hosts import Hosts
    from bootstrap.preflight.inspection import inspect

    started = time.monotonic()
    cluster = config.load(args.env)
    whose_machines.refuse(cluster)
    findings = [*preflight.given_secrets(cluster), *preflight.check(cluster)]
    machines = _machines(drivers.get(cluster), cluster, report)
    if machines:
        with Hosts(cluster.env, machines) as hosts:
            inspection = inspect(cluster, hosts, machines, [machine.node for machine in machines])
            if inspection.fatal and _reached(cluster, inspection):
                whose_machines.refuse_by_file(cluster, hosts)  # full of what is somebody else's: one sentence says why
            findings += inspection.findings
    absent = [node.name for node in cluster.nodes if node.name not in {machine.node for machine in machines}]
    errors = sum(finding.severity == preflight.ERROR for finding in findings)
    if report.as_json:
        report.json(
            {
                "env": cluster.env,
                "nodes": [machine.node for machine in machines],
                "absent": absent,
                "seconds": round(time.monotonic() - started, 3),
                "findings": [finding.as_json() for finding in findings],
            }
        )
    _print(findings, report)
    if absent:
        report.line(f"no machine yet, hence not asked: {', '.join(absent)}")
    summary = f"{len(machines)} nodes asked in {time.monotonic() - started:.1f} s"
    report.line(f"{cluster.env}: {errors} errors, {len(findings) - errors} remarks; {summary}")
    return ExitStatus.PREFLIGHT if errors else ExitStatus.OK


def _reached(cluster: Cluster, inspection: Inspection) -> bool:
    """Whether the admin node was asked and answered."""
    admin = cluster.with_role(ADMIN_ROLE)[0].name
    return admin in inspection.nodes and admin not in inspection.errors


def _machines(driver: Driver, cluster: Cluster, report: Report) -> tuple[Machine, ...]:
    """Those that are there. Hosts that exist are reached for the first time, which settles their keys."""
    from bootstrap.errors import HostKeyError, OperatorError
    from bootstrap.model import LAB_DRIVERS

    if cluster.driver in LAB_DRIVERS:
        return driver.machines()
    try:
        return driver.create(lambda node, text: report.progress("preflight", text, node=node)).machines
    except HostKeyError:
        raise
    except OperatorError:
        return driver.machines()  # some do not let us in: told beside what is found on the others


def _print(findings: Sequence[Finding], report: Report) -> None:
    for finding in findings:
        report.line(f"{finding.severity}: {finding.node or 'this machine'}: {finding.found}")
        report.line(f"    wanted: {finding.wanted} ({finding.why})")
        report.line(f"    waived: {finding.reason}" if finding.reason else f"    fix:    {finding.fix}")
        report.line(f"    rule:   {finding.rule}")
