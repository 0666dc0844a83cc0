import Testing
import Topology

@testable import Simulation
@testable import geodirector

private let unicode = TerminalStyle(["LANG": "en_US.UTF-8"], isTerminal: false)

@Suite struct SimulationTextTests {
  @Test func aScenarioIsToldInFull() {
    let text = SimulationText(Reports.report(Reports.failing())).text
    #expect(
      text == """
        -- director-dies -----------------------------------------------------------------------------------
          SD1 is dead for two minutes, its balancers and servers live
          140 users, 10m, seed 1
          2m to 4m: kill SD1
          before to 2m, detection to 3m1.2s

                                 before  detection      all
          length                     2m     1m1.2s      10m
          requests                1,800        806    2,606
          errors                      0          3        3
            best possible             0          3        3
          sessions lost               0          2        2
            best possible             0          2        2
          users moved                 0          2        2
            moves                     0          2        2
              needlessly              0          0        0
              back                    0          0        0
          inter-site requests         0        563      563
            best possible             0        560      560
          bytes over links      38.8 MB    29.4 MB  68.2 MB
          cost of links          0.0019      0.002   0.0039
            best possible        0.0019     0.0019   0.0038
          latency, half within  56.1 ms     348 ms   348 ms
          latency, 99% within    136 ms     12.3 s   12.3 s

          requests       0                10m
          faults        |    ====            | kill SD1
          SITE1         |++++    ++++++++++++| up to 10/s
          SITE2         |----####------------| up to 15/s
          inter-site    |    ####            | 560, up to 4.67/s
          errors        |    #               | 3, up to 0.1/s
          sessions lost |    ##              | 2, up to 0.0333/s

          ok     no user moved while the session's server could be reached
          ok     no user moved back
          ok     new users went to the first site that could serve them
          FAILED no error while a healthy server could be reached: violated 2 times
                 first at 2m3.105s: a GET of user 12 ended with status 503 although a server could be
                 reached
                 user 12 at OP1:
                   at 1m59.250s GET, Cookie: SITE=SITE1; JSESSIONID=W14~1
                     OP1 -> SD1 (cookie): answered 200
                         SD1 (in the cookie) admits, SD2 admits
                       SD1 -> S1L1 (cookie): answered 200
                     200 from W14 after 53 ms, cookies unchanged
                   at 2m3.105s GET, Cookie: SITE=SITE1; JSESSIONID=W14~1
                     OP1 -> SD1 (cookie): connection refused
                         SD1 (in the cookie) admits but cannot be reached, SD2 down but could be reached
                     OP1: no way left: answers 503
                     503 after 31 ms, session lost
                     cookies then: none
          ok     failures were seen within the bound of the checks
          ok     requests crossed between sites needlessly only until nodes had learned better
          FAILED expected moved-back at most 0, found 4
          ok     expected p99 at most 800ms in phase failed-over, found 415 ms

        FAILED: two-sites: director-dies (no-avoidable-error, expected moved-back at most 0)
        """)
  }

  @Test func aUTF8LocaleGetsSignsAndBlocks() {
    let text = SimulationText(Reports.report(Reports.failing()), unicode).text
    #expect(text.contains("  ✔ no user moved back\n"))
    #expect(text.contains("  ✘ no error while a healthy server could be reached: violated 2 times\n"))
    #expect(text.contains("  SITE2         │▃▃▃▃████▃▃▃▃▃▃▃▃▃▃▃▃│ up to 15/s\n"))
    #expect(text.contains("OP1 → SD1 (cookie)"))
    #expect(!text.contains("\u{1B}"))
  }

  @Test func severalScenariosEndWithATableOfAll() {
    let lines = SimulationText(Reports.report(Reports.scenario("a"), Reports.failing("b"))).text
      .split(separator: "\n", omittingEmptySubsequences: false)
    let table = lines.firstIndex { $0.hasPrefix("-- all scenarios -") } ?? lines.count
    #expect(
      lines[table...].dropFirst().joined(separator: "\n") == """
          scenario  requests  errors  lost  moved  needless  back  inter-site     p99
          a            2,606       3     2      2         0     0         563  12.3 s      ok
          b            2,606       3     2      2         0     0         563  12.3 s  FAILED

        FAILED: two-sites: 1 of 2 scenarios: b (no-avoidable-error, expected moved-back at most 0)
        """)
  }

  @Test func whenEverythingHoldsTheLastLineSaysSo() {
    let text = SimulationText(Reports.report(Reports.scenario())).text
    #expect(text.hasSuffix("\nok: two-sites: every property and expectation holds in 1 scenario"))
  }

  @Test func ofManyScenariosThoseThatHoldAreInTheTableOnly() {
    var report = Reports.report()
    report.scenarios = (0..<9).map { $0 == 4 ? Reports.failing("s4") : Reports.scenario("s\($0)") }
    let short = SimulationText(report, isFull: false).text
    #expect(short.contains("-- s4 -") && !short.contains("-- s3 -"))
    #expect(short.contains("see one with --scenario NAME, all with --full"))
    #expect(SimulationText(report, isFull: true).text.contains("-- s3 -"))
    report.scenarios.removeLast()
    #expect(SimulationText(report, isFull: false).text.contains("-- s3 -"))
  }

  @Test func theLastLineNamesAtMostFourOfThoseThatFailed() {
    var report = Reports.report()
    report.scenarios = (0..<6).map { Reports.failing("s\($0)") }
    let last = SimulationText(report).conclusion
    #expect(last.hasPrefix("FAILED: two-sites: 6 of 6 scenarios: s0 ("))
    #expect(last.contains("s3 (") && !last.contains("s4 (") && last.hasSuffix("; and 2 more"))
  }

  @Test func nothingIsWiderThanAPage() {
    var report = Reports.failing(String(repeating: "long-name-", count: 5))
    report.summary = String(repeating: "many words ", count: 40)
    report.series.sites = [String(repeating: "X", count: 60), "SITE2"]
    report.faults = (0..<9).map {
      FaultMark(
        atNanoseconds: $0 * 1_000_000_000, untilNanoseconds: nil,
        text: "kill " + (0..<20).map { "W\($0)" }.joined(separator: ", "))
    }
    for index in report.phases.indices {
      report.phases[index].counts.requests = 720_000_000
      report.phases[index].counts.bytes = 99_999_999_999_999
      report.phases[index].counts.interSite = 123_456_789
    }
    let trace = (0..<40).map { Reports.candidate("SERVER-NUMBER-\($0)", isNamed: $0 > 35) }
    report.verdicts[3].first?.trace?.requests[1].attempts[0].candidates = trace
    for line in SimulationText(Reports.report(report, report), unicode).text.split(separator: "\n").dropLast() {
      // Faults are named in full above; cookies, in a story, as they are.
      if line.contains("kill W0"), !line.contains("│") { continue }
      #expect(line.count <= TerminalStyle.columns, "\(line)")
    }
  }
}

@Suite struct TerminalStyleTests {
  @Test(arguments: [
    (["LANG": "C.UTF-8"], true), (["LANG": "en_US.utf8"], true), (["LANG": "C"], false), ([:], false),
    (["LANG": "C.UTF-8", "LC_ALL": "POSIX"], false), (["LANG": "C", "LC_CTYPE": "de_DE.UTF-8", "LC_ALL": ""], true),
  ]) func theLocaleDecidesOnSigns(environment: [String: String], isUnicode: Bool) {
    #expect(TerminalStyle(environment, isTerminal: false).isUnicode == isUnicode)
  }

  @Test(arguments: [
    ([:], true, true), ([:], false, false), (["NO_COLOR": "1"], true, false), (["NO_COLOR": ""], true, true),
    (["TERM": "dumb"], true, false),
  ]) func coloursAreForTerminalsThatWantThem(environment: [String: String], isTerminal: Bool, hasColours: Bool) {
    let style = TerminalStyle(environment, isTerminal: isTerminal)
    #expect(style.hasColours == hasColours)
    #expect(style.paint("x", .bad) == (hasColours ? "\u{1B}[1;31mx\u{1B}[0m" : "x"))
    #expect(style.paint("x", .plain) == "x")
  }

  @Test func coloursMoveNoColumn() {
    let plain = SimulationText(Reports.report(Reports.failing(), Reports.scenario()), unicode).text
    let colours = SimulationText(
      Reports.report(Reports.failing(), Reports.scenario()),
      TerminalStyle(["LANG": "C.UTF-8"], isTerminal: true)
    ).text
    #expect(colours.contains("\u{1B}["))
    #expect(colours.replacing(#/\u{1B}\[[0-9;]*m/#, with: "") == plain)
  }
}
