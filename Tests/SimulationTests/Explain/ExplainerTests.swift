import Foundation
import Testing
import Topology
import TopologyFile

@testable import Simulation

private func twoSites() throws -> Topology {
  let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("topologies/two-sites.yaml").path
  return try #require(TopologyLoader.load(path).topology)
}

private func explain(
  at entry: String = "OP1", cookie: String = "", down: [String] = [], cut: [String] = [], fresh: Bool = false,
  method: String = "GET", in topology: Topology? = nil
) throws -> Explanation {
  let topology = try topology ?? twoSites()
  var faults = NetworkFaults()
  for name in down { try faults.takeDown(name, in: topology) }
  for link in cut { try faults.cut(link, in: topology) }
  var request = Explainer.Request(entry: entry)
  request.cookie = cookie
  request.isFresh = fresh
  request.method = method
  request.seconds = 1_700_000_000
  return try Explainer(topology, faults, request).explain()
}

/// The path with balancers and servers by site only, as which of them is taken is a matter of turn.
private func way(_ outcome: Explanation.Outcome?) -> String {
  (outcome?.path ?? []).map { name in
    name.hasPrefix("S1L") ? "S1L" : name.hasPrefix("S2L") ? "S2L" : name.hasPrefix("W2") ? "W2x" : name
  }.joined(separator: " > ")
}

/// `source`: where a node's connections leave from, and what the tier behind goes by.
@Suite struct ExplainSourceTests {
  private func network(_ source: String) throws -> Topology {
    let balancers = (1...9).map { "{name: L\($0), listen: \"127.0.1.\($0):8002\"}" }.joined(separator: ", ")
    let text = """
      geodirector: 1
      defaults: {site-director: {balance: source}}
      sites:
        - name: HOME
          directors: [{name: D, listen: "127.0.0.7:8001"}]
          balancers: [\(balancers)]
          servers: [{name: W, address: "127.0.0.1:9000"}]
      offices:
        - {name: O, listen: "127.0.0.8:8000", source: [\(source)]}

      """
    return try #require(TopologyLoader.load(text: text, file: "test.yaml").topology)
  }

  @Test func aNodeTellsWhereItsConnectionsLeaveFrom() throws {
    let topology = try network("\"127.0.2.1\", \"2001:db8::1\"")
    let found = try explain(at: "O", in: topology)
    #expect(found.visit.sources == ["127.0.2.1", "[2001:db8::1]"])
    #expect(ExplanationText(found).text.contains("\n  its connections leave from 127.0.2.1, [2001:db8::1]\n"))
    #expect(found.visit.attempts.first?.visit?.sources == nil)
    #expect(!ExplanationText(try explain(at: "D", in: topology)).text.contains("leave from"))
  }

  @Test func theNextTierSeesItsSource() throws {
    var taken: Set<String> = []
    for last in 1...6 {
      let topology = try network("\"127.0.2.\(last)\"")
      var request = Explainer.Request(entry: "D")
      request.client = try Network(parsingAddress: "127.0.2.\(last)")
      let expected = try Explainer(topology, NetworkFaults(), request).explain().result.path
      #expect(try explain(at: "O", in: topology).result.path == ["O"] + expected)
      taken.insert(expected[1])
    }
    #expect(taken.count > 1)
  }
}

/// The walk through a failure (rules A): steady state, each step with its own broken things.
@Suite struct ExplainWalkTests {
  private let old = "SITE=SITE1; JSESSIONID=W14~123"

  @Test func aSessionOutlivesTheLinkToItsSite() throws {
    let found = try explain(cookie: old, cut: ["OP1:SITE1"])
    #expect(way(found.result) == "OP1 > SD2 > S1L > W14")
    #expect(found.result.session == "goes on at W14")
    #expect(found.result.cookieAfter == old)
    // One request a second finds out whether the link is back; the others go by way of SITE2 at once.
    #expect(found.visit.attempts.map(\.reason) == ["trial", "failover"])
    #expect(found.result.waitedMilliseconds == 1000)
    #expect(found.result.links.map(\.isInterSite) == [false, true])
    #expect(way(found.others) == "OP1 > SD2 > S1L > W14")
    #expect(found.others?.waitedMilliseconds == 0)
  }

  @Test func aNewUserGoesToTheOtherSiteMeanwhile() throws {
    let found = try explain(cut: ["OP1:SITE1"])
    #expect(way(found.result) == "OP1 > SD2 > S2L > W2x")
    #expect(found.result.cookieAfter.contains("SITE=SITE2"))
    #expect(found.result.waitedMilliseconds == 0)
    #expect(found.others == nil)
    #expect(found.visit.attempts.map(\.reason) == ["new"])
  }

  @Test func afterTheHealEachUserStaysWhereTheSessionIs() throws {
    #expect(way(try explain(cookie: old).result) == "OP1 > SD1 > S1L > W14")
    #expect(
      way(try explain(cookie: "SITE=SITE2; JSESSIONID=W21~9").result) == "OP1 > SD2 > S2L > W2x")
  }

  @Test func aUserOfTheOtherSiteGoesByWayOfTheOwn() throws {
    let found = try explain(cookie: "SITE=SITE2; JSESSIONID=W22~9", cut: ["OP1:SITE2"])
    #expect(found.result.path.first == "OP1" && found.result.path.last == "W22")
    #expect(way(found.result) == "OP1 > SD1 > S2L > W2x")
    #expect(found.result.session == "goes on at W22")
  }

  @Test func whenAllServersOfASiteAreDeadItsUsersGoToTheOtherDirectly() throws {
    let dead = ["W11", "W12", "W13", "W14"]
    let found = try explain(cookie: old, down: dead)
    #expect(found.result.status == 200)
    #expect(found.result.cookieAfter.contains("SITE=SITE2"))
    #expect(found.result.session.hasPrefix("lost: it lives at W14, which is down"))
    #expect(way(found.others) == "OP1 > SD2 > S2L > W2x")
    // From then on, also when SITE1 is back.
    #expect(way(try explain(cookie: found.result.cookieAfter).result) == "OP1 > SD2 > S2L > W2x")
    #expect(way(try explain(down: dead).result) == "OP1 > SD2 > S2L > W2x")
  }
}

@Suite struct ExplainerTests {
  private let old = "SITE=SITE1; JSESSIONID=W14~123"

  @Test func beforeAnybodyHasNoticedTheAttemptsFindOut() throws {
    let cut = try explain(cookie: old, cut: ["OP1>SITE1"], fresh: true)
    #expect(cut.visit.attempts.map(\.reason) == ["cookie", "failover"])
    #expect(cut.visit.attempts[0].outcome.contains("connect time-out of 1s"))
    #expect(cut.result.server == "W14")
    #expect(cut.others == nil)
    let dead = try explain(cookie: old, down: ["SITE1"], fresh: true)
    #expect(way(dead.result) == "OP1 > SD2 > S2L > W2x")
    #expect(dead.visit.attempts[0].outcome == "connection refused")
    // The director of SITE2 finds the balancers of SITE1 dead by itself.
    #expect(
      dead.visit.attempts[1].visit?.attempts.map(\.outcome).prefix(2) == ["connection refused", "connection refused"])
  }

  @Test func aCutOneWayIsSilenceBothWays() throws {
    for link in ["OP1>SITE1", "SITE1>OP1", "OP1:SITE1"] {
      let found = try explain(cookie: old, cut: [link])
      #expect(found.visit.attempts[0].waitedMilliseconds == 1000, "\(link)")
    }
  }

  @Test func everyCandidateHasItsReason() throws {
    let found = try explain(cookie: old, down: ["W14"])
    let balancer = try #require(found.visit.attempts.first?.visit?.attempts.first?.visit)
    #expect(balancer.role == "site-balancer")
    #expect(balancer.binding == "JSESSIONID=W14~123 names W14")
    #expect(balancer.attempts.map(\.server).first == "W14")
    #expect(balancer.attempts.map(\.reason) == ["trial", "failover"])
    for attempt in balancer.attempts {
      #expect(attempt.candidates.count == 4)
      #expect(attempt.candidates.filter(\.isChosen).map(\.name) == [attempt.server])
      #expect(attempt.candidates.first?.name == attempt.server)
      #expect(attempt.candidates.allSatisfy { !$0.why.isEmpty })
    }
    #expect(balancer.attempts[1].candidates.last?.standing == "tried")
    #expect(balancer.setCookies.count == 1)
  }

  @Test func nobodyLeftIsAnErrorOfTheNode() throws {
    let found = try explain(down: ["SITE1", "SITE2"])
    #expect(found.result.status == 503)
    #expect(found.visit.error == "destination_unavailable")
    #expect(found.visit.attempts.map(\.reason) == ["last-resort", "last-resort"])
    #expect(found.result.server == nil && found.result.session == "no server answered")
  }

  @Test func aBalancerWithoutServersIsBelievedAndLeft() throws {
    let found = try explain(at: "SD1", cookie: old, down: ["W11", "W12", "W13", "W14"], fresh: true)
    #expect(found.visit.attempts.map(\.reason) == ["cookie", "cookie", "failover"])
    #expect(found.visit.attempts[0].outcome == "answered 503: destination_unavailable")
    #expect(found.visit.setCookies == ["SITE=SITE2; path=/"])
  }

  @Test func unknownAndSeveralCookiesAreReadAsTheNodesDo() throws {
    let unknown = try explain(cookie: "SITE=SITE9; x=1")
    #expect(unknown.visit.binding == "SITE=SITE9 names nobody known here: as a new user")
    #expect(unknown.visit.attempts[0].reason == "unknown-cookie")
    let several = try explain(cookie: "SITE=SITE9; SITE=SITE2")
    #expect(several.visit.attempts[0].server == "SD2")
    // The director takes every copy out.
    #expect(several.visit.attempts[0].visit?.attempts[0].visit?.cookie == "")
  }

  @Test func cookiesWithDatesAreVoidAfterTheirLimit() throws {
    var topology = try twoSites()
    topology.applications[0].siteCookie?.plan.maxIdle = .seconds(3600)
    let first = try explain(cookie: "SITE=SITE2", in: topology)
    #expect(first.result.cookieAfter.hasPrefix("SITE=SITE2|"))
    let stale = try explain(cookie: "SITE=SITE2|AAAAB", in: topology)
    #expect(stale.visit.attempts[0].server == "SD1")
    #expect(stale.visit.binding.contains("past its idle or life limit"))
    let fresh = first.result.cookieAfter.split(separator: ";")[0]
    #expect(try explain(cookie: String(fresh), in: topology).visit.attempts[0].server == "SD2")
  }

  @Test func namesThatAreNotThereAreSaidWithTheNearest() throws {
    let topology = try twoSites()
    var faults = NetworkFaults()
    #expect(throws: TextError("no element is named \"SD3\"", mend: "did you mean \"SD1\"?")) {
      try faults.takeDown("SD3", in: topology)
    }
    #expect(throws: TextError.self) { try faults.cut("OP1", in: topology) }
    #expect(throws: TextError("no site or office is named \"SITE3\"", mend: "did you mean \"SITE1\"?")) {
      try faults.cut("OP1:SITE3", in: topology)
    }
    #expect(throws: TextError("links are between offices and sites, and \"SD1\" is at SITE1")) {
      try faults.cut("OP1:SD1", in: topology)
    }
    #expect(
      throws: TextError(
        "there is no link between \"OP1\" and \"OP2\"",
        mend: "links: OP1:SITE1, OP1:SITE2, OP2:SITE1, OP2:SITE2")
    ) { try faults.cut("OP1:OP2", in: topology) }
    #expect(throws: PlanError.unknownNode(name: "OP11", nearest: "OP1")) { try explain(at: "OP11") }
    #expect(throws: PlanError.self) { try explain(at: "W11") }
  }

  @Test func theSameQuestionHasTheSameAnswer() throws {
    let once = ExplanationText(try explain(cookie: old, cut: ["OP1:SITE1"])).text
    #expect(once == ExplanationText(try explain(cookie: old, cut: ["OP1:SITE1"])).text)
    #expect(once.contains("path      OP1 > SD2 > S1L1 > W14"))
  }
}
