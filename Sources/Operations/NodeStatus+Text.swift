extension NodeStatus {
  /// For people: the node in a line, then a table of the servers of each application.
  public var text: String {
    var first =
      "\(node): \(role), \(phase), \(state)\(Self.leftText(deadline, now)) for \(Self.ageText(since, now)), \(clients) clients"
    if !reason.isEmpty { first += " (\(reason))" }
    if let before = processesBefore, before > 0 {
      first +=
        "; \(before) \(before == 1 ? "process" : "processes") before it still \(before == 1 ? "finishes" : "finish") requests"
    }
    var lines = [first]
    for pool in pools {
      lines.append("application \(pool.application)")
      var rows = [["server", "site", "tier", "address", "state", "health", "weight", "in flight", "since", "reason"]]
      for server in pool.servers {
        rows.append([
          server.name, server.site, "\(server.tier)", server.address,
          server.state + Self.leftText(server.deadline, now), server.health,
          Self.numberText(server.weight)
            + (server.weight == server.plannedWeight ? "" : "/\(Self.numberText(server.plannedWeight))"),
          "\(server.inFlight)" + (server.maxConnections > 0 ? "/\(server.maxConnections)" : ""),
          Self.ageText(server.since, now), server.reason,
        ])
      }
      let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
      for row in rows {
        var line = " "
        for (column, cell) in row.enumerated() {
          line += " " + cell + String(repeating: " ", count: widths[column] - cell.count + 1)
        }
        while line.last == " " { line.removeLast() }
        lines.append(line)
      }
    }
    if let handshakes {
      lines.append("TLS handshakes")
      for entry in handshakes {
        let failed = entry.failed.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        lines.append(
          "  \(entry.with): \(entry.full) full, \(entry.resumed) resumed, "
            + (failed.isEmpty ? "none failed" : "failed: \(failed)"))
      }
    }
    return lines.joined(separator: "\n")
  }

  static func numberText(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
  }

  static func leftText(_ deadline: Int64?, _ now: Int64) -> String {
    guard let deadline else { return "" }
    let seconds = deadline - now / 1000
    return seconds > 0 ? " (\(seconds) s left)" : " (over)"
  }

  static func ageText(_ since: Int64, _ now: Int64) -> String {
    let seconds = max(0, now - since) / 1000
    switch seconds {
    case ..<120: return "\(seconds) s"
    case ..<7200: return "\(seconds / 60) min"
    case ..<172_800: return "\(seconds / 3600) h"
    default: return "\(seconds / 86400) d"
    }
  }
}
