internal import Foundation
internal import Topology

/// Reads one step of a scenario: `{at: 60s, for: 120s, kill: SD1}`.
struct StepReader {
  /// What may happen, and the keys that go with it beside `at`.
  private static let verbs: [(name: String, options: [String])] = [
    ("kill", ["for"]), ("power", ["for"]), ("restart", ["pause"]), ("cut", ["for"]),
    ("slow", ["for", "by", "divide-bandwidth"]), ("lossy", ["for", "share"]), ("errors", ["for", "share", "status"]),
    ("check-fails", ["for"]), ("drain", ["for", "deadline"]), ("rolling-restart", ["pause"]), ("reload", []),
    ("rollout", ["order", "pause"]),
  ]
  private static let verbNames = verbs.map(\.name)
  private static let optionNames = [
    "at", "for", "pause", "by", "divide-bandwidth", "share", "status", "deadline", "order",
  ]
  /// Between a kill and the start that follows it.
  private static let restartPause = Duration.seconds(1)
  /// Between two elements of a rolling restart.
  private static let rollingPause = Duration.seconds(10)
  /// Between two nodes that take over a topology.
  private static let rolloutPause = Duration.seconds(30)

  let findings: Findings

  func step(_ tree: Tree) -> ScenarioStep? {
    let mend = "write \"- {at: 60s, for: 120s, kill: SD1}\""
    let keys = Self.verbNames + Self.optionNames
    guard let object = Object(tree, "step", keys: keys, shortForm: mend, findings: findings) else { return nil }
    if object["at"] == nil {
      findings.error("step does not say when", mend: "add \"at: 60s\"", at: object.location)
    }
    let at = object.duration("at")
    let lasts = object.positiveDuration("for")
    let named = object.fields.filter { Self.verbNames.contains($0.key) }
    guard let verb = named.first?.key else {
      // A misspelt one has been reported.
      if object.fields.allSatisfy({ keys.contains($0.key) }) {
        findings.error(
          "step does not say what happens", mend: "add one of: " + Self.verbNames.joined(separator: ", "),
          at: object.location)
      }
      return nil
    }
    if named.count > 1 {
      findings.error(
        "step says both \"\(verb)\" and \"\(named[1].key)\"", mend: "make two steps", at: named[1].keyLocation)
      return nil
    }
    rejectOptions(of: verb, in: object)
    // Without its times nothing can be said of the step beside others.
    guard let fault = fault(verb, object), let at, lasts != nil || object["for"] == nil else { return nil }
    return ScenarioStep(at: at, lasts: lasts, fault: fault, location: object.keyLocation(verb))
  }

  private func rejectOptions(of verb: String, in object: Object) {
    let allowed = ["at"] + (Self.verbs.first { $0.name == verb }?.options ?? [])
    for field in object.fields where Self.optionNames.contains(field.key) && !allowed.contains(field.key) {
      findings.error(
        "\"\(field.key)\" has no meaning for \"\(verb)\"",
        mend: "beside \"\(verb)\" there may be: " + allowed.joined(separator: ", "), at: field.keyLocation)
    }
  }

  private func fault(_ verb: String, _ object: Object) -> Fault? {
    switch verb {
    case "cut": return ends("cut", of: object).map { .cut($0.ends, oneWay: $0.oneWay) }
    case "lossy": return lossy(object)
    case "slow": return slow(object)
    case "rollout": return rollout(object)
    default: break
    }
    guard let names = targets(verb, of: object) else { return nil }
    switch verb {
    case "kill": return .kill(names)
    case "power": return .power(names)
    case "restart": return .restart(names, pause: object.duration("pause") ?? Self.restartPause)
    case "errors":
      return .applicationErrors(
        names, share: object.value("share", parseShare) ?? 1, status: object.integer("status", 400...599) ?? 500)
    case "check-fails": return .checkFails(names)
    case "drain": return .drain(names, deadline: object.duration("deadline"))
    case "rolling-restart": return .rollingRestart(names, pause: object.duration("pause") ?? Self.rollingPause)
    default: return .reload(names)
    }
  }

  /// A name or a list of names; nil when there is none (reported).
  private func targets(_ key: String, of object: Object) -> [Located<String>]? {
    guard let tree = object[key] else {
      findings.error("\(key) names nothing", mend: "write \"\(key): SD1\"", at: object.keyLocation(key))
      return nil
    }
    return names(tree, key, of: object)
  }

  private func names(_ tree: Tree, _ key: String, of object: Object) -> [Located<String>]? {
    switch tree.content {
    case .scalar: return object.scalar(tree, key, parseName).map { [$0] }
    case .list(let items):
      if items.isEmpty {
        findings.error("\(key) names nothing", mend: "write \"\(key): [SD1]\"", at: tree.location)
      }
      let names = items.compactMap { object.scalar($0, key, parseName) }
      return names.isEmpty ? nil : names
    case .mapping, .null:
      findings.error("\(key) must be a name or a list of names, not \(tree.kindName)", at: tree.location)
      return nil
    }
  }

  private func lossy(_ object: Object) -> Fault? {
    let ends = ends("lossy", of: object)
    if let ends, ends.oneWay {
      findings.error(
        "lossy has no one-way form", mend: "write \"lossy: [\(ends.ends.from.value), \(ends.ends.to.value)]\"",
        at: ends.ends.from.location)
    }
    if object["share"] == nil {
      findings.error(
        "lossy does not say how much is lost", mend: "add \"share: 0.05\"", at: object.keyLocation("lossy"))
    }
    guard let ends else { return nil }
    return .lossy(ends.ends, share: object.value("share", parseShare) ?? 0)
  }

  /// `slow: W11`, `slow: [W11, W12]` are elements; `slow: {link: [OP1, SITE1]}` is a link.
  private func slow(_ object: Object) -> Fault? {
    let added = object.duration("by") ?? .zero
    let divided = object.number("divide-bandwidth", 1...1_000_000) ?? 1
    if object["by"] == nil, object["divide-bandwidth"] == nil {
      findings.error(
        "slow does not say by how much", mend: "add \"by: 300ms\"", at: object.keyLocation("slow"))
    }
    guard let tree = object["slow"], case .mapping = tree.content else {
      if object["divide-bandwidth"] != nil {
        findings.error(
          "only links have a bandwidth", mend: "write \"slow: {link: [OP1, SITE1]}\"",
          at: object.keyLocation("divide-bandwidth"))
      }
      return targets("slow", of: object).map { .slow(.elements($0), added: added, divided: 1) }
    }
    let mend = "write \"slow: W11\" or \"slow: {link: [OP1, SITE1]}\""
    guard let target = Object(tree, "slow", keys: ["link"], shortForm: mend, findings: findings) else { return nil }
    if target["link"] == nil {
      if target.fields.isEmpty { findings.error("slow names nothing", mend: mend, at: tree.location) }
      return nil
    }
    guard let ends = ends("link", of: target) else { return nil }
    if ends.oneWay {
      findings.error(
        "a link is slow both ways", mend: "write \"{link: [\(ends.ends.from.value), \(ends.ends.to.value)]}\"",
        at: ends.ends.from.location)
    }
    return .slow(.link(ends.ends), added: added, divided: divided)
  }

  private func rollout(_ object: Object) -> Fault? {
    let file = object.located("rollout") { (text: String) throws(TextError) -> String in text }
    if object["rollout"] == nil {
      findings.error(
        "rollout names no file", mend: "write \"rollout: next.yaml\"", at: object.keyLocation("rollout"))
    } else if let file, !FileManager.default.fileExists(atPath: file.pathFromItsFile) {
      findings.error(
        "rollout: no such file: \"\(file.value)\"", mend: "names are relative to this file", at: file.location)
    }
    guard object["order"] != nil else {
      findings.error(
        "rollout does not say in which order", mend: "add \"order: [OP1, SD1]\"", at: object.keyLocation("rollout"))
      return nil
    }
    let order = targets("order", of: object)
    guard let file, let order else { return nil }
    return .rollout(file: file, order: order, pause: object.duration("pause") ?? Self.rolloutPause)
  }

  /// `[OP1, SITE1]`: both ways; `OP1>SITE1`: from the first to the second.
  private func ends(_ key: String, of object: Object) -> (ends: LinkEnds, oneWay: Bool)? {
    let mend = "write \"\(key): [OP1, SITE1]\" for both ways" + (key == "cut" ? ", or \"cut: OP1>SITE1\" for one" : "")
    guard let tree = object[key] else {
      findings.error("\(key) names no link", mend: mend, at: object.keyLocation(key))
      return nil
    }
    switch tree.content {
    case .list(let items):
      let names = items.compactMap { object.scalar($0, key, parseName) }
      guard items.count == 2 else {
        findings.error("\(key) must name two ends", mend: mend, at: tree.location)
        return nil
      }
      guard names.count == 2 else { return nil }
      return (LinkEnds(from: names[0], to: names[1]), false)
    case .scalar(let text, _):
      let parts = text.split(separator: ">", omittingEmptySubsequences: false).map { part in
        String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
      }
      guard parts.count == 2, parts.allSatisfy(isName) else {
        findings.error("\(key): \"\(text)\" does not name the two ends of a link", mend: mend, at: tree.location)
        return nil
      }
      return (
        LinkEnds(from: Located(parts[0], at: tree.location), to: Located(parts[1], at: tree.location)), true
      )
    case .mapping, .null:
      findings.error("\(key) must be two names, not \(tree.kindName)", mend: mend, at: tree.location)
      return nil
    }
  }
}

/// A share above 0, up to 1.
private func parseShare(_ text: String) throws(TextError) -> Double {
  let share = try parseNumber(text, 0...1)
  guard share > 0 else { throw TextError("\(text) is nobody", mend: "a share above 0, up to 1") }
  return share
}
