"""How the scheduler introduces itself."""

from __future__ import annotations

from services.scheduler.mesos import framework
from services.scheduler.mesos.detector import ListDetector, ZooKeeperDetector
from services.scheduler.settings import Settings


def test_info_of_a_new_framework() -> None:
    assert framework.info(Settings(master="m:5050", hostname="s-1"), None) == {
        "user": "root",
        "name": "marathon",
        "roles": ["*"],
        "checkpoint": True,
        "failover_timeout": 604800.0,
        "hostname": "s-1",
        "webui_url": "http://s-1:8080/",
        "capabilities": [
            {"type": "PARTITION_AWARE"},
            {"type": "TASK_KILLING_STATE"},
            {"type": "MULTI_ROLE"},
            {"type": "REGION_AWARE"},
        ],
    }


def test_info_with_everything() -> None:
    settings = Settings(
        master="m:5050",
        hostname="s-1",
        mesos_role="prod",
        mesos_authentication_principal="marathon",
        webui_url="https://marathon.example/",
        enable_features=("gpu_resources",),
    )
    info = framework.info(settings, "id-1", {"dev", "prod"})
    assert info["id"] == {"value": "id-1"}
    assert info["roles"] == ["dev", "prod"]
    assert info["principal"] == "marathon"
    assert info["webui_url"] == "https://marathon.example/"
    assert {"type": "GPU_RESOURCES"} in info["capabilities"]


def test_detector_by_address() -> None:
    assert isinstance(framework.detector(Settings(master="zk://u:p@z1:2181,z2:2181/mesos")), ZooKeeperDetector)
    assert isinstance(framework.detector(Settings(master="m1:5050,m2:5050")), ListDetector)
