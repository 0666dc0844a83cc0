extension Topology {
  /// Steps about things that are not there or at impossible times, and statements about phases that never come.
  func scenarioErrors() -> [Diagnostic] { scenarios.flatMap(errors) + latencyErrors() }

  /// What no network has, and no simulation can count with.
  private func latencyErrors() -> [Diagnostic] {
    links.filter { $0.latency > .seconds(3600) && !$0.ends.isEmpty }.map { link in
      Diagnostic(
        .error, at: link.ends[0].location, "the latency of a link is \(link.latency.text)",
        mend: "write an hour at most")
    }
  }

  /// What is wrong with a scenario for this network, one of the file or another; empty: it can be simulated.
  public func errors(in scenario: Scenario) -> [Diagnostic] {
    lengthErrors(scenario) + scenario.steps.flatMap { stepErrors($0, of: scenario) } + overlaps(in: scenario)
      + expectationErrors(scenario)
  }

  private func lengthErrors(_ scenario: Scenario) -> [Diagnostic] {
    guard scenario.duration > .seconds(366 * 86_400) else { return [] }
    return [
      Diagnostic(
        .error, at: scenario.location, "scenario \"\(scenario.name)\" lasts \(scenario.duration.text)",
        mend: "write 366d at most")
    ]
  }

  private func stepErrors(_ step: ScenarioStep, of scenario: Scenario) -> [Diagnostic] {
    var found: [Diagnostic] = []
    if step.at >= scenario.duration {
      found.append(
        Diagnostic(
          .error, at: step.location,
          "step begins at \(step.at.text), but scenario \"\(scenario.name)\" ends at \(scenario.duration.text)",
          mend: "let it begin earlier, or set \"duration:\" to more"))
    }
    if case .slow(_, let added, _) = step.fault, added > .seconds(86_400) {
      found.append(Diagnostic(.error, at: step.location, "slow by \(added.text)", mend: "write a day at most"))
    }
    if hasRelaysAlone { return found + relayStepErrors(step) }
    let anything: [ElementKind] = [.office, .director, .balancer, .server, .site]
    switch step.fault {
    case .kill(let names), .power(let names), .restart(let names, _):
      found += relayErrors(names) + nameErrors(names.filter { relay(named: $0.value) == nil }, of: anything, "")
    case .rollingRestart(let names, _): found += nameErrors(names, of: anything, "")
    case .slow(.elements(let names), _, _): found += nameErrors(names, of: anything, "")
    case .applicationErrors(let names, _, _):
      found += nameErrors(names, of: [.server, .site], "only application servers make application errors")
    case .checkFails(let names):
      found += nameErrors(names, of: [.server, .site], "only application servers have a page that is checked")
    case .drain(let names, let deadline):
      found += nameErrors(
        names, of: [.director, .balancer, .server, .site], "an office has nobody to give its users to")
      if let deadline, let lasts = step.lasts, deadline > lasts {
        found.append(
          Diagnostic(
            .error, at: step.location, "the drain is over after \(lasts.text), before its deadline of \(deadline.text)",
            mend: "leave out \"for\", or shorten the deadline"))
      }
    case .reload(let names):
      found += nameErrors(names, of: [.office, .director, .balancer, .site], "a server has no topology to read")
    case .rollout(_, let order, _):
      found += nameErrors(order, of: [.office, .director, .balancer, .site], "a server has no topology to read")
    case .cut(let ends, _) where isWithinSite(ends): break
    case .cut(let ends, _), .lossy(let ends, _), .slow(.link(let ends), _, _): found += linkErrors(ends)
    }
    return found
  }

  private func nameErrors(_ names: [Located<String>], of kinds: [ElementKind], _ reason: String) -> [Diagnostic] {
    var found: [Diagnostic] = []
    var seen: [String] = []
    for name in names {
      guard let (kind, site) = element(named: name.value) else {
        if relay(named: name.value) != nil {
          found.append(
            Diagnostic(
              .error, at: name.location, "\"\(name.value)\" is a relay, which a scenario can stop and nothing else",
              mend: "kill, power and restart it"))
          continue
        }
        let known = elementNames.filter { element(named: $0).map { kinds.contains($0.kind) } ?? false }
        found.append(
          Diagnostic(
            .error, at: name.location, "unknown element \"\(name.value)\"",
            mend: nearestSpelling(of: name.value, among: elementNames + relaysOfChecks.map(\.name)).map {
              "did you mean \"\($0)\"?"
            }
              ?? listed(known, noun: "there are")))
        continue
      }
      if !kinds.contains(kind) {
        let what = kind == .office ? "an office" : "a \(kind.rawValue)\(site.map { " of \($0.name)" } ?? "")"
        found.append(Diagnostic(.error, at: name.location, "\"\(name.value)\" is \(what): \(reason)"))
        continue
      }
      let inside = elements(named: name.value)
      if let twice = inside.first(where: seen.contains) {
        found.append(
          Diagnostic(
            .error, at: name.location,
            twice == name.value
              ? "\"\(twice)\" is listed twice, or is at a site that is listed"
              : "site \"\(name.value)\" is listed with \"\(twice)\", which is at it",
            mend: "remove one"))
      }
      seen += inside
    }
    return found
  }

  /// Relays that are listed twice, or whose end shows nothing.
  private func relayErrors(_ names: [Located<String>]) -> [Diagnostic] {
    names.indices.compactMap { index in
      let name = names[index]
      guard let relay = relay(named: name.value) else { return nil }
      if names[..<index].contains(where: { $0.value == name.value }) {
        return Diagnostic(.error, at: name.location, "\"\(name.value)\" is listed twice", mend: "remove one")
      }
      guard elementsChecked(through: relay).isEmpty else { return nil }
      return Diagnostic(
        .error, at: name.location,
        "no monitor and no admission port is asked by way of relay \"\(name.value)\", so that its end shows nothing",
        mend: "remove it: what else goes through relays is not simulated")
    }
  }

  /// An element and the site it stands at: the element falls silent there, and loses nothing.
  private func isWithinSite(_ ends: LinkEnds) -> Bool {
    func stands(_ name: String, at site: String) -> Bool {
      guard let element = element(named: name), element.kind != .site else { return false }
      return element.site?.name == site
    }
    return stands(ends.from.value, at: ends.to.value) || stands(ends.to.value, at: ends.from.value)
  }

  private func linkErrors(_ ends: LinkEnds) -> [Diagnostic] {
    let places = offices.map(\.name) + sites.map(\.name)
    var found: [Diagnostic] = []
    for end in [ends.from, ends.to] where !places.contains(end.value) {
      if let (kind, site) = element(named: end.value), let site {
        found.append(
          Diagnostic(
            .error, at: end.location, "\"\(end.value)\" is a \(kind.rawValue): links are between offices and sites",
            mend: "write \"\(site.name)\""))
      } else {
        found.append(
          Diagnostic(
            .error, at: end.location, "unknown site or office \"\(end.value)\"",
            mend: spellingMend(of: end.value, among: places, noun: "declared")))
      }
    }
    guard found.isEmpty, link(between: ends.from.value, and: ends.to.value) == nil else { return found }
    let there = links.filter { $0.ends.count == 2 }
    func has(_ link: Link, _ name: String) -> Bool { link.ends.contains { $0.value == name } }
    let near = there.filter { has($0, ends.from.value) || has($0, ends.to.value) }
    let text = (near.isEmpty ? there : near).map { "\($0.ends[0].value)-\($0.ends[1].value)" }
    found.append(
      Diagnostic(
        .error, at: ends.from.location, "there is no link between \"\(ends.from.value)\" and \"\(ends.to.value)\"",
        mend: text.isEmpty
          ? "declare it: \"links: [{between: [\(ends.from.value), \(ends.to.value)]}]\"" : listed(text, noun: "links")))
    return found
  }

  /// A list for a message, cut short where it would be longer than a person reads.
  func listed(_ names: [String], noun: String) -> String {
    let shown = names.prefix(12)
    return "\(noun): " + shown.joined(separator: ", ") + (names.count > shown.count ? ", ..." : "")
  }

  // MARK: Statements

  private func expectationErrors(_ scenario: Scenario) -> [Diagnostic] {
    var found: [Diagnostic] = []
    for (index, expectation) in scenario.expectations.enumerated() {
      let name = expectation.measure.rawValue
      if hasRelaysAlone, !Expectation.Measure.ofConnections.contains(expectation.measure) {
        found.append(
          Diagnostic(
            .error, at: expectation.location, "\(name) is about requests, and the network has relays alone",
            mend: listed(Expectation.Measure.ofConnections.map(\.rawValue), noun: "of connections there are")))
      }
      if let least = expectation.atLeast, let most = expectation.atMost, least > most {
        found.append(
          Diagnostic(.error, at: expectation.location, "\(name): at-least is above at-most", mend: "swap them"))
      }
      if scenario.expectations[..<index].contains(where: {
        $0.measure == expectation.measure && $0.phase == expectation.phase
      }) {
        found.append(
          Diagnostic(
            .error, at: expectation.location, "\(name) of phase \"\(expectation.phase.rawValue)\" is expected twice",
            mend: "write one {at-least: ..., at-most: ...}"))
      }
      if let missing = missingPhase(expectation.phase, in: scenario) {
        found.append(
          Diagnostic(
            .error, at: expectation.location,
            "scenario \"\(scenario.name)\" has no phase \"\(expectation.phase.rawValue)\": \(missing)",
            mend: "phases: " + phases(of: scenario).map(\.rawValue).joined(separator: ", ")))
      }
    }
    return found
  }

  private func phases(of scenario: Scenario) -> [Expectation.Phase] {
    Expectation.Phase.allCases.filter { missingPhase($0, in: scenario) == nil }
  }

  /// Why a phase never comes in a scenario; nil: it comes.
  private func missingPhase(_ phase: Expectation.Phase, in scenario: Scenario) -> String? {
    switch phase {
    case .all: return nil
    case .before: return scenario.steps.contains { $0.at == .zero } ? "a step begins at once" : nil
    case .detection, .failedOver: return scenario.steps.isEmpty ? "it has no step" : nil
    case .afterHeal:
      if scenario.steps.isEmpty { return "it has no step" }
      return scenario.steps.allSatisfy { $0.end(in: scenario) < scenario.duration } ? nil : "a step lasts to the end"
    }
  }

  // MARK: Doubts

  /// What can be simulated but is likely not meant.
  func scenarioWarnings() -> [Diagnostic] {
    var found: [Diagnostic] = []
    for scenario in scenarios {
      for step in scenario.steps {
        if let lasts = step.lasts, step.at + lasts > scenario.duration {
          found.append(
            Diagnostic(
              .warning, at: step.location,
              "step lasts to \((step.at + lasts).text), but scenario \"\(scenario.name)\" ends at \(scenario.duration.text)",
              mend: "set \"duration:\" to more, or leave out \"for\""))
        }
        if case .slow(.link(let ends), _, let divided) = step.fault, divided > 1,
          let link = link(between: ends.from.value, and: ends.to.value), link.bandwidth == nil
        {
          found.append(
            Diagnostic(
              .warning, at: step.location,
              "the link between \"\(ends.from.value)\" and \"\(ends.to.value)\" has unlimited bandwidth, so dividing it changes nothing",
              mend: "add \"bandwidth:\" to the link"))
        }
      }
    }
    found += scenarios.flatMap(\.steps).compactMap(slowEnds)
    // Without an office every site has users, unless it says that it has none.
    let isUsed =
      traffic.users != 0
      && (hasRelaysAlone || offices.contains { $0.traffic.users != 0 }
        || sites.contains { ($0.traffic.users ?? (offices.isEmpty ? 1 : 0)) > 0 })
    if let scenario = scenarios.first, !isUsed {
      found.append(
        Diagnostic(
          .warning, at: scenario.location,
          "nobody uses the network: no office or site has users, so that scenarios show nothing",
          mend: "set \"users:\" of an office, a site or \"traffic\" to more than 0"))
    }
    return found
  }

  /// Two slow elements with a link between them: the link is meant, most likely.
  private func slowEnds(_ step: ScenarioStep) -> Diagnostic? {
    guard case .slow(.elements(let names), _, _) = step.fault, names.count == 2,
      link(between: names[0].value, and: names[1].value) != nil
    else { return nil }
    let (first, second) = (names[0].value, names[1].value)
    return Diagnostic(
      .warning, at: step.location, "this slows the nodes of \"\(first)\" and \"\(second)\", not the link between them",
      mend: "for the link write \"slow: {link: [\(first), \(second)]}\"")
  }
}

extension ScenarioStep {
  /// When it is over, as far as the file tells: what lasts to the end is over when the scenario is.
  func end(in scenario: Scenario) -> Duration {
    switch fault {
    case .restart(_, let pause): return at + pause
    case .rollingRestart(let names, let pause), .rollout(_, let names, let pause): return at + pause * names.count
    case .reload: return at
    case .kill, .power, .cut, .slow, .lossy, .applicationErrors, .checkFails, .drain:
      return lasts.map { at + $0 } ?? max(at, scenario.duration)
    }
  }
}
