internal import Topology

/// Reads `notify`.
struct NotifyReader {
  let findings: Findings

  /// `{command: [/usr/bin/logger, -t, geodirector], interval: 10s}`
  func notify(_ tree: Tree) -> NotifyPlan? {
    let mend = "write {command: [/usr/local/bin/tell, operations]}"
    guard let object = Object(tree, "notify", keys: ["command", "interval"], shortForm: mend, findings: findings) else {
      return nil
    }
    let words = (object.list("command", orSingle: true) ?? []).compactMap { item in
      object.scalar(item, "command") { text throws(TextError) in
        guard !text.contains("\0") else { throw TextError("a word of a command has no NUL") }
        return text
      }?.value
    }
    guard let program = words.first else {
      findings.error("notify has no command", mend: mend, at: object.location)
      return nil
    }
    guard program.hasPrefix("/") else {
      findings.error(
        "command: \"\(program)\" is no absolute path", mend: "no shell looks for it: write its whole path",
        at: object.keyLocation("command"))
      return nil
    }
    var plan = NotifyPlan(command: words)
    plan.interval = object.positiveDuration("interval") ?? plan.interval
    return plan
  }
}
