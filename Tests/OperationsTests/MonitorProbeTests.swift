import CReactor
import Testing
import Topology

@testable import Operations

@Suite struct MonitorProbeTests {
  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nGeodirector-Health: admit=?1, alive=?1\r\n\r\n", true),
    ("HTTP/1.1 503 Service Unavailable\r\ngeodirector-health: admit=?0, alive=?1, digest=\"x\"\r\n\r\n", true),
    ("HTTP/1.1 503 Service Unavailable\r\nGeodirector-Health: admit=?0, alive=?0\r\n\r\n", false),
    (
      "HTTP/1.1 503 Service Unavailable\r\nGeodirector-Health: admit=?0, alive=?0, digest=\"x\", serves=?1\r\n\r\n",
      true
    ),
    ("HTTP/1.0 204 No Content\r\n\r\n", true),
    ("HTTP/1.1 503 Service Unavailable\r\n\r\nGeodirector-Health: admit=?1, alive=?1\r\n\r\n", false),
    ("SSH-2.0-OpenSSH\r\n\r\n", false),
    ("\r\n\r\n", false),
  ])
  func anAnswerIsJudgedByWhatItSaysOfOwnUsersElseByItsStatus(answer: String, isWell: Bool) {
    #expect((MonitorProbe.judge(answer) == .well) == isWell)
  }

  @Test func aNameServerThatIsSilentDelaysNobodyForLongerThanItMay() {
    let clock = ContinuousClock()
    let began = clock.now
    let answer = NameLookup.answer(within: 50) {
      cr_pause(2_000)
      return .nothing
    }
    guard case .silence = answer else {
      Issue.record("an answer came, though nobody gave one in time")
      return
    }
    #expect(clock.now - began < .milliseconds(1_500))
  }

  @Test func aNameThatIsKnownIsFoundAndOneThatIsNotIsNot() {
    guard case .nothing = NameLookup.answer(within: 5_000, { .nothing }) else {
      Issue.record("nothing is what was found")
      return
    }
    guard case .found = NameLookup.first(of: "127.0.0.1", port: 80, within: 5_000) else {
      Issue.record("an address is its own name")
      return
    }
  }

  @Test func nobodyThereIsNotWell() {
    #expect(MonitorProbe.ask(.unix(path: "/nowhere/at/all"), within: 200) == .notWell("No such file or directory"))
  }
}
