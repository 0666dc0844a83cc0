"""The four-machine cluster under the load that its document shows: ten thousand requests, a thousand at once, on kept connections."""

import pytest

from harness import ab
from harness.geodirector import Geodirector
from harness.network import Network
from harness.rendered import Rendered
from harness.topology import Topology


@pytest.mark.timeout(180)
@pytest.mark.xdist_group("scenarios")
@pytest.mark.parametrize("system", [Geodirector, Rendered], ids=["geodirector", "HAProxy"])
def test_ten_thousand_requests_a_thousand_at_once_and_none_fails(system, tmp_path, monkeypatch):
    monkeypatch.setenv("STATUS_PASSWORD", "pass")
    topology = Topology.read("cache-cluster")
    topology.data["admin"] = {"socket": f"{tmp_path}/{{node}}.command"}
    with Network(topology, system(), tmp_path) as cluster:
        told = ab.run(cluster.specs["proxy1"].service, 10_000, 1_000, "/favicon.ico?bytes=894")
    assert (told["complete"], told["failed"], told["kept"]) == (10_000, 0, 10_000), told
