extension ByteWriter {
  /// Writes a date as HTTP does (IMF-fixdate, RFC 9110 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`, 29 bytes, all or none.
  /// - Parameter unixSeconds: seconds since 1970-01-01 00:00 UTC; up to the year 9999, later dates are written as its
  ///   last second.
  public mutating func append(httpDate unixSeconds: UInt64) {
    if remaining < 29 {
      // Nothing of it: asks for more than is left, so that the overflow is noted.
      append(decimal: 0, digits: 29)
      return
    }
    let seconds = min(unixSeconds, 253_402_300_799)
    let days = seconds / 86_400
    let time = seconds % 86_400
    // 1970-01-01 was a Thursday.
    append(threeLetters("ThuFriSatSunMonTueWed", days % 7))
    append(", ")
    let date = CivilDate(days: days)
    append(decimal: date.day, digits: 2)
    append(" ")
    append(threeLetters("JanFebMarAprMayJunJulAugSepOctNovDec", date.month &- 1))
    append(" ")
    append(decimal: date.year, digits: 4)
    append(" ")
    append(decimal: time / 3_600, digits: 2)
    append(":")
    append(decimal: time / 60 % 60, digits: 2)
    append(":")
    append(decimal: time % 60, digits: 2)
    append(" GMT")
  }

  private func threeLetters(_ names: StaticString, _ index: UInt64) -> ByteView {
    ByteView(names).slice(Int(index) &* 3, Int(index) &* 3 &+ 3)
  }
}

/// A day of the Gregorian calendar.
struct CivilDate {
  var year: UInt64
  var month: UInt64
  var day: UInt64

  /// The day `days` after 1970-01-01. Counts in years that start on 1 March, so that the leap day is the last one.
  init(days: UInt64) {
    // 719,468 days lie between 0000-03-01 and 1970-01-01; 400 years have 146,097 days.
    let shifted = days &+ 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra &- dayOfEra / 1_460 &+ dayOfEra / 36_524 &- dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra &- (365 &* yearOfEra &+ yearOfEra / 4 &- yearOfEra / 100)
    // Months from March on have 153 days in every five.
    let shiftedMonth = (5 &* dayOfYear &+ 2) / 153
    day = dayOfYear &- (153 &* shiftedMonth &+ 2) / 5 &+ 1
    month = shiftedMonth < 10 ? shiftedMonth &+ 3 : shiftedMonth &- 9
    year = yearOfEra &+ era &* 400 &+ (month <= 2 ? 1 : 0)
  }
}
