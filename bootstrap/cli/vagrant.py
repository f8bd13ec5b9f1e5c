"""`bootstrap vagrant`: what the Vagrantfile reads."""

from __future__ import annotations

import argparse

from bootstrap.errors import ExitStatus, UsageError
from bootstrap.report import Report

HELP = "what the Vagrantfile reads: machines, their arguments, image and key"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Without --prepare nothing is made but the environment's SSH key."""
    parser.add_argument("--prepare", action="store_true", help="make the machine image and the network first")


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Called by the Vagrantfile itself; `vagrant up` is for people."""
    from bootstrap import config, paths, state_folder
    from bootstrap.drivers import vagrant
    from bootstrap.execute import exclusive

    cluster = config.load(args.env)
    if cluster.driver != "vagrant":
        raise UsageError(
            f"environment '{cluster.env}' has driver {cluster.driver}",
            where=str(cluster.path),
            next_step="vagrant reads environments with `driver: {name: vagrant}`, as pillar/env/vagrant is one",
        )
    if args.prepare:
        with exclusive(paths.state_dir(cluster.env)):
            state_folder.claim(cluster)
            document = vagrant.get(cluster).prepare(lambda node, text: report.progress("machines", text, node=node))
    else:
        document = vagrant.inputs(cluster)
    if report.as_json:
        report.json(document)
    rows = [(machine["name"], machine["address"], machine["container"]) for machine in document["machines"]]
    report.table(["machine", "address", "container"], rows)
    report.line(f"provider {document['provider']}, image {document['image']}, key {document['key']}")
    return ExitStatus.OK
