import Geo
import GeoDatabase
import Topology

/// What is said about one address.
struct LookupAnswer {
  /// The address as text; of one that cannot be read, as it was given.
  var address: String
  /// Why there is nothing more.
  var error: String?
  /// The range with the same answer of the database. Nil: without a database.
  var network: String?
  /// The record as JSON. Nil: the database does not have the address.
  var record: [UInt8]?
  var place: ClientPlace?
  /// The city's English name.
  var city: String?
  /// Nil without a topology.
  var decision: SitePreference.Decision?
  /// By site number; nil where a place is not known.
  var kilometres: [Double?]

  init(address: String, error: String? = nil) {
    self.address = address
    self.error = error
    kilometres = []
  }
}

/// Looks addresses up and decides, step by step, as nodes do with everything compiled.
struct AddressLookup {
  let database: GeoDatabase?
  let preference: SitePreference?

  func answer(_ address: Network) -> LookupAnswer {
    var answer = LookupAnswer(address: bare(address))
    do throws(GeoDatabaseError) {
      try look(address, into: &answer)
    } catch {
      answer.error = error.description
    }
    if let preference {
      let decision = preference.decide(address: (address.high, address.low), place: answer.place)
      answer.decision = decision
      answer.kilometres =
        decision.location.map(preference.distances) ?? preference.sites.map { _ in nil }
    }
    return answer
  }

  private func look(_ address: Network, into answer: inout LookupAnswer) throws(GeoDatabaseError) {
    guard let database else { return }
    let prefix = try database.prefixLength(high: address.high, low: address.low)
    answer.network = Network(high: address.high, low: address.low, prefixLength: prefix).masked.description
    guard let entry = try database.find(high: address.high, low: address.low) else { return }
    answer.place = try database.place(of: entry.record)
    answer.city = try database.text(of: entry.record, ["city", "names", "en"])
    var record: [UInt8] = []
    try database.appendJSON(of: entry.record, to: &record)
    answer.record = record
  }

  /// An address without its prefix length.
  private func bare(_ address: Network) -> String { String(address.description.prefix { $0 != "/" }) }
}
