extension Topology {
  /// There are relays, and nobody else: what is simulated then are connections.
  public var hasRelaysAlone: Bool { sites.isEmpty && offices.isEmpty && !relays.isEmpty }

  /// What relays are called, then their servers, each name once.
  private var relayElementNames: [String] {
    var names = relays.map(\.name)
    for server in relays.flatMap(\.everyServer) where !names.contains(server.name) { names.append(server.name) }
    return names
  }

  /// Steps that a network of relays alone has no word for, and names that are not there.
  func relayStepErrors(_ step: ScenarioStep) -> [Diagnostic] {
    switch step.fault {
    case .kill(let names), .power(let names), .restart(let names, _): return unknownErrors(names)
    case .slow(.elements(let names), _, _):
      return unknownErrors(names)
        + names.filter { relay(named: $0.value) != nil }.map { name in
          Diagnostic(
            .error, at: name.location, "\"\(name.value)\" is a relay, which a scenario can stop and nothing else",
            mend: "kill, power and restart it, or slow a server behind it")
        }
    case .slow(.link, _, _), .cut, .lossy: return [unsupported(step, "there are no links between relays")]
    case .applicationErrors, .checkFails: return [unsupported(step, "relays do not read what servers answer")]
    case .drain, .rollingRestart, .reload, .rollout:
      return [unsupported(step, "of relays alone a scenario knows what fails")]
    }
  }

  private func unsupported(_ step: ScenarioStep, _ reason: String) -> Diagnostic {
    Diagnostic(
      .error, at: step.location, "this step cannot be simulated in a network of relays alone: \(reason)",
      mend: "write kill, power or restart of a relay or a server, or slow of a server")
  }

  private func unknownErrors(_ names: [Located<String>]) -> [Diagnostic] {
    let known = relayElementNames
    return names.indices.compactMap { index in
      let name = names[index]
      if !known.contains(name.value) {
        return Diagnostic(
          .error, at: name.location, "unknown relay or server \"\(name.value)\"",
          mend: nearestSpelling(of: name.value, among: known).map { "did you mean \"\($0)\"?" }
            ?? listed(known, noun: "there are"))
      }
      guard names[..<index].contains(where: { $0.value == name.value }) else { return nil }
      return Diagnostic(.error, at: name.location, "\"\(name.value)\" is listed twice", mend: "remove one")
    }
  }
}

extension Expectation.Measure {
  /// Those that mean something where connections are counted, not requests: failures, cuts, and the time until a server answers.
  public static let ofConnections: [Self] = [.errors, .allErrors, .sessionLosses, .p50, .p99]
}
