import Testing
import Topology

@testable import Operations

@Suite struct MonitorProbeTests {
  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nGeodirector-Health: admit=?1, alive=?1\r\n\r\n", true),
    ("HTTP/1.1 503 Service Unavailable\r\ngeodirector-health: admit=?0, alive=?1, digest=\"x\"\r\n\r\n", true),
    ("HTTP/1.1 503 Service Unavailable\r\nGeodirector-Health: admit=?0, alive=?0\r\n\r\n", false),
    ("HTTP/1.0 204 No Content\r\n\r\n", true),
    ("HTTP/1.1 503 Service Unavailable\r\n\r\nGeodirector-Health: admit=?1, alive=?1\r\n\r\n", false),
    ("SSH-2.0-OpenSSH\r\n\r\n", false),
    ("\r\n\r\n", false),
  ])
  func anAnswerIsJudgedByWhatItSaysOfOwnUsersElseByItsStatus(answer: String, isWell: Bool) {
    #expect((MonitorProbe.judge(answer) == .well) == isWell)
  }

  @Test func nobodyThereIsNotWell() {
    #expect(MonitorProbe.ask(.unix(path: "/nowhere/at/all"), within: 200) == .notWell("No such file or directory"))
  }
}
