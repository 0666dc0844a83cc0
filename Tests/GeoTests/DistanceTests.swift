import Foundation
import TestRandom
import Testing
import Topology

@Suite struct DistanceTests {
  /// Central angles by the formula of Vincenty for a sphere, which is exact everywhere, with the C library's functions.
  private func reference(_ a: Location, _ b: Location) -> Double {
    let (p, q, d) = (a.latitude * .pi / 180, b.latitude * .pi / 180, (b.longitude - a.longitude) * .pi / 180)
    let y = hypot(cos(q) * sin(d), cos(p) * sin(q) - sin(p) * cos(q) * cos(d))
    return Location.earthRadiusKilometres * atan2(y, sin(p) * sin(q) + cos(p) * cos(q) * cos(d))
  }

  @Test func knownDistances() {
    let brussels = Location(latitude: 50.85, longitude: 4.35)
    let newYork = Location(latitude: 40.7128, longitude: -74.006)
    #expect(abs(brussels.kilometres(to: newYork) - 5885) < 10)
    #expect(brussels.kilometres(to: brussels) == 0)
    let pole = Location(latitude: 90, longitude: 0)
    #expect(abs(pole.kilometres(to: Location(latitude: -90, longitude: 77)) - 20015.1) < 0.1)
    #expect(abs(pole.kilometres(to: Location(latitude: 0, longitude: -33)) - 10007.5) < 0.1)
    #expect(Location(latitude: 0, longitude: 180).kilometres(to: Location(latitude: 0, longitude: -180)) < 1e-6)
  }

  @Test func distancesAreExactToAMillimetreAndSymmetric() {
    var random = Generator(seed: 1)
    for _ in 0..<20_000 {
      let a = Location(
        latitude: .random(in: -90...90, using: &random), longitude: .random(in: -180...180, using: &random))
      var b = Location(
        latitude: .random(in: -90...90, using: &random), longitude: .random(in: -180...180, using: &random))
      if Bool.random(using: &random) {
        // Near ones, too.
        b.latitude = max(-90, min(90, a.latitude + (b.latitude / 90_000)))
        b.longitude = a.longitude
      }
      let expected = reference(a, b)
      // Next to the antipodes the chord no longer tells millimetres, and nobody needs them there.
      let exactness = expected > 19_900 ? 0.001 : 1e-6
      #expect(abs(a.kilometres(to: b) - expected) < exactness)
      #expect(a.kilometres(to: b) == b.kilometres(to: a))
    }
  }
}
