extension ScenarioStep {
  /// The step as the language writes it: `{at: 1m, for: 2m, kill: SD1}`.
  public var text: String {
    var parts = ["at: \(at.text)"]
    if let lasts { parts.append("for: \(lasts.text)") }
    parts += fault.parts
    return "{" + parts.joined(separator: ", ") + "}"
  }
}

extension Fault {
  /// What happens, with its settings, as the language writes it: `kill: SD1`.
  public var text: String { parts.joined(separator: ", ") }

  /// The elements or ends of links that it concerns, for people: `SD1, SD2`, `OP1 > SITE1`.
  public var subject: String {
    switch self {
    case .kill(let names), .power(let names), .restart(let names, _), .applicationErrors(let names, _, _),
      .checkFails(let names), .drain(let names, _), .rollingRestart(let names, _), .reload(let names),
      .rollout(_, let names, _), .slow(.elements(let names), _, _):
      return names.map(\.value).joined(separator: ", ")
    case .cut(let ends, let oneWay): return "\(ends.from.value) \(oneWay ? ">" : "-") \(ends.to.value)"
    case .slow(.link(let ends), _, _), .lossy(let ends, _): return "\(ends.from.value) - \(ends.to.value)"
    }
  }

  fileprivate var parts: [String] {
    switch self {
    case .kill(let names): return ["kill: \(list(names))"]
    case .power(let names): return ["power: \(list(names))"]
    case .restart(let names, let pause): return ["restart: \(list(names))", "pause: \(pause.text)"]
    case .cut(let ends, true): return ["cut: \"\(ends.from.value)>\(ends.to.value)\""]
    case .cut(let ends, false): return ["cut: \(pair(ends))"]
    case .slow(.link(let ends), let added, let divided):
      return ["slow: {link: \(pair(ends))}", "by: \(added.text)"]
        + (divided == 1 ? [] : ["divide-bandwidth: \(plainNumber(divided))"])
    case .slow(.elements(let names), let added, _): return ["slow: \(list(names))", "by: \(added.text)"]
    case .lossy(let ends, let share): return ["lossy: \(pair(ends))", "share: \(plainNumber(share))"]
    case .applicationErrors(let names, let share, let status):
      return ["errors: \(list(names))", "share: \(plainNumber(share))", "status: \(status)"]
    case .checkFails(let names): return ["check-fails: \(list(names))"]
    case .drain(let names, let deadline):
      return ["drain: \(list(names))"] + (deadline.map { ["deadline: \($0.text)"] } ?? [])
    case .rollingRestart(let names, let pause): return ["rolling-restart: \(list(names))", "pause: \(pause.text)"]
    case .reload(let names): return ["reload: \(list(names))"]
    case .rollout(let file, let order, let pause):
      return ["rollout: \(quoted(file.value))", "order: \(list(order))", "pause: \(pause.text)"]
    }
  }

  private func list(_ names: [Located<String>]) -> String {
    names.count == 1 ? names[0].value : "[" + names.map(\.value).joined(separator: ", ") + "]"
  }

  private func pair(_ ends: LinkEnds) -> String { "[\(ends.from.value), \(ends.to.value)]" }
}

extension Expectation {
  /// The statement as the language writes it: `{p99: {at-most: 800ms}, phase: failed-over}`.
  public var text: String {
    var limits: [String] = []
    if let atMost { limits.append("at-most: \(amount(atMost))") }
    if let atLeast { limits.append("at-least: \(amount(atLeast))") }
    let value = atLeast == nil && atMost != nil ? amount(atMost ?? 0) : "{" + limits.joined(separator: ", ") + "}"
    return "{\(measure.rawValue): \(value)" + (phase == .all ? "" : ", phase: \(phase.rawValue)") + "}"
  }

  private func amount(_ value: Double) -> String {
    measure.isLatency ? Duration.nanoseconds(Int64((value * 1_000_000).rounded())).text : plainNumber(value)
  }
}

extension Scenario {
  /// The scenario as the language writes it, an entry of `scenarios:` that can be pasted into a file.
  public func text(indent: Int = 2) -> String {
    let margin = String(repeating: " ", count: indent)
    var lines = ["\(margin)- name: \(name)"]
    func add(_ line: String) { lines.append("\(margin)  \(line)") }
    if !summary.isEmpty { add("summary: \(quoted(summary))") }
    add("duration: \(duration.text)")
    let settings = traffic.text
    if !settings.isEmpty { add("traffic: {\(settings)}") }
    if let seed { add("seed: \(seed)") }
    if !steps.isEmpty { add("steps:") }
    for step in steps { add("  - \(step.text)") }
    if !expectations.isEmpty { add("expect:") }
    for expectation in expectations { add("  - \(expectation.text)") }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension TrafficSettings {
  /// What is said, as the language writes it between braces: `users: 50, think-time: 10s`; empty: nothing.
  public var text: String {
    var parts: [String] = []
    if let users { parts.append("users: \(users)") }
    if let thinkTime { parts.append("think-time: \(thinkTime.text)") }
    if let sessionLength { parts.append("session-length: \(sessionLength.text)") }
    if let idleExpiry { parts.append("idle-expiry: \(idleExpiry.text)") }
    if let requestSize { parts.append("request-size: \(formatSize(requestSize))") }
    if let responseSize { parts.append("response-size: \(formatSize(responseSize))") }
    if let postShare { parts.append("post-share: \(plainNumber(postShare))") }
    if let parallel { parts.append("parallel: \(parallel)") }
    if !byHour.isEmpty { parts.append("by-hour: [\(byHour.map(plainNumber).joined(separator: ", "))]") }
    if let clients { parts.append("clients: \(clients.value.rawValue)") }
    return parts.joined(separator: ", ")
  }
}

extension ServiceSettings {
  /// What is said, as the language writes it between braces: `time: 20ms, concurrency: 100`; empty: nothing.
  public var text: String {
    var parts: [String] = []
    if let serviceTime { parts.append("time: \(serviceTime.text)") }
    if let concurrency { parts.append("concurrency: \(concurrency)") }
    if let queue { parts.append("queue: \(queue)") }
    return parts.joined(separator: ", ")
  }
}

/// A number without a fraction that says nothing.
public func plainNumber(_ value: Double) -> String {
  value == value.rounded() && value.magnitude < 1e15 ? "\(Int64(value))" : "\(value)"
}

/// A text in YAML's double quotes.
private func quoted(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    if scalar == "\"" || scalar == "\\" { result.unicodeScalars.append("\\") }
    result.unicodeScalars.append(scalar)
  }
  return result + "\""
}
