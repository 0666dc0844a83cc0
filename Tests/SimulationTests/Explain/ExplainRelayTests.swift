import Foundation
import Testing
import Topology
import TopologyFile

@testable import Simulation

/// Where connections to relays end, and what else depends on relays.
@Suite struct ExplainRelayTests {
  private func topology(_ name: String) throws -> Topology {
    var path = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { path.deleteLastPathComponent() }
    return try #require(TopologyLoader.load(path.appendingPathComponent("topologies/\(name).yaml").path).topology)
  }

  private func explain(
    _ file: String, at entry: String, port: UInt16? = nil, name: String? = nil, down: [String] = [],
    cookie: String = ""
  ) throws -> Explanation {
    let topology = try topology(file)
    var faults = NetworkFaults()
    for element in down { try faults.takeDown(element, in: topology) }
    var request = Explainer.Request(entry: entry)
    request.port = port
    request.serverName = name
    request.cookie = cookie
    return try Explainer(topology, faults, request).explain()
  }

  @Test(arguments: [
    ("shop.example", "SD-1"), ("a.b.shop.example", "SD-1"), ("DESKTOPS.example.", "desk"), ("other.example", nil),
    ("xshop.example", nil), (nil, nil),
  ])
  func theNameThatTLSAsksForChoosesThePool(name: String?, server: String?) throws {
    let found = try explain("tls-relays", at: "front", name: name)
    #expect(found.result.server == server)
    #expect(found.visit.application == (server == nil ? nil : server == "desk" ? "terminals" : "shops"))
    #expect((found.visit.error == "the TLS alert unrecognized_name") == (server == nil))
  }

  @Test func serversOfPoolsFailAsThoseOfTheRelayDo() throws {
    #expect(try explain("tls-relays", at: "front", name: "desktops.example", down: ["desk"]).result.server == nil)
    #expect(try explain("tls-relays", at: "front", name: "shop.example", down: ["SD"]).result.server == nil)
    #expect(try explain("tls-relays", at: "front", name: "shop.example", down: ["desk"]).result.server == "SD-1")
  }

  @Test func aServerWithoutAPortIsReachedAtTheClients() throws {
    for (port, reached) in [(nil, 3389), (1494, 1494), (5900, 5900)] as [(UInt16?, Int)] {
      let found = try explain("tcp-relays", at: "LB1", port: port)
      #expect(found.visit.attempts.last?.outcome.hasPrefix("connected to 127.1.1.10:\(reached)") == true)
    }
  }

  @Test func aMonitorTellsWhetherAnybodyLives() throws {
    #expect(try explain("tcp-relays", at: "LB1", port: 8081).result.status == 200)
    #expect(try explain("tcp-relays", at: "LB1", port: 8081, down: ["tse-farm"]).result.status == 503)
    #expect(try explain("multi-site", at: "SD1", port: 8081).result.status == 200)
    #expect(try explain("multi-site", at: "SD1", port: 8081, down: ["S1L1", "S1L2"]).result.status == 503)
  }

  /// The balancer is asked for its health through a relay.
  @Test func whatIsAskedThroughARelayIsDownWithIt() throws {
    let found = try explain("multi-site", at: "SD1", down: ["S1L1-health"])
    #expect(found.result.path.dropFirst().first == "S1L2")
    let candidate = try #require(found.visit.attempts.first?.candidates.first { $0.name == "S1L1" })
    #expect(candidate.standing == "down")
  }

  /// The relay makes the port that tells whether the server takes new users.
  @Test func withoutItsAdmissionPortAServerKeepsItsUsersOnly() throws {
    let file = "port-redirector"
    let found = try explain(file, at: "LB1", down: ["admitA"])
    #expect(found.result.path.last == "webB")
    let candidate = try #require(found.visit.attempts.first?.candidates.first { $0.name == "webA" })
    #expect(candidate.standing == "own-users-only")
  }
}
