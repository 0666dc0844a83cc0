import Topology

/// What a topology says for its simulation: users, servers and scenarios, for people.
struct ScenariosText {
  let topology: Topology

  init(_ topology: Topology) { self.topology = topology }

  /// Nothing when the file says nothing of it.
  var lines: [String] {
    var settings = TextTable(["where", "traffic or service"])
    var count = 0
    func add(_ name: String, _ text: String) {
      guard !text.isEmpty else { return }
      settings.add([name, text])
      count += 1
    }
    add("users", topology.traffic.text)
    add("servers", topology.service.text)
    for office in topology.offices { add(office.name, office.traffic.text) }
    for site in topology.sites {
      add(site.name, site.traffic.text)
      for server in site.servers { add(server.name, server.service.text) }
    }
    var lines = count == 0 ? [] : ["", "simulation"] + settings.lines(indent: 2)
    for scenario in topology.scenarios { lines += self.lines(of: scenario) }
    return lines
  }

  private func lines(of scenario: Scenario) -> [String] {
    var title = "scenario \(scenario.name), \(scenario.duration.text)"
    if let seed = scenario.seed { title += ", seed \(seed)" }
    if !scenario.traffic.text.isEmpty { title += ", \(scenario.traffic.text)" }
    var lines = ["", title]
    if !scenario.summary.isEmpty { lines.append("  \(scenario.summary)") }
    var table = TextTable(["at", "for", "what"])
    for step in scenario.steps { table.add([step.at.text, step.lasts?.text ?? "-", step.fault.text]) }
    if !scenario.steps.isEmpty { lines += table.lines(indent: 2) }
    for expectation in scenario.expectations { lines.append("  expects \(expectation.words)") }
    return lines
  }
}

extension Expectation {
  /// The statement in words: `p99 at most 800ms in phase failed-over`.
  var words: String {
    func amount(_ value: Double) -> String {
      measure.isLatency ? Duration.nanoseconds(Int64((value * 1_000_000).rounded())).text : plainNumber(value)
    }
    var words = [measure.rawValue]
    if let atLeast { words.append("at least \(amount(atLeast))") }
    if atLeast != nil, atMost != nil { words.append("and") }
    if let atMost { words.append("at most \(amount(atMost))") }
    if phase != .all { words.append("in phase \(phase.rawValue)") }
    return words.joined(separator: " ")
  }
}
