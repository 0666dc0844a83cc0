internal import Topology

/// An explanation for people: node by node, each attempt with its candidates, then what the user got.
public struct ExplanationText {
  private let explanation: Explanation
  private var lines: [String] = []

  /// Writes an explanation.
  public init(_ explanation: Explanation) {
    self.explanation = explanation
    head()
    add(explanation.visit, depth: 0)
    result()
  }

  /// The text, without a newline at its end.
  public var text: String { lines.joined(separator: "\n") }

  private mutating func head() {
    let host = explanation.host.map { " for \($0)" } ?? ""
    let isRelay = explanation.visit.role == NodeRole.relay.rawValue
    let what = isRelay ? "A connection\(explanation.serverName.map { " for \($0)" } ?? "")" : explanation.method + host
    let port = explanation.port.map { " port \($0)" } ?? ""
    lines.append("\(what) at \(explanation.entry)\(port) in network \(explanation.network)")
    if !isRelay { lines.append("  cookie  \(explanation.cookie.isEmpty ? "none" : explanation.cookie)") }
    if let geography = explanation.geography {
      let client = geography.client.map { " for \($0)" } ?? ""
      lines.append("  sites   \(geography.sites.joined(separator: ", "))\(client): \(geography.why)")
    }
    let broken = explanation.down.map { "\($0) is down" } + explanation.cuts.map { "\($0) is cut" }
    lines.append("  broken  \(broken.isEmpty ? "nothing" : broken.joined(separator: ", "))")
    lines.append(
      explanation.isFresh
        ? "  health  nobody has noticed yet: everybody is believed up"
        : "  health  every checker has noticed what is broken")
  }

  private mutating func add(_ visit: Explanation.Visit, depth: Int) {
    let margin = String(repeating: "  ", count: depth)
    lines.append("")
    lines.append("\(margin)\(visit.node), \(visit.role)\(visit.site.map { " of \($0)" } ?? ""): \(visit.binding)")
    if let sources = visit.sources {
      lines.append("\(margin)  its connections leave from \(sources.joined(separator: ", "))")
    }
    for (index, attempt) in visit.attempts.enumerated() {
      lines.append("\(margin)  attempt \(index + 1): \(attempt.server) (\(attempt.reason)): \(attempt.why)")
      table(attempt.candidates, margin: margin + "    ")
      if let inner = attempt.visit {
        add(inner, depth: depth + 2)
        lines.append("")
      }
      lines.append("\(margin)    \(attempt.server): \(attempt.outcome)")
    }
    if let error = visit.error {
      lines.append(
        "\(margin)  "
          + (visit.status == 0 ? "closes the connection: \(error)" : "answers \(visit.status) itself: \(error)"))
    }
    if visit.error == nil, visit.status == 0 { return }
    if visit.attempts.isEmpty, visit.error == nil { lines.append("\(margin)  answers \(visit.status)") }
    for field in visit.setCookies { lines.append("\(margin)  Set-Cookie: \(field)") }
    for note in visit.notes { lines.append("\(margin)  \(note)") }
  }

  private mutating func table(_ candidates: [Explanation.Candidate], margin: String) {
    func width(_ column: (Explanation.Candidate) -> Int) -> Int { candidates.map(column).max() ?? 0 }
    let (names, sites) = (width { $0.name.count }, width { $0.site.count })
    for candidate in candidates {
      let columns = [
        candidate.isChosen ? "->" : "  ", padded(candidate.name, names), padded(candidate.site, sites),
        "tier \(candidate.tier)", candidate.why,
      ]
      lines.append(margin + columns.joined(separator: "  "))
    }
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private mutating func result() {
    lines.append("")
    add(explanation.result)
    guard let others = explanation.others else { return }
    lines.append("")
    lines.append("Most requests come while no trial is due. They get:")
    add(others)
  }

  private mutating func add(_ result: Explanation.Outcome) {
    if explanation.visit.role == NodeRole.relay.rawValue, result.status == 0 {
      lines.append("ends at   \(result.server ?? "nobody: closed without a byte")")
      lines.append("path      \(result.path.joined(separator: " > "))")
      if result.waitedMilliseconds > 0 {
        lines.append("time      \(plain(result.waitedMilliseconds)) ms waited for connections")
      }
      return
    }
    lines.append(
      "answer    \(result.status)\(result.redirect.map { " to \($0)" } ?? "")\(result.server.map { " from \($0)" } ?? "")"
    )
    lines.append("path      \(result.path.joined(separator: " > "))")
    let links = result.links.map { link in
      "\(link.from) > \(link.to)"
        + (link.latencyMilliseconds.map { " \(plain($0)) ms" } ?? " (not in the file)")
        + (link.isInterSite ? ", between sites" : "")
    }
    if !links.isEmpty { lines.append("links     \(links.joined(separator: "; "))") }
    lines.append(
      "time      \(plain(result.latencyMilliseconds)) ms each way on links"
        + (result.waitedMilliseconds == 0 ? "" : ", \(plain(result.waitedMilliseconds)) ms waited for connections"))
    lines.append("session   \(result.session)")
    lines.append("cookies   \(result.cookieAfter.isEmpty ? "none" : result.cookieAfter)")
  }

  private func plain(_ value: Double) -> String {
    value == value.rounded() ? "\(Int(value))" : "\((value * 1000).rounded() / 1000)"
  }
}
