/// The longest duration the language takes: a hundred years of 365 days.
private let longestNanoseconds: Int64 = 36_500 * 86_400 * 1_000_000_000

private let durationUnits: [(suffix: String, nanoseconds: Int64)] = [
  ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
  ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
]

extension Duration {
  /// Reads `30s`, `250ms`, `1.5s`, `1m`, `2h`, `1d`, `10us`, `5ns`; `0` needs no unit.
  public init(parsing text: String) throws(TextError) {
    let example = "write a duration as \"30s\", \"250ms\", \"1m\", \"2h\" or \"1d\""
    let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let suffix = String(text[number.endIndex...])
    guard let value = Decimal9(parsing: String(number)) else {
      throw TextError("\"\(text)\" is not a duration", mend: example)
    }
    if suffix.isEmpty {
      guard value.isZero else {
        throw TextError("duration \"\(text)\" has no unit", mend: "write \"\(text)s\" or \"\(text)ms\"")
      }
      self = .zero
      return
    }
    guard let unit = durationUnits.first(where: { $0.suffix == suffix }) else {
      let known = durationUnits.map(\.suffix)
      throw TextError(
        "unknown unit \"\(suffix)\" in duration \"\(text)\"", mend: "units: " + known.joined(separator: ", "))
    }
    guard let nanoseconds = value.times(unit.nanoseconds), nanoseconds <= longestNanoseconds else {
      throw TextError("duration \"\(text)\" is too long", mend: "at most 36500d")
    }
    self = .nanoseconds(nanoseconds)
  }

  /// Whole nanoseconds, rounded down; durations of the language always fit.
  public var wholeNanoseconds: Int64 {
    components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
  }

  /// Milliseconds with fraction.
  public var inMilliseconds: Double { Double(wholeNanoseconds) / 1_000_000 }

  /// The duration as the language writes it, in the largest unit that keeps it whole: `90s` but `1m`.
  public var text: String {
    let nanoseconds = wholeNanoseconds
    if nanoseconds == 0 { return "0s" }
    for unit in durationUnits.reversed() where nanoseconds % unit.nanoseconds == 0 {
      return "\(nanoseconds / unit.nanoseconds)\(unit.suffix)"
    }
    return "\(nanoseconds)ns"
  }

  /// The duration times a factor, rounded to nanoseconds; a duration above zero stays at least a microsecond, so that a
  /// small factor switches nothing off.
  public func scaled(by factor: Double) -> Duration {
    if factor == 1 || self == .zero { return self }
    let product = (Double(wholeNanoseconds) * factor).rounded()
    return .nanoseconds(max(1_000, product < 9e18 ? Int64(product) : .max))
  }
}

/// Reads a size in bytes: `16KiB`, `1MiB`, `2GiB`, `10kB`, `5MB`, `1GB`, `512B`, `512`.
public func parseSize(_ text: String) throws(TextError) -> Int {
  let units: [(suffix: String, bytes: Int64)] = [
    ("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1_000), ("KB", 1_000),
    ("MB", 1_000_000), ("GB", 1_000_000_000),
  ]
  let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
  let suffix = String(text[number.endIndex...])
  guard let value = Decimal9(parsing: String(number)) else {
    throw TextError("\"\(text)\" is not a size", mend: "write a size as \"16KiB\" or \"1MiB\"")
  }
  guard let unit = units.first(where: { $0.suffix == suffix }) else {
    throw TextError("unknown unit \"\(suffix)\" in size \"\(text)\"", mend: "units: B, KiB, MiB, GiB, kB, MB, GB")
  }
  guard let bytes = value.times(unit.bytes), bytes <= 1 << 40 else {
    throw TextError("size \"\(text)\" is too large", mend: "at most 1024GiB")
  }
  return Int(bytes)
}

/// A size as the language writes it, in the largest binary unit that keeps it whole.
public func formatSize(_ bytes: Int) -> String {
  if bytes == 0 { return "0" }
  for (suffix, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes % (1 << shift) == 0 {
    return "\(bytes >> shift)\(suffix)"
  }
  return "\(bytes)B"
}

/// Reads a bandwidth in bits per second: `100Mbit`, `1Gbit`, `512kbit`; `/s` may follow.
public func parseBandwidth(_ text: String) throws(TextError) -> Int {
  let body = text.hasSuffix("/s") ? String(text.dropLast(2)) : text
  let number = body.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
  let units: [String: Int64] = ["bit": 1, "kbit": 1_000, "Mbit": 1_000_000, "Gbit": 1_000_000_000]
  guard let value = Decimal9(parsing: String(number)), let unit = units[String(body[number.endIndex...])],
    let bits = value.times(unit), bits > 0
  else { throw TextError("\"\(text)\" is not a bandwidth", mend: "write it as \"100Mbit\", \"1Gbit\" or \"512kbit\"") }
  return Int(bits)
}

/// Reads a distance in kilometres: `200km`, `1.5km`, `100mi` (statute miles), `0`; at most half the Earth's circumference.
public func parseDistance(_ text: String) throws(TextError) -> Double {
  let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
  let suffix = String(text[number.endIndex...])
  guard let value = Decimal9(parsing: String(number)) else {
    throw TextError("\"\(text)\" is not a distance", mend: "write a distance as \"200km\" or \"100mi\"")
  }
  let kilometres: Double
  switch suffix {
  case "km": kilometres = value.double
  case "mi": kilometres = value.double * 1.609344
  case "" where value.isZero: kilometres = 0
  case "": throw TextError("distance \"\(text)\" has no unit", mend: "write \"\(text)km\"")
  default: throw TextError("unknown unit \"\(suffix)\" in distance \"\(text)\"", mend: "units: km, mi")
  }
  guard kilometres <= 20_040 else {
    throw TextError("distance \"\(text)\" is too long", mend: "no two places are farther apart than 20040km")
  }
  return kilometres
}

/// A decimal number with up to nine digits after the point, without rounding.
private struct Decimal9 {
  var whole: Int64
  /// Billionths.
  var fraction: Int64

  init?(parsing text: String) {
    let parts = text.utf8.split(separator: 0x2E, maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, !first.isEmpty, first.allSatisfy(isDigit),
      let whole = Int64(String(decoding: first, as: UTF8.self))
    else { return nil }
    self.whole = whole
    fraction = 0
    guard parts.count == 2 else { return }
    guard !parts[1].isEmpty, parts[1].count <= 9, parts[1].allSatisfy(isDigit) else { return nil }
    for digit in parts[1] { fraction = fraction * 10 + Int64(digit - 0x30) }
    for _ in parts[1].count..<9 { fraction *= 10 }
  }

  var isZero: Bool { whole == 0 && fraction == 0 }
  var double: Double { Double(whole) + Double(fraction) / 1_000_000_000 }

  /// The product, its fraction cut off; nil on overflow.
  func times(_ unit: Int64) -> Int64? {
    let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
    guard !overflow else { return nil }
    let part = fraction.multipliedFullWidth(by: unit)
    let (added, carried) = product.addingReportingOverflow(Int64(1_000_000_000).dividingFullWidth(part).quotient)
    return carried ? nil : added
  }
}
