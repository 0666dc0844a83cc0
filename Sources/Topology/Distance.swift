extension Location {
  /// The cosine of the central angle between two places: larger is nearer. Enough to order places by great-circle
  /// distance, with no trigonometry but this file's.
  public func nearness(to other: Location) -> Double {
    let (a, b) = (radians(latitude), radians(other.latitude))
    return sine(a) * sine(b) + cosine(a) * cosine(b) * cosine(radians(longitude - other.longitude))
  }
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
