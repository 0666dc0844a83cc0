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

  @Test func endingsAreToldInWords() {
    #expect(ChildProcess.Ending.exited(0).text == "stopped")
    #expect(ChildProcess.Ending.exited(1).text == "failed with exit code 1")
    #expect(ChildProcess.Ending.signalled(9).text == "was killed (SIGKILL)")
    #expect(ChildProcess.Ending.exited(1).isFailure && !ChildProcess.Ending.signalled(9).isFailure)
  }
}
