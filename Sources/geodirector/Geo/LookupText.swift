import Geo
import Topology

/// An answer for people.
struct LookupText {
  let answer: LookupAnswer
  let sites: [String]

  init(_ answer: LookupAnswer, sites: [String]) {
    self.answer = answer
    self.sites = sites
  }

  /// Lines, each with its end.
  var text: String {
    var lines = [answer.network.map { "\(answer.address) in \($0)" } ?? answer.address]
    if let error = answer.error { lines.append("  error   \(error)") }
    if let place = answer.place {
      lines.append("  place   " + description(of: place))
    } else if answer.error == nil, answer.network != nil {
      lines.append("  place   not in the database")
    }
    if let decision = answer.decision {
      let list = decision.order.map { number in
        answer.kilometres[number].map { "\(sites[number]) \(Int($0.rounded())) km" } ?? sites[number]
      }
      lines.append("  sites   " + list.joined(separator: ", "))
      lines.append("  reason  " + decision.reason.sentence)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func description(of place: ClientPlace) -> String {
    var parts: [String] = []
    if let city = answer.city { parts.append(city) }
    let country = place.country.map { "\($0)" }
    for part in [place.secondSubdivision, place.subdivision].compactMap({ $0 }) {
      parts.append((country.map { "\($0)-" } ?? "") + "\(part)")
    }
    parts += [country, place.continent.map { "\($0)" }].compactMap { $0 }
    if let location = place.location {
      let around = place.accuracyKilometres.map { " (within \($0) km)" } ?? ""
      parts.append("at \(location.latitude), \(location.longitude)\(around)")
    }
    return parts.isEmpty ? "the record names none" : parts.joined(separator: ", ")
  }
}
