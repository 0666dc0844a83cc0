/// Bounds what retries add to the load (rule D4): so many percent of the requests in flight, and a few always.
///
/// One per worker, so that it costs no shared counter.
public struct RetryBudget: Sendable {
  private let percent: Int
  private let minimum: Int
  /// Requests in flight at this worker.
  public private(set) var inFlight = 0
  /// Retries under way at this worker.
  public private(set) var retries = 0

  /// A worker's share of the budget; `minimum` is spread over the workers, each has at least one.
  public init(plan percent: Int, minimum: Int, workers: Int) {
    self.percent = percent
    self.minimum = max(1, (minimum + workers - 1) / max(1, workers))
  }

  /// A request began.
  public mutating func requestBegan() { inFlight += 1 }

  /// A request ended.
  public mutating func requestEnded() {
    assert(inFlight > 0)
    inFlight -= 1
  }

  /// Takes the right to one retry; false: none is free now.
  public mutating func take() -> Bool {
    guard retries * 100 < inFlight * percent + minimum * 100 else { return false }
    retries += 1
    return true
  }

  /// The retry has its answer or failed.
  public mutating func giveBack() {
    assert(retries > 0)
    retries -= 1
  }
}
