public import Topology

/// What is known of where a client is.
public struct ClientPlace: Sendable, Hashable {
  /// Degrees. Nil: unknown.
  public var location: Location?
  /// The client is within so many kilometres of the location, very likely. Nil: unknown.
  public var accuracyKilometres: Int?
  /// The continent (`EU`). Nil: unknown.
  public var continent: RegionCode?
  /// The country, ISO 3166-1 alpha-2. Nil: unknown.
  public var country: RegionCode?
  /// The part of the country, the second half of its ISO 3166-2 code (`ENG` of `GB-ENG`). Nil: unknown.
  public var subdivision: RegionCode?
  /// A part of that part. Nil: unknown, or there is none.
  public var secondSubdivision: RegionCode?

  /// A place of which nothing is known but its location, if that.
  public init(location: Location? = nil) { self.location = location }
}
