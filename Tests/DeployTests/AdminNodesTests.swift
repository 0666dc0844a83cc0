import Foundation
import Testing
import Topology

@testable import geodirector

/// A ready-made topology.
func readyMade(_ name: String) throws -> Topology {
  let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  return try TopologyFiles.load(root.appendingPathComponent("topologies/\(name).yaml").path, warnings: false)
}

@Suite struct AdminNodesTests {
  /// `admitA` and `admitB` have the servers, but make their admission ports only.
  @Test func aRelayThatMakesAnAdmissionPortSendsNobody() throws {
    let farm = try readyMade("port-redirector")
    let names = { (servers: [String], given: [String], absent: [String]) in
      try AdminNodes.names(sendingTo: servers, given: given, without: absent, in: farm)
    }
    #expect(try names(["webA"], ["LB1"], []) == ["LB1"])
    #expect(try names([], ["LB1"], []) == ["LB1"])
    #expect(try names(["webA", "webB"], [], []) == ["LB1"])
    #expect(try AdminNodes.nodes(concerning: "webA", in: farm, orRunning: false) == ["LB1"])
    #expect(try AdminNodes.nodes(concerning: "admitA", in: farm, orRunning: false) == ["admitA"])
    // The balancer sends to it, whoever else is given; and instead of one that does not run no relay of checks is asked.
    #expect(throws: DeployFailure.self) { try names(["webA"], ["admitA"], []) }
    #expect(throws: DeployFailure.self) { try names(["webA"], [], ["LB1"]) }
  }

  @Test func aRelayByWhichAMonitorIsAskedSendsNobody() throws {
    let world = try readyMade("multi-site")
    let senders = try AdminNodes.names(sendingTo: ["S1L1"], given: [], without: [], in: world)
    #expect(!senders.isEmpty && !senders.contains("S1L1-health"), "\(senders)")
    #expect(senders.contains("SD1"))
    #expect(world.relays.allSatisfy { !world.carriesUsers($0) })
  }

  @Test func aRelayThatUsersConnectToSends() throws {
    let relays = try readyMade("tcp-relays")
    #expect(try AdminNodes.names(sendingTo: ["tse-farm"], given: [], without: [], in: relays) == ["LB1", "LB2"])
    #expect(throws: DeployFailure.self) {
      try AdminNodes.names(sendingTo: ["tse-farm"], given: ["LB1"], without: [], in: relays)
    }
    #expect(try AdminNodes.nodes(concerning: "tse-farm", in: relays, orRunning: false) == ["LB1", "LB2"])
    // A port of its own beside that for checks.
    var farm = try readyMade("port-redirector")
    farm.relays[0].listen.append(relays.relays[0].listen[0])
    #expect(try AdminNodes.nodes(concerning: "webA", in: farm, orRunning: false) == ["LB1", "admitA"])
    #expect(try AdminNodes.nodes(concerning: "webB", in: farm, orRunning: false) == ["LB1"])
  }
}
