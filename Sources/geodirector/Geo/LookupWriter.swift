import Foundation
import Geo
import Topology

/// Writes answers to standard output, many at once.
struct LookupWriter {
  private let format: GeoLookup.Format
  private let sites: [String]
  private var pending: [UInt8] = []
  private var isFirst = true

  init(format: GeoLookup.Format, sites: [String]) {
    self.format = format
    self.sites = sites
  }

  mutating func write(_ answer: LookupAnswer) {
    switch format {
    case .text:
      if !isFirst { append("\n") }
      append(LookupText(answer, sites: sites).text)
    case .json: writeJSON(answer)
    case .csv:
      if isFirst { append(LookupCSV.header + "\n") }
      append(LookupCSV(answer, sites: sites).line + "\n")
    }
    isFirst = false
    if pending.count > 1 << 16 { flush() }
  }

  /// Hands everything to standard output.
  mutating func flush() {
    if format == .csv, isFirst { append(LookupCSV.header + "\n") }
    isFirst = false
    var rest = pending[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(1, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      // Nobody reads any more, or there is no room: what was written so far is all there will be.
      if count <= 0 { Foundation.exit(1) }
      rest = rest.dropFirst(count)
    }
    pending.removeAll(keepingCapacity: true)
  }

  private mutating func append(_ text: String) { pending += text.utf8 }

  private mutating func writeJSON(_ answer: LookupAnswer) {
    append("{\"address\":\(quoted(answer.address))")
    if let error = answer.error { append(",\"error\":\(quoted(error))") }
    append(",\"network\":\(answer.network.map(quoted) ?? "null"),\"record\":")
    if let record = answer.record { pending += record } else { append("null") }
    append(",\"location\":")
    if let location = answer.decision?.location ?? answer.place?.location {
      append("{\"latitude\":\(location.latitude),\"longitude\":\(location.longitude)}")
    } else {
      append("null")
    }
    if let decision = answer.decision {
      let list = decision.order.map { number in
        let kilometres = answer.kilometres[number].map(rounded) ?? "null"
        return "{\"name\":\(quoted(sites[number])),\"kilometres\":\(kilometres)}"
      }
      append(",\"sites\":[\(list.joined(separator: ","))],\"reason\":\(quoted(decision.reason.word))")
      append(",\"rule\":\(decision.reason.rule.map(quoted) ?? "null")")
    }
    append("}\n")
  }
}

/// A JSON string.
private func quoted(_ text: String) -> String {
  var quoted = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": quoted += "\\\""
    case "\\": quoted += "\\\\"
    case _ where scalar.value < 0x20:
      let digits = String(scalar.value, radix: 16)
      quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: quoted.unicodeScalars.append(scalar)
    }
  }
  return quoted + "\""
}

/// A distance with one digit after the point.
func rounded(_ kilometres: Double) -> String { "\((kilometres * 10).rounded() / 10)" }

extension SitePreference.Reason {
  /// The reason in one word, for programs.
  var word: String {
    switch self {
    case .network: "network"
    case .networkLocation: "network-location"
    case .region: "region"
    case .distance: "distance"
    case .unknownAddress: "unknown-address"
    case .unknownLocation: "unknown-location"
    case .sitesWithoutLocation: "sites-without-location"
    }
  }

  /// The entry of the topology that decided. Nil: none.
  var rule: String? {
    switch self {
    case .network(let network), .networkLocation(let network): network.description
    case .region(let kind, let code): "\(kind.rawValue) \(code)"
    case .distance, .unknownAddress, .unknownLocation, .sitesWithoutLocation: nil
    }
  }

  /// The reason as a sentence.
  var sentence: String {
    switch self {
    case .network(let network): "networks: \(network) lists sites"
    case .networkLocation(let network): "networks: \(network) tells the location; the nearest first"
    case .region(let kind, let code): "regions: \(kind.rawValue) \(code) lists sites"
    case .distance: "the nearest first"
    case .unknownAddress: "nothing is known of the address, so the configured order"
    case .unknownLocation: "the database has no location for it, so the configured order"
    case .sitesWithoutLocation: "no site has a location, so the configured order"
    }
  }
}
