internal import Topology

/// Reads one scenario: its settings and statements. Its steps are read by `StepReader`.
struct ScenarioReader {
  private static let keys = ["name", "summary", "duration", "users", "traffic", "seed", "steps", "expect"]

  let findings: Findings

  func scenario(_ tree: Tree) -> Scenario? {
    let mend = "write \"- {name: director-dies, steps: [{at: 60s, for: 120s, kill: SD1}]}\""
    guard let object = Object(tree, "scenario", keys: Self.keys, shortForm: mend, findings: findings) else {
      return nil
    }
    let name = object.requiredName(example: "director-dies")
    var scenario = Scenario(name: name.value, location: name.location)
    scenario.summary = object.value("summary") { (text: String) throws(TextError) in try parseLine(text) } ?? ""
    scenario.duration = object.positiveDuration("duration") ?? scenario.duration
    scenario.traffic = TrafficReader(findings: findings).traffic(of: object)
    scenario.seed = object.value("seed", parseSeed)
    let steps = StepReader(findings: findings)
    scenario.steps = (object.list("steps") ?? []).compactMap(steps.step)
    scenario.expectations = (object.list("expect", orSingle: true) ?? []).flatMap(expectations)
    return scenario
  }

  /// `{moved-back: 0}`, `{p99: {at-most: 800ms}, phase: failed-over}`: one statement for each measure named.
  private func expectations(_ tree: Tree) -> [Expectation] {
    let measures = Expectation.Measure.allCases
    let mend = "write \"- {avoidable-errors: 0}\""
    guard
      let object = Object(
        tree, "expectation", keys: measures.map(\.rawValue) + ["phase"], shortForm: mend, findings: findings)
    else { return [] }
    let phase = object.choice("phase", Expectation.Phase.self) ?? .all
    let named = measures.filter { object[$0.rawValue] != nil }
    if named.isEmpty, !object.fields.contains(where: { !Self.isKnown($0.key) }) {
      findings.error("expectation measures nothing", mend: mend, at: object.location)
    }
    return named.compactMap { measure in
      guard let value = object[measure.rawValue] else { return nil }
      let location = object.keyLocation(measure.rawValue)
      var expectation = Expectation(measure: measure, phase: phase, location: location)
      if value.scalarText != nil {
        expectation.atMost = limit(measure.rawValue, of: measure, in: object)
        return expectation.atMost == nil ? nil : expectation
      }
      let mend = "write \"\(measure.rawValue): \(measure.isLatency ? "800ms" : "0")\", or {at-most: ..., at-least: ...}"
      guard
        let limits = Object(
          value, measure.rawValue, keys: ["at-most", "at-least"], shortForm: mend, findings: findings)
      else { return nil }
      expectation.atMost = limit("at-most", of: measure, in: limits)
      expectation.atLeast = limit("at-least", of: measure, in: limits)
      if limits.fields.isEmpty {
        findings.error("\(measure.rawValue) has no limit", mend: mend, at: limits.location)
      }
      return expectation.atMost == nil && expectation.atLeast == nil ? nil : expectation
    }
  }

  private static func isKnown(_ key: String) -> Bool {
    key == "phase" || Expectation.Measure(rawValue: key) != nil
  }

  /// A count, an amount of money, or for latencies a duration, in milliseconds.
  private func limit(_ key: String, of measure: Expectation.Measure, in object: Object) -> Double? {
    if measure.isLatency { return object.duration(key)?.inMilliseconds }
    return object.number(key, 0...1e15)
  }
}

/// A summary: one line.
private func parseLine(_ text: String) throws(TextError) -> String {
  guard !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
    throw TextError("is longer than a line", mend: "write one line of text")
  }
  return text
}

private func parseSeed(_ text: String) throws(TextError) -> UInt64 {
  guard let seed = UInt64(text) else {
    throw TextError("\"\(text)\" is not a seed", mend: "a whole number, 0 to \(UInt64.max)")
  }
  return seed
}
