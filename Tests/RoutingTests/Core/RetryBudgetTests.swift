import Testing

@testable import Routing

@Suite struct RetryBudgetTests {
  /// Requests in flight, percent, minimum, workers; retries allowed.
  static let cases: [(inFlight: Int, percent: Int, minimum: Int, workers: Int, allowed: Int)] = [
    (0, 20, 10, 1, 10), (100, 20, 10, 1, 30), (101, 20, 10, 1, 31), (100, 20, 10, 4, 23), (1, 0, 0, 1, 1),
    (1000, 0, 10, 1, 10), (50, 20, 10, 64, 11),
  ]

  @Test("D4: a share of the requests in flight and a few always, at least one a worker", arguments: cases)
  func allowance(_ test: (inFlight: Int, percent: Int, minimum: Int, workers: Int, allowed: Int)) {
    var budget = RetryBudget(plan: test.percent, minimum: test.minimum, workers: test.workers)
    for _ in 0..<test.inFlight { budget.requestBegan() }
    var taken = 0
    while taken < 2000 && budget.take() { taken += 1 }
    #expect(taken == test.allowed)
    #expect(budget.retries == taken)
    budget.giveBack()
    let again = budget.take()
    #expect(again, "what is given back can be taken again")
    for _ in 0..<test.inFlight { budget.requestEnded() }
    #expect(budget.inFlight == 0)
  }
}
