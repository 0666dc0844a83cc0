import Glibc

/// Times of day as text, in UTC.
package enum WallClock {
  /// `2026-01-31T08:09:10.123Z`.
  package static func timestamp() -> String {
    // Two words are what a timespec is; its members belong to this or that module, by what else is imported.
    var now = (seconds: 0, nanoseconds: 0)
    _ = withUnsafeMutableBytes(of: &now) {
      clock_gettime(CLOCK_REALTIME, $0.baseAddress!.assumingMemoryBound(to: timespec.self))
    }
    let parts = broken(now.seconds)
    let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    let milliseconds = now.nanoseconds / 1_000_000
    let fraction = (milliseconds < 100 ? "0" : "") + two(Int32(milliseconds))
    return "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)Z"
  }

  /// `Sat, 31 Jan 2026 08:09:10 GMT` (RFC 9110 section 5.6.7) of `seconds` since 1970.
  static func httpDate(_ seconds: Int) -> String {
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let parts = broken(seconds)
    let date = "\(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900)"
    return "\(days[Int(parts.tm_wday)]), \(date) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
  }

  /// Seconds since 1970.
  static func seconds() -> Int { time(nil) }

  private static func broken(_ seconds: Int) -> tm {
    var seconds = seconds
    var parts = tm()
    gmtime_r(&seconds, &parts)
    return parts
  }

  private static func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : String(value) }
}
