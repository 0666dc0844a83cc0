import DemoServer
import Testing
import Topology

@testable import geodirector

@Suite struct NodeLookupTests {
  private let lookup = NodeLookup(entries: [
    ("OP1", .officeProxy), ("SD1", .siteDirector), ("SD2", .siteDirector), ("W11", .demoServer),
  ])

  @Test func aNodeOfTheRoleIsNoProblem() {
    #expect(lookup.problem(name: "SD1", role: .siteDirector, topologyPath: "t.yaml") == nil)
  }

  @Test func theWrongRoleIsAnsweredWithTheRightCommand() {
    #expect(
      lookup.problem(name: "SD1", role: .officeProxy, topologyPath: "my net.yaml")
        == "SD1 is a site director: run `geodirector deploy site-director SD1 --topology 'my net.yaml'`")
    #expect(
      lookup.problem(name: "OP1", role: .demoServer, topologyPath: "t.yaml")
        == "OP1 is an office proxy: run `geodirector deploy office-proxy OP1 --topology t.yaml`")
  }

  @Test func anUnknownNodeIsAnsweredWithTheNearestAndTheList() {
    #expect(
      lookup.problem(name: "SD3", role: .siteDirector, topologyPath: "t.yaml")
        == "there is no site director \"SD3\" in t.yaml; did you mean SD1? (site directors: SD1, SD2)")
    #expect(
      lookup.problem(name: "X", role: .siteBalancer, topologyPath: "t.yaml")
        == "there is no site balancer \"X\" in t.yaml; it has no site balancers")
  }

  @Test(arguments: [
    ("plain-1.yaml", "plain-1.yaml"), ("", "''"), ("it's", "'it'\\''s'"), ("a b", "'a b'"), ("$x", "'$x'"),
  ])
  func wordsAreQuotedForTheShell(word: String, quoted: String) {
    #expect(ShellQuoting.quoted(word) == quoted)
  }
}

@Suite struct DeployReportTests {
  @Test func columnsAreAlignedAndLinesEndWithTheirLastCell() {
    #expect(DeployReport.aligned([["A", "BB", "C"], ["AAA", "B", "C"]]) == "A    BB  C\nAAA  B   C\n")
  }

  @Test func theTableNamesEveryNodeAndWhatIsNotStartedHere() {
    let node = SupervisedNode(
      name: "W1", role: .demoServer, addresses: [.ipv4(0x7F00_0001, port: 80)], arguments: [], state: .external)
    #expect(
      DeployReport.table([node])
        == "NODE  ROLE    ADDRESS       PID  STATE\nW1    server  127.0.0.1:80  -    external\n")
  }

  /// Whoever stands in front: offices, else directors, balancers, relays.
  @Test(arguments: [
    ("two-sites", "OP1", "OP3"), ("backup-server", "puppet00", "puppet01"), ("web-farm", "LB1", "LB1"),
    ("web-farm-pair", "LB1", "LB2"), ("port-redirector", "LB1", "LB1"), ("cache-cluster", "proxy1", "proxy2"),
    ("unicast-failover", "node1", "node3"),
  ])
  func thereAreLinesToTryTheNetworkWith(name: String, first: String, last: String) throws {
    let topology = try readyMade(name)
    let lines = DeployReport.examples(topology).split(separator: "\n").filter { $0.hasPrefix("  curl ") }
    let address = { (node: String) in
      topology.nodes.first { $0.name == node }?.listen.first.map { "http://\($0)/" } ?? "?"
    }
    #expect(lines.count == 3)
    #expect(lines[0].contains(address(first)) && lines[0].contains("a user of \(first);"), "\(lines)")
    #expect(lines[1].contains("'\(address(first))?format=json'"), "\(lines)")
    #expect(lines[2].contains(address(last)) && lines[2].contains("a new user of \(last),"), "\(lines)")
  }

  @Test func aRelayIsTriedInItsOwnProtocol() throws {
    var topology = try readyMade("tcp-relays")
    #expect(
      DeployReport.examples(topology) == """

        Try it, from another terminal, when their servers run:
          nc 127.1.1.1 3389   # a connection by LB1
          nc 127.1.1.2 3389   # a connection by LB2
          openssl s_client -connect 127.1.1.1:1514   # a connection by syslog

        Ctrl-C stops the network.

        """)
    topology.relays[0].check = .http(.standard)
    topology.relays[1].listen[0].address.value = .unix(path: "/run/a b.sock")
    topology.relays[2].listen[0].address.value = .ipv6(high: 0, low: 0, port: 1514)
    #expect(
      DeployReport.examples(topology).split(separator: "\n").filter { $0.hasPrefix("  ") } == [
        "  curl http://127.1.1.1:3389/   # a connection by LB1", "  nc -U '/run/a b.sock'   # a connection by LB2",
        "  openssl s_client -connect localhost:1514   # a connection by syslog",
      ])
    topology.relays[1].listen[0].address.value = .ipv6(high: 0, low: 1, port: 25)
    #expect(DeployReport.examples(topology).contains("  nc ::1 25   #"))
    topology.relays = []
    #expect(DeployReport.examples(topology) == "")
  }

  @Test func endingsAreToldInWords() {
    #expect(ChildProcess.Ending.exited(0).text == "stopped")
    #expect(ChildProcess.Ending.exited(1).text == "failed with exit code 1")
    #expect(ChildProcess.Ending.signalled(9).text == "was killed (SIGKILL)")
    #expect(ChildProcess.Ending.exited(1).isFailure && !ChildProcess.Ending.signalled(9).isFailure)
  }
}
