/// Which doubts about certificates' dates are to be told now: each once a day, a new one at once.
public struct DateWatch: Sendable {
  private var told: [String: Duration] = [:]
  /// Between two lines of one kind.
  public static let interval = Duration.seconds(86_400)

  /// Nothing was told yet.
  public init() {}

  /// Those of the warnings that are due, in their order, each once; they count as told.
  /// - Parameter clock: a clock that only runs forward.
  public mutating func due(_ warnings: [TLSWarning], clock: Duration) -> [TLSWarning] {
    if warnings.isEmpty && told.isEmpty { return [] }
    told = told.filter { clock - $0.value < Self.interval }
    return warnings.filter { warning in
      let text = "\(warning)"
      guard told[text] == nil else { return false }
      told[text] = clock
      return true
    }
  }
}
