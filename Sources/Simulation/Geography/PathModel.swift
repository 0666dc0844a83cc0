/// How long a packet takes to a site and back, from the distance alone.
public struct PathModel: Sendable, Equatable {
  /// Light in glass goes at two thirds of its speed in vacuum: kilometres in a millisecond.
  public static let fibreKilometresPerMillisecond = 200.0
  /// Cables are longer than the great circle by this factor: they follow coasts, roads and exchanges.
  public static let stretch = 1.5
  /// There and back between a client and its provider's backbone, in milliseconds.
  public static let lastMileMilliseconds = 10.0

  /// There and back over a great-circle distance, in milliseconds.
  public static func roundTripMilliseconds(kilometres: Double) -> Double {
    lastMileMilliseconds + 2 * kilometres * stretch / fibreKilometresPerMillisecond
  }
}
