import GeoDatabase
import Testing

@Suite struct UTCDateTests {
  @Test(
    arguments: [
      (0, "1970-01-01"), (86_399, "1970-01-01"), (86_400, "1970-01-02"), (951_782_400, "2000-02-29"),
      (951_868_800, "2000-03-01"), (1_530_628_527, "2018-07-03"), (1_709_164_800, "2024-02-29"),
      (4_107_456_000, "2100-02-28"), (4_107_542_400, "2100-03-01"), (1_767_225_599, "2025-12-31"),
    ] as [(UInt64, String)])
  func daysAreThoseOfTheCalendar(seconds: UInt64, date: String) {
    #expect(UTCDate(unixSeconds: seconds).description == date)
  }
}
