import Foundation
import Topology

/// The Natural Earth projection (T. Patterson; polynomial of B. Savric et al., 2011) into a frame of a drawing.
struct WorldProjection {
  let x, y, width: Double

  /// Height of a map of a width.
  static func height(width: Double) -> Double { width / (2 * aspectX) * (northY - southY) }

  private static let aspectX = raw(longitude: 180, latitude: 0).x
  /// Nothing but ice lies farther north or south.
  private static let northY = raw(longitude: 0, latitude: 84).y
  private static let southY = raw(longitude: 0, latitude: -60).y

  /// The point in the drawing of a place in degrees; south of 60 degrees it lies below the frame.
  func point(longitude: Double, latitude: Double) -> (x: Double, y: Double) {
    let raw = Self.raw(longitude: longitude, latitude: latitude)
    let scale = width / (2 * Self.aspectX)
    return (x + (raw.x + Self.aspectX) * scale, y + (Self.northY - raw.y) * scale)
  }

  func point(_ place: Location) -> (x: Double, y: Double) {
    point(longitude: place.longitude, latitude: place.latitude)
  }

  private static func raw(longitude: Double, latitude: Double) -> (x: Double, y: Double) {
    let (l, p) = (longitude * .pi / 180, latitude * .pi / 180)
    let p2 = p * p
    let p4 = p2 * p2
    return (
      l * (0.8707 - 0.131979 * p2 + p4 * (-0.013791 + p4 * (0.003971 * p2 - 0.001529 * p4))),
      p * (1.007226 + p2 * (0.015085 + p4 * (-0.044475 + 0.028874 * p2 - 0.005916 * p4)))
    )
  }

  /// Path data of a closed outline.
  func outline(_ points: [(longitude: Double, latitude: Double)]) -> String {
    points.enumerated().map { index, place in
      let at = point(longitude: place.longitude, latitude: place.latitude)
      return "\(index == 0 ? "M" : "L")\(SVGText.number(at.x)) \(SVGText.number(at.y))"
    }.joined() + "Z"
  }

  /// Path data of the great circle between two places, in two pieces where it leaves the map at its edge.
  func greatCircle(_ from: Location, _ to: Location) -> String {
    let angle = from.kilometres(to: to) / Location.earthRadiusKilometres
    let steps = max(2, Int(angle * 30))
    func vector(_ place: Location) -> (Double, Double, Double) {
      let (p, l) = (place.latitude * .pi / 180, place.longitude * .pi / 180)
      return (cos(p) * cos(l), cos(p) * sin(l), sin(p))
    }
    let (a, b) = (vector(from), vector(to))
    var data = ""
    var before: Double?
    // Of places next to each other, and of antipodes, no circle is told apart: a straight line then.
    let isArc = sin(angle) > 1e-6
    for step in 0...steps {
      let part = Double(step) / Double(steps)
      let f = isArc ? sin((1 - part) * angle) / sin(angle) : 1 - part
      let g = isArc ? sin(part * angle) / sin(angle) : part
      let (u, v, w) = (f * a.0 + g * b.0, f * a.1 + g * b.1, f * a.2 + g * b.2)
      let longitude = atan2(v, u) * 180 / .pi
      let at = point(longitude: longitude, latitude: atan2(w, hypot(u, v)) * 180 / .pi)
      let isJump = before.map { abs($0 - longitude) > 180 } ?? true
      data += "\(isJump ? "M" : "L")\(SVGText.number(at.x)) \(SVGText.number(at.y))"
      before = longitude
    }
    return data
  }
}
