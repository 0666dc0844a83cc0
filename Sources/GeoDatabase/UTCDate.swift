/// A day of the calendar, in UTC.
public struct UTCDate: Sendable, Equatable, CustomStringConvertible {
  /// The year.
  public let year: UInt64
  /// 1 to 12.
  public let month: UInt64
  /// 1 to 31.
  public let day: UInt64

  /// The day of a moment, in seconds since 1970.
  public init(unixSeconds: UInt64) {
    // Days in eras of 400 years that begin on 1 March, so that leap days come last.
    let days = unixSeconds / 86_400 + 719_468
    let era = days / 146_097
    let dayOfEra = days % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * shifted + 2) / 5 + 1
    month = shifted < 10 ? shifted + 3 : shifted - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// ISO 8601: `2018-07-03`.
  public var description: String {
    func two(_ number: UInt64) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(year)-\(two(month))-\(two(day))"
  }
}
