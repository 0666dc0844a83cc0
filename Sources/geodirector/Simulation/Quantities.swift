import Topology

/// Numbers with units as the simulation's reports for people write them.
enum Quantities {
  /// A whole number, thousands apart: `25,200`.
  static func count(_ value: UInt64) -> String {
    var digits = Array(String(value))
    var index = digits.count - 3
    while index > 0 {
      digits.insert(",", at: index)
      index -= 3
    }
    return String(digits)
  }

  /// A duration or a moment since the start in the two or three units that matter: `15m`, `2m3.1s`, `1h5m`, `250ms`.
  static func time(_ nanoseconds: Int64) -> String {
    if nanoseconds < 0 { return "-" + time(-nanoseconds) }
    if nanoseconds > 0, nanoseconds < 1_000_000_000 { return latency(nanoseconds).filter { $0 != " " } }
    // To a tenth of a second below ten minutes, to a second above.
    let tenths = nanoseconds < 600_000_000_000
    let rounded = tenths ? (nanoseconds + 50_000_000) / 100_000_000 : (nanoseconds + 500_000_000) / 1_000_000_000 * 10
    let (hours, minutes, rest) = (rounded / 36_000, rounded / 600 % 60, rounded % 600)
    var text = hours > 0 ? "\(hours)h" : ""
    if minutes > 0 { text += "\(minutes)m" }
    if rest > 0 || text.isEmpty { text += rest % 10 == 0 ? "\(rest / 10)s" : "\(rest / 10).\(rest % 10)s" }
    return text
  }

  /// A moment to the millisecond, for traces: `2m3.105s`.
  static func moment(_ nanoseconds: Int64) -> String {
    let thousandths = (nanoseconds + 500_000) / 1_000_000
    let (hours, minutes, rest) = (thousandths / 3_600_000, thousandths / 60_000 % 60, thousandths % 60_000)
    return (hours > 0 ? "\(hours)h" : "") + (hours > 0 || minutes > 0 ? "\(minutes)m" : "")
      + "\(rest / 1000).\(String("\(1000 + rest % 1000)".dropFirst()))s"
  }

  /// A latency in milliseconds, from ten seconds on in seconds: `35.2 ms`, `1,020 ms`, `12.4 s`.
  static func latency(_ nanoseconds: Int64) -> String {
    let milliseconds = Double(nanoseconds) / 1e6
    return milliseconds < 10_000 ? "\(significant(milliseconds)) ms" : "\(significant(milliseconds / 1000)) s"
  }

  /// Bytes in powers of a thousand: `1.24 MB`.
  static func bytes(_ bytes: UInt64) -> String {
    var value = Double(bytes)
    for unit in ["B", "kB", "MB", "GB", "TB"] {
      if value < 999.5 { return "\(significant(value)) \(unit)" }
      value /= 1000
    }
    return "\(significant(value)) PB"
  }

  /// An amount of money, which has no currency here, to a ten-thousandth: `0.0124`, `12.4`.
  static func money(_ value: Double) -> String {
    if value > 0, value < 0.00005 { return "<0.0001" }
    return significant(value < 1 ? (value * 10_000).rounded() / 10_000 : value)
  }

  /// Three digits that matter, and every digit in front of the point: `0.0124`, `1.2`, `12,400`.
  static func significant(_ value: Double) -> String {
    if value < 0 { return "-" + significant(-value) }
    guard value > 0, value < 1e15 else { return value == 0 ? "0" : "\(value)" }
    if value >= 99.95 { return count(UInt64(value.rounded())) }
    var decimals = 2
    var bound = 1.0
    while decimals < 9, value < bound {
      bound /= 10
      decimals += 1
    }
    if value >= 9.995 { decimals = 1 }
    var scale: UInt64 = 1
    for _ in 0..<decimals { scale *= 10 }
    let scaled = UInt64((value * Double(scale)).rounded())
    var digits = "\(scale + scaled % scale)".dropFirst()
    while digits.last == "0" { digits = digits.dropLast() }
    return digits.isEmpty ? "\(scaled / scale)" : "\(scaled / scale).\(digits)"
  }

  /// `1 request`, `2 requests`.
  static func some(_ count: UInt64, _ noun: String) -> String { "\(Self.count(count)) \(noun)\(count == 1 ? "" : "s")" }
}

extension Expectation.Phase {
  /// The part's name as a table's heading.
  var heading: String {
    switch self {
    case .all: "all"
    case .before: "before"
    case .detection: "detection"
    case .failedOver: "failed over"
    case .afterHeal: "after heal"
    }
  }
}
