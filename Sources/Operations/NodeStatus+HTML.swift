extension NodeStatus {
  /// For people with a browser: one page, without anything from elsewhere.
  public var html: String {
    var page = """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <title>\(Self.escaped(node)): \(Self.escaped(network))</title>
      <style>\(Self.style)</style>
      </head>
      <body>
      <h1>\(Self.escaped(node))</h1>
      <p>\(Self.escaped(role)) in network \(Self.escaped(network)), \(Self.escaped(phase)), \(Self.escaped(state)) for \
      \(Self.ageText(since, now))\(reason.isEmpty ? "" : " (\(Self.escaped(reason)))"); topology \(Self.escaped(digest)); \
      \(clients) connections of clients</p>

      """
    for pool in pools { page += table(of: pool) }
    page += "<h2>Counts</h2>\n<table>\n<tbody>\n"
    for counter in counters {
      page +=
        "<tr><th scope=\"row\">\(Self.escaped(counter.name))</th><td class=\"number\">\(counter.value)</td></tr>\n"
    }
    return page + "</tbody>\n</table>\n</body>\n</html>\n"
  }

  private static let columns = [
    "server", "site", "tier", "address", "state", "health", "weight", "in flight", "requests", "failed connections",
    "times down", "since", "reason", "last check",
  ]

  private func table(of pool: Pool) -> String {
    var text = "<h2>\(Self.escaped(pool.application))</h2>\n<table>\n<thead><tr>"
    for column in Self.columns { text += "<th scope=\"col\">\(column)</th>" }
    text += "</tr></thead>\n<tbody>\n"
    for server in pool.servers {
      let word = server.state == "ready" ? server.health : server.state
      text += "<tr class=\"\(Self.escaped(word))\"><th scope=\"row\">\(Self.escaped(server.name))</th>"
      let words = [
        server.site, "\(server.tier)", server.address, server.state + Self.leftText(server.deadline, now),
        server.health,
      ]
      for word in words { text += "<td>\(Self.escaped(word))</td>" }
      let numbers = [
        Self.numberText(server.weight)
          + (server.weight == server.plannedWeight ? "" : "/\(Self.numberText(server.plannedWeight))"),
        "\(server.inFlight)" + (server.maxConnections > 0 ? "/\(server.maxConnections)" : ""), "\(server.requests)",
        "\(server.failures)", "\(server.timesDown)",
      ]
      for number in numbers { text += "<td class=\"number\">\(number)</td>" }
      text += "<td>\(Self.ageText(server.since, now))</td><td>\(Self.escaped(server.reason))</td>"
      text += "<td>\(Self.escaped(server.checks.map { Self.checkText($0, now) }.joined(separator: ", ")))</td></tr>\n"
    }
    return text + "</tbody>\n</table>\n"
  }

  private static func checkText(_ check: Check, _ now: Int64) -> String {
    guard let began = check.began else { return "\(check.kind): none yet" }
    return "\(check.kind): \(check.succeeded ? "well" : "failed") \(ageText(began, now)) ago"
  }

  /// Text between tags, or within an attribute's quotes.
  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }

  /// Colours for light and dark ground.
  private static let style = """
    :root{color-scheme:light dark;--up:#d6efd9;--own:#fdf0c4;--down:#f8d3d0;--line:#8888}
    @media(prefers-color-scheme:dark){:root{--up:#1e4426;--own:#544713;--down:#5c211d}}
    body{font:14px/1.4 system-ui,sans-serif;margin:1.5em}
    table{border-collapse:collapse}th,td{padding:.2em .6em;border:1px solid var(--line);text-align:left;font-weight:normal}
    thead th{font-weight:bold}.number{text-align:right;font-variant-numeric:tabular-nums}
    .up{background:var(--up)}.own-users,.drain{background:var(--own)}.down,.declared-down,.maintain{background:var(--down)}
    """
}
