internal import Topology

/// A mapping whose keys are known: reads values of the language's types and reports what does not fit.
struct Object {
  let fields: [Tree.Field]
  let location: SourceLocation
  /// What the mapping describes, as messages name it.
  let what: String
  let findings: Findings

  /// The keys of a mapping that are names of the file's own choice.
  init(fields: [Tree.Field], location: SourceLocation, what: String, findings: Findings) {
    self.fields = fields
    self.location = location
    self.what = what
    self.findings = findings
  }

  /// Takes a mapping; reports another kind of content and unknown keys.
  init?(_ tree: Tree, _ what: String, keys: [String], shortForm: String? = nil, findings: Findings) {
    guard case .mapping(let fields) = tree.content else {
      findings.error(
        "\(what) must be a mapping, not \(tree.kindName)", mend: shortForm ?? "keys: " + keys.joined(separator: ", "),
        at: tree.location)
      return nil
    }
    self.fields = fields
    self.location = tree.location
    self.what = what
    self.findings = findings
    for field in fields where !keys.contains(field.key) {
      findings.error(
        "unknown key \"\(field.key)\" in \(what)", mend: spellingMend(of: field.key, among: keys, noun: "keys"),
        at: field.keyLocation)
    }
    for field in fields where field.value.isNull && keys.contains(field.key) && Self.neverEmpty.contains(field.key) {
      findings.error(
        "\(field.key) of \(what) has no value", mend: "write one, or remove the key", at: field.keyLocation)
    }
  }

  /// Keys of which an empty one is not the same as none: somebody has begun to say who may do what, and everybody would be let in.
  private static let neverEmpty: Set<String> = [
    "alpn", "ca", "certificate", "certificates", "chroot", "client-ca", "client-names", "group", "hsts",
    "key", "key-file", "minimum", "monitor-net", "ocsp", "password", "proxy-protocol", "public", "redirect",
    "require", "signing", "strict", "ticket-keys", "tls", "upstream", "user", "verify",
  ]

  /// The value of a key; nil when it is absent or empty.
  subscript(key: String) -> Tree? {
    guard let value = fields.first(where: { $0.key == key })?.value, !value.isNull else { return nil }
    return value
  }

  func keyLocation(_ key: String) -> SourceLocation {
    fields.first { $0.key == key }?.keyLocation ?? location
  }

  /// A scalar, parsed; nil when absent or wrong (reported).
  func value<Value: Sendable & Equatable>(_ key: String, _ parse: (String) throws(TextError) -> Value) -> Value? {
    located(key, parse)?.value
  }

  func located<Value: Sendable & Equatable>(_ key: String, _ parse: (String) throws(TextError) -> Value) -> Located<
    Value
  >? {
    guard let tree = self[key] else { return nil }
    return scalar(tree, key, parse)
  }

  func scalar<Value: Sendable & Equatable>(_ tree: Tree, _ key: String, _ parse: (String) throws(TextError) -> Value)
    -> Located<Value>?
  {
    guard let text = tree.scalarText else {
      findings.error("\(key) must be a single value, not \(tree.kindName)", at: tree.location)
      return nil
    }
    do {
      return Located(try parse(text), at: tree.location)
    } catch {
      findings.error("\(key): \(error.message)", mend: error.mend, at: tree.location)
      return nil
    }
  }

  /// The items of a list; a single value counts as a list of one where `orSingle` says so.
  func list(_ key: String, orSingle: Bool = false) -> [Tree]? {
    guard let tree = self[key] else { return nil }
    switch tree.content {
    case .list(let items): return items
    case .scalar, .mapping:
      if orSingle { return [tree] }
      findings.error(
        "\(key) must be a list, not \(tree.kindName)", mend: "start each entry with \"- \"", at: tree.location)
      return []
    case .null: return nil
    }
  }

  func names(_ key: String) -> [Located<String>]? {
    list(key, orSingle: true).map { items in items.compactMap { scalar($0, key, parseName) } }
  }

  /// The name that every entity has; an empty one when it is missing or wrong (reported).
  func requiredName(example: String) -> Located<String> {
    guard self["name"] != nil else {
      findings.error("\(what) has no name", mend: "add \"name: \(example)\"", at: location)
      return Located("", at: location)
    }
    return located("name", parseName) ?? Located("", at: location)
  }

  func bool(_ key: String) -> Bool? { value(key, parseBool) }
  func duration(_ key: String) -> Duration? { value(key, Duration.init(parsing:)) }
  func positiveDuration(_ key: String) -> Duration? { value(key, parsePositiveDuration) }
  func size(_ key: String) -> Int? { value(key, parseSize) }
  func address(_ key: String) -> Located<Address>? { located(key, Address.init(parsing:)) }

  func integer(_ key: String, _ range: ClosedRange<Int>) -> Int? {
    value(key) { text throws(TextError) in try parseInteger(text, range) }
  }

  func number(_ key: String, _ range: ClosedRange<Double>) -> Double? {
    value(key) { text throws(TextError) in try parseNumber(text, range) }
  }

  func choice<Choice: RawRepresentable & CaseIterable & Sendable & Equatable>(_ key: String, _ type: Choice.Type)
    -> Choice?
  where Choice.RawValue == String {
    locatedChoice(key, type)?.value
  }

  func locatedChoice<Choice: RawRepresentable & CaseIterable & Sendable & Equatable>(_ key: String, _ type: Choice.Type)
    -> Located<Choice>?
  where Choice.RawValue == String {
    located(key) { text throws(TextError) in try parseChoice(text, type) }
  }
}

func parseName(_ text: String) throws(TextError) -> String {
  guard isName(text) else {
    throw TextError(
      "\"\(text)\" is not a name", mend: "use letters, digits, \"_\" and \"-\", a letter or digit first, at most 64")
  }
  return text
}

func parseBool(_ text: String) throws(TextError) -> Bool {
  switch text.lowercased() {
  case "true", "yes", "on": return true
  case "false", "no", "off": return false
  default: throw TextError("\"\(text)\" is neither true nor false", mend: "write true or false")
  }
}

func parsePositiveDuration(_ text: String) throws(TextError) -> Duration {
  let duration = try Duration(parsing: text)
  guard duration > .zero else { throw TextError("duration must be longer than zero") }
  return duration
}

func parseInteger(_ text: String, _ range: ClosedRange<Int>) throws(TextError) -> Int {
  guard let value = Int(text) else {
    throw TextError("\"\(text)\" is not a whole number", mend: "\(range.lowerBound) to \(range.upperBound)")
  }
  guard range.contains(value) else {
    throw TextError("\(value) is out of range", mend: "\(range.lowerBound) to \(range.upperBound)")
  }
  return value
}

func parseNumber(_ text: String, _ range: ClosedRange<Double>) throws(TextError) -> Double {
  guard let value = Double(text), value.isFinite else { throw TextError("\"\(text)\" is not a number") }
  guard range.contains(value) else {
    func plain(_ number: Double) -> String { number == number.rounded() ? "\(Int(number))" : "\(number)" }
    throw TextError("\(text) is out of range", mend: "\(plain(range.lowerBound)) to \(plain(range.upperBound))")
  }
  return value
}

func parseChoice<Choice: RawRepresentable & CaseIterable>(
  _ text: String, _ type: Choice.Type
) throws(TextError) -> Choice where Choice.RawValue == String {
  let known = type.allCases.map(\.rawValue)
  if let match = type.allCases.first(where: { $0.rawValue == text }) { return match }
  throw TextError("unknown value \"\(text)\"", mend: spellingMend(of: text, among: known, noun: "values"))
}
