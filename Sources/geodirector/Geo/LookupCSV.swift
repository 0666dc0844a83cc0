import Geo
import Topology

/// An answer as a line of CSV (RFC 4180, lines end with LF).
struct LookupCSV {
  /// The names of the columns.
  static let header =
    "address,network,continent,country,subdivision,city,latitude,longitude,accuracy,sites,kilometres,reason,rule,error"

  let answer: LookupAnswer
  let sites: [String]

  init(_ answer: LookupAnswer, sites: [String]) {
    self.answer = answer
    self.sites = sites
  }

  var line: String {
    let place = answer.place
    let location = answer.decision?.location ?? place?.location
    let order = answer.decision?.order ?? []
    let kilometres = order.map { answer.kilometres[$0].map(rounded) ?? "" }
    let cells: [String?] = [
      answer.address, answer.network, text(place?.continent), text(place?.country), text(place?.subdivision),
      answer.city, location.map { "\($0.latitude)" }, location.map { "\($0.longitude)" },
      place?.accuracyKilometres.map { "\($0)" }, order.map { sites[$0] }.joined(separator: " "),
      kilometres.allSatisfy(\.isEmpty) ? "" : kilometres.map { $0.isEmpty ? "-" : $0 }.joined(separator: " "),
      answer.decision?.reason.word, answer.decision?.reason.rule, answer.error,
    ]
    return cells.map { cell($0 ?? "") }.joined(separator: ",")
  }

  private func text(_ code: RegionCode?) -> String? { code.map { "\($0)" } }

  private func cell(_ text: String) -> String {
    guard text.contains(where: { ",\"\r\n".contains($0) }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }
}
