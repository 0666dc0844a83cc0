/// What one step does to one thing for some time.
private struct Hold {
  /// What it is: two of one kind on one thing are one too many.
  var kind: String
  /// The element, or a direction of a link (`OP1>SITE1`).
  var thing: String
  var begin: Duration
  var end: Duration
  var location: SourceLocation
}

extension Topology {
  /// Steps that cannot happen because of another: what is killed already, drained while it is down, and the like.
  func overlaps(in scenario: Scenario) -> [Diagnostic] {
    var found: [Diagnostic] = []
    var earlier: [Hold] = []
    for (_, step) in scenario.steps.enumerated().sorted(by: { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) })
    {
      let mine = holds(of: step, in: scenario)
      for hold in mine {
        guard let other = earlier.first(where: { $0.collides(with: hold) }) else { continue }
        let until = other.end >= scenario.duration ? "to the end" : "until \(other.end.text)"
        found.append(
          Diagnostic(
            .error, at: step.location,
            "\"\(hold.thing)\" is \(other.kind) \(until) by the step at \(place(other.location, from: step.location))",
            mend: "end that step before \(step.at.text), or move this one"))
        break
      }
      earlier += mine
    }
    return found
  }

  private func holds(of step: ScenarioStep, in scenario: Scenario) -> [Hold] {
    let end = step.end(in: scenario)
    func hold(_ kind: String, _ things: [String]) -> [Hold] {
      things.map { Hold(kind: kind, thing: $0, begin: step.at, end: end, location: step.location) }
    }
    func hold(_ kind: String, _ names: [Located<String>]) -> [Hold] {
      hold(kind, names.flatMap { relay(named: $0.value) == nil ? elements(named: $0.value) : [$0.value] })
    }
    func both(_ ends: LinkEnds) -> [String] {
      ["\(ends.from.value)>\(ends.to.value)", "\(ends.to.value)>\(ends.from.value)"]
    }
    switch step.fault {
    case .kill(let names), .power(let names): return hold("down", names)
    case .restart(let names, _): return hold("restarted", names)
    case .rollingRestart(let names, _): return hold("restarted", names)
    case .cut(let ends, let oneWay): return hold("cut", oneWay ? Array(both(ends).prefix(1)) : both(ends))
    case .slow(.link(let ends), _, _): return hold("slow", both(ends))
    case .slow(.elements(let names), _, _): return hold("slow", names)
    case .lossy(let ends, _): return hold("lossy", both(ends))
    case .applicationErrors(let names, _, _): return hold("made to answer errors", names)
    case .checkFails(let names): return hold("made to fail checks", names)
    case .drain(let names, _): return hold("drained", names)
    case .reload(let names): return hold("reloaded", names)
    case .rollout(_, let names, _): return hold("given another topology", names)
    }
  }
}

extension Hold {
  /// Whether a later hold cannot be while this one lasts.
  func collides(with later: Hold) -> Bool {
    guard thing == later.thing, later.begin < end || (begin == later.begin && kind == later.kind) else { return false }
    if kind == later.kind { return true }
    // Nothing can be done to what is down, and what is restarted is down for a while.
    let needsLife = ["down", "restarted", "drained", "reloaded", "given another topology"]
    return (kind == "down" || kind == "restarted") && needsLife.contains(later.kind)
  }
}
