internal import Geo

/// The world's people, each at the centre of a country that stands for the people around it.
struct WorldPeople: Sendable {
  /// By centre: the number of the country in `CountryTable.countries`.
  private(set) var countries: [Int] = []
  /// By centre: what a database would say of a client there.
  private(set) var places: [ClientPlace] = []
  /// By centre: people up to and with it, so that drawing is in whole numbers.
  private var upTo: [UInt64] = []

  /// Everybody.
  static let shared = WorldPeople()

  private init() {
    var people: UInt64 = 0
    for (number, country) in CountryTable.countries.enumerated() {
      for centre in country.centres {
        people += UInt64((centre.millions * 1e6).rounded())
        upTo.append(people)
        countries.append(number)
        places.append(country.place(at: centre.location))
      }
    }
  }

  /// A centre by its part of the world's people.
  func draw(_ random: inout some RandomNumberGenerator) -> Int {
    let wanted = random.next().multipliedFullWidth(by: upTo[upTo.count - 1]).high
    var (below, above) = (0, upTo.count - 1)
    while below < above {
      let middle = (below + above) / 2
      if upTo[middle] <= wanted { below = middle + 1 } else { above = middle }
    }
    return below
  }
}
