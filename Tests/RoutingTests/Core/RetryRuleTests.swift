import Testing
import Topology

@testable import Routing

/// Rules of part D.
@Suite struct RetryRuleTests {
  /// A request on its way to a server, and the event that ends the attempt.
  struct Case: CustomTestStringConvertible, Sendable {
    var method: String
    var sent: Bool
    var responseBegun = false
    var replayable = true
    /// Tried at another server, or this answer.
    var failure: Exchange.Failure?
    var testDescription: String {
      "\(method), \(sent ? "bytes sent" : "no byte sent")\(responseBegun ? ", response begun" : "")"
        + (replayable ? "" : ", body gone")
    }
  }

  static let cases = [
    Case(method: "GET", sent: false, failure: nil),
    Case(method: "GET", sent: true, failure: nil),
    Case(method: "GET", sent: true, responseBegun: true, failure: .connectionTerminated),
    Case(method: "PUT", sent: true, failure: nil),
    Case(method: "PUT", sent: true, replayable: false, failure: .connectionTerminated),
    Case(method: "POST", sent: false, failure: nil),
    Case(method: "POST", sent: true, failure: .connectionTerminated),
    Case(method: "POST", sent: true, responseBegun: true, failure: .connectionTerminated),
  ]

  @Test(
    "D1: tried again when it cannot have been processed, or is idempotent and no response byte came", arguments: cases)
  func whatIsRepeated(_ test: Case) {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    #expect(core.begin(&exchange, cookie: "W11", session: "s", method: test.method) == "connect W11")
    exchange.connected(isNew: true, pool: &core.pool)
    if test.sent { exchange.requestBytesSent() }
    if !test.replayable { exchange.replayLost() }
    let next = core.lose(&exchange, responseBegun: test.responseBegun)
    if let failure = test.failure {
      #expect(next == "answer \(failure)")
      #expect(failure.status == 502)
    } else {
      #expect(next.hasPrefix("connect W1") && next != "connect W11")
      core.finish(&exchange)
    }
    #expect(core.holdsNothing)
  }

  @Test(
    "D1: a server that turns the connection down has processed nothing, whatever was sent", arguments: ["GET", "POST"])
  func rejected(method: String) {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    var seen: Set<String> = [core.begin(&exchange, method: method)]
    for _ in 0..<3 {
      core.connect(&exchange)
      #expect(seen.insert(core.reject(&exchange)).inserted, "no server twice")
    }
    core.connect(&exchange)
    #expect(
      core.reject(&exchange) == "answer destinationUnavailable", "nobody in front need fear that it was processed")
    #expect(core.holdsNothing)
    _ = core.begin(&exchange, cookie: "W11", method: method)
    core.connect(&exchange)
    exchange.replayLost()
    #expect(core.reject(&exchange) == "answer connectionTerminated", "what is no longer held cannot be sent again")
    #expect(core.holdsNothing)
  }

  @Test("D1: a request that no server was reached for is tried again whatever its method", arguments: ["GET", "POST"])
  func notConnected(method: String) {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    var seen: Set<String> = [core.begin(&exchange, method: method)]
    for _ in 0..<3 { #expect(seen.insert(core.refuse(&exchange)).inserted, "no server twice") }
    #expect(core.refuse(&exchange) == "answer destinationUnavailable")
    #expect(exchange.attempts == 4)
    #expect(core.holdsNothing)
  }

  @Test(
    "D1: a kept connection found closed is replaced by a new one to the same server, once, and nothing is held against it"
  )
  func staleConnection() {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    #expect(core.begin(&exchange, cookie: "W11", session: "s") == "connect W11")
    core.connect(&exchange, isNew: false)
    #expect(core.lose(&exchange, wasKept: true) == "connect W11")
    #expect(core.action == .connect(core.server("W11"), .none))
    #expect(core.shared.loads.inFlight(core.server("W11")) == 1, "the slot is held on")
    #expect(core.takeEvidence().isEmpty)
    core.connect(&exchange)
    #expect(core.lose(&exchange) != "connect W11")
    #expect(exchange.attempts == 2)
    core.finish(&exchange)
    #expect(core.holdsNothing)
  }

  @Test("D1: a POST sent on a kept connection that broke is not sent again; one not yet sent is")
  func staleConnectionAndPost() {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    _ = core.begin(&exchange, cookie: "W11", session: "s", method: "POST")
    core.connect(&exchange, isNew: false)
    #expect(core.lose(&exchange, wasKept: true) == "answer connectionTerminated")
    _ = core.begin(&exchange, cookie: "W11", session: "s", method: "POST")
    exchange.connected(isNew: false, pool: &core.pool)
    #expect(core.lose(&exchange, wasKept: true) == "connect W11")
    core.finish(&exchange)
    #expect(core.holdsNothing)
  }

  @Test("D1: attempts are bounded", arguments: [1, 2, 3])
  func attemptsMax(bound: Int) {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    _ = core.begin(&exchange, attemptsMax: bound)
    for _ in 1..<bound { #expect(core.refuse(&exchange).hasPrefix("connect")) }
    #expect(core.refuse(&exchange) == "answer destinationUnavailable")
    #expect(exchange.attempts == bound)
  }

  @Test("D1: silence after the request is a 504, something that is no response a 502")
  func silenceAndNoise() {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    _ = core.begin(&exchange)
    core.connect(&exchange)
    #expect(core.timeOut(&exchange) == "answer responseTimeout")
    #expect(Exchange.Failure.responseTimeout.status == 504)
    _ = core.begin(&exchange)
    core.connect(&exchange)
    #expect(core.garble(&exchange) == "answer invalidResponse")
    #expect(Exchange.Failure.invalidResponse.status == 502)
    #expect(core.holdsNothing)
  }

  @Test("D2: the next candidate is tried at once, backup tiers included, whatever the checks believe")
  func nextAtOnce() {
    let core = CoreFixture(PlanBuilder.office())
    core.believe(.down, of: "SD2")
    var exchange = Exchange()
    #expect(core.begin(&exchange) == "connect SD1")
    #expect(core.refuse(&exchange) == "connect SD2")
    core.connect(&exchange)
    #expect(core.respond(&exchange) == "relay")
    core.finish(&exchange)
  }

  @Test("D3: a node that says it has nobody is followed by the next site, and the evidence is told")
  func refusalOfANode() {
    let core = CoreFixture(PlanBuilder.director())
    var exchange = Exchange()
    #expect(core.begin(&exchange, method: "POST").hasPrefix("connect S1L"))
    core.connect(&exchange)
    let asked = core.name(exchange.server)
    #expect(core.respond(&exchange, .destinationUnavailable).hasPrefix("connect S2L"), "a free request leaves the site")
    #expect(core.takeEvidence() == ["\(asked) declaredDead"])
    core.finish(&exchange)
  }

  @Test("D3: a request with a session asks the other nodes of its site before it leaves")
  func refusalOfABoundRequest() {
    let core = CoreFixture(PlanBuilder.director())
    var exchange = Exchange()
    var asked = [core.begin(&exchange, cookie: "SITE1")]
    for _ in 0..<2 {
      core.connect(&exchange)
      asked.append(core.respond(&exchange, .destinationUnavailable))
    }
    #expect(Set(asked.prefix(2)) == ["connect S1L1", "connect S1L2"])
    #expect(asked[2].hasPrefix("connect S2L"))
    core.connect(&exchange)
    #expect(core.respond(&exchange, .destinationUnavailable) == "answer destinationUnavailable", "each other site once")
    #expect(core.holdsNothing)
  }

  @Test("D3: destination_unavailable is said only if every attempt was unprocessed", arguments: [false, true])
  func honestRefusal(wasKept: Bool) {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    _ = core.begin(&exchange, cookie: "W11", session: "s")
    core.connect(&exchange, isNew: !wasKept)
    var last = core.lose(&exchange, wasKept: wasKept)
    while last.hasPrefix("connect") { last = core.refuse(&exchange) }
    #expect(last == "answer connectionTerminated")
    #expect(core.holdsNothing)
  }

  @Test(
    "D1, D3: what a node below could not complete is tried elsewhere if it may be processed twice",
    arguments: ["GET", "POST"])
  func brokenBelow(method: String) {
    let core = CoreFixture(PlanBuilder.director())
    var exchange = Exchange()
    _ = core.begin(&exchange, method: method)
    core.connect(&exchange)
    let next = core.respond(&exchange, .connectionTerminated)
    if method == "GET" {
      #expect(next.hasPrefix("connect S2L"))
      #expect(core.takeEvidence().isEmpty, "it says nothing of the node")
      #expect(core.refuse(&exchange).hasPrefix("connect S2L"))
      #expect(core.refuse(&exchange) == "answer connectionTerminated")
    } else {
      #expect(next == "relay")
      core.finish(&exchange)
    }
    #expect(core.holdsNothing)
  }

  @Test("D3: a refusal is passed on when the body is gone")
  func refusalWithoutReplay() {
    let core = CoreFixture(PlanBuilder.director())
    var exchange = Exchange()
    _ = core.begin(&exchange, method: "POST")
    core.connect(&exchange)
    exchange.replayLost()
    #expect(core.respond(&exchange, .destinationUnavailable) == "relay")
    core.finish(&exchange)
    #expect(core.holdsNothing)
  }

  @Test(
    "D3: connection_limit_reached never moves a request with a session, and others only with spill",
    arguments: [false, true])
  func limitOfANode(spill: Bool) {
    let core = CoreFixture(PlanBuilder.director { $0.pool.spill = spill })
    var exchange = Exchange()
    _ = core.begin(&exchange, cookie: "SITE1")
    core.connect(&exchange)
    #expect(core.respond(&exchange, .connectionLimitReached) == "relay")
    core.finish(&exchange)
    _ = core.begin(&exchange)
    core.connect(&exchange)
    #expect(core.respond(&exchange, .connectionLimitReached).hasPrefix(spill ? "connect S2L" : "relay"))
    core.finish(&exchange)
    #expect(core.holdsNothing)
  }

  @Test("D4: retries under way are bounded by the budget, and those above it wait for their turn")
  func budget() {
    let core = CoreFixture(
      PlanBuilder.balancer {
        $0.retries.budgetPercent = 0
        $0.retries.budgetMinimum = 1
      })
    var first = Exchange()
    var second = Exchange()
    _ = core.begin(&first, cookie: "W11", session: "s")
    _ = core.begin(&second, cookie: "W11", session: "t")
    #expect(core.refuse(&first).hasPrefix("connect"))
    #expect(core.refuse(&second) == "await budget")
    #expect(core.budgetFreed(&second) == "await budget")
    core.connect(&first)
    #expect(core.budgetFreed(&second).hasPrefix("connect"), "who has found its first server makes nobody wait")
    core.finish(&first)
    core.finish(&second)
    #expect(core.holdsNothing)
  }

  @Test("D4: a repeat of what a server has had already counts until its answer comes")
  func budgetOfRepeats() {
    let core = CoreFixture(
      PlanBuilder.balancer {
        $0.retries.budgetPercent = 0
        $0.retries.budgetMinimum = 1
      })
    var first = Exchange()
    var second = Exchange()
    _ = core.begin(&first, session: "s")
    _ = core.begin(&second, session: "t")
    core.connect(&first)
    core.connect(&second)
    #expect(core.lose(&first).hasPrefix("connect"))
    #expect(core.lose(&second) == "await budget")
    core.connect(&first)
    #expect(core.budgetFreed(&second) == "await budget")
    #expect(core.respond(&first) == "relay", "an answer gives the place back")
    #expect(core.budgetFreed(&second).hasPrefix("connect"))
    core.finish(&first)
    core.finish(&second)
    #expect(core.holdsNothing)
  }

  @Test("D4: who waits for the budget in vain gets the error of its attempts")
  func budgetInVain() {
    let core = CoreFixture(
      PlanBuilder.balancer {
        $0.retries.budgetPercent = 0
        $0.retries.budgetMinimum = 1
      })
    var first = Exchange()
    var second = Exchange()
    _ = core.begin(&first)
    _ = core.begin(&second)
    _ = core.refuse(&first)
    #expect(core.refuse(&second) == "await budget")
    #expect(core.waitedTooLong(&second) == "answer destinationUnavailable")
    core.finish(&first)
    #expect(core.holdsNothing)
  }
}
