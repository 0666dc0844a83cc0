extension Location {
  /// The cosine of the central angle between two places: larger is nearer. Enough to order places by great-circle
  /// distance, with no trigonometry but this file's.
  public func nearness(to other: Location) -> Double {
    let (a, b) = (radians(latitude), radians(other.latitude))
    return sine(a) * sine(b) + cosine(a) * cosine(b) * cosine(radians(longitude - other.longitude))
  }
}

/// A place as a point of the unit sphere: distances from it need no trigonometry of angles any more.
public struct SpherePoint: Sendable, Equatable {
  private var x: Double
  private var y: Double
  private var z: Double

  /// The point of a place.
  public init(_ place: Location) {
    let (latitude, longitude) = (radians(place.latitude), radians(place.longitude))
    let toAxis = cosine(latitude)
    x = toAxis * cosine(longitude)
    y = toAxis * sine(longitude)
    z = sine(latitude)
  }

  /// The great-circle distance in kilometres on a sphere of the Earth's mean radius: at most 0.6 % beside the distance on
  /// the ellipsoid.
  public func kilometres(to other: SpherePoint) -> Double {
    let (dx, dy, dz) = (x - other.x, y - other.y, z - other.z)
    // Half the chord is the sine of half the central angle.
    let halfChord = (dx * dx + dy * dy + dz * dz).squareRoot() / 2
    return 2 * arcsine(halfChord) * Location.earthRadiusKilometres
  }
}

extension Location {
  /// The mean radius of the Earth (IUGG 1980, R1).
  public static let earthRadiusKilometres = 6371.0088

  /// The great-circle distance in kilometres, see `SpherePoint.kilometres(to:)`.
  public func kilometres(to other: Location) -> Double { SpherePoint(self).kilometres(to: SpherePoint(other)) }
}

/// Indices of places from the nearest to the farthest; equally far ones in their order.
func orderByDistance(from origin: Location, to places: [Location]) -> [Int] {
  let nearness = places.map(origin.nearness)
  return places.indices.sorted { nearness[$0] != nearness[$1] ? nearness[$0] > nearness[$1] : $0 < $1 }
}

private func radians(_ degrees: Double) -> Double {
  var turned = degrees.remainder(dividingBy: 360)
  if turned == -180 { turned = 180 }
  return turned * Double.pi / 180
}

/// The sine of an angle of -pi to pi, by its power series (error below 1e-14 there).
private func sine(_ angle: Double) -> Double {
  var term = angle
  var sum = angle
  for step in 1...14 {
    term *= -angle * angle / Double(2 * step * (2 * step + 1))
    sum += term
  }
  return sum
}

private func cosine(_ angle: Double) -> Double {
  let shifted = Double.pi / 2 - (angle < 0 ? -angle : angle)
  return sine(shifted)
}

/// The angle of a sine of 0 to 1 (more counts as 1), by halving the angle thrice and its power series (error below 1e-15;
/// next to 1 the sine itself tells no more than 1e-8).
private func arcsine(_ sine: Double) -> Double {
  var halved = sine < 1 ? sine : 1
  for _ in 0..<3 {
    let cosine = (1 - halved * halved).squareRoot()
    halved /= (2 * (1 + cosine)).squareRoot()
  }
  let square = halved * halved
  var power = halved
  var sum = halved
  for step in 1...10 {
    power *= square * Double(2 * step - 1) / Double(2 * step)
    sum += power / Double(2 * step + 1)
  }
  return 8 * sum
}
