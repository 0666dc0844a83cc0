internal import Foundation
internal import Topology
internal import Yams

/// Reads one YAML document into a `Tree`.
struct YAMLReader {
  /// Nodes of one file at most, aliases counted as often as they are used, so that a small file cannot become a huge one.
  static let nodesMax = 200_000
  /// Nesting at most.
  static let depthMax = 64
  /// Stands in for the first letter of a repeated key while the rest of the file is read; a private-use character.
  private static let marker = Unicode.Scalar(0xE000)!
  private static let repeatedKeysMax = 256

  let file: String
  let findings: Findings
  private var nodeCount = 0
  /// The real keys of the repeated ones, by their stand-in.
  private var standIns: [String: String] = [:]

  private let nodesMax: Int

  init(file: String, findings: Findings, nodesMax: Int = Self.nodesMax) {
    self.file = file
    self.findings = findings
    self.nodesMax = nodesMax
  }

  /// The document; nil when the file is no YAML (reported) or is empty.
  mutating func read(_ text: String) -> Tree? {
    var text = text
    while true {
      do {
        guard let node = try Yams.compose(yaml: text) else { return nil }
        return convert(node, depth: 0)
      } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
        guard let key = keys.first, let replaced = replaceKey(key, at: context.mark, in: text) else {
          findings.error("key \"\(keys.first ?? "")\" stands twice", mend: "remove one", at: place(context.mark))
          return nil
        }
        text = replaced
      } catch let error as YamlError {
        report(error)
        return nil
      } catch {
        findings.error("not readable as YAML", at: SourceLocation(file: file, line: 1, column: 1))
        return nil
      }
    }
  }

  private func place(_ mark: Mark?) -> SourceLocation {
    SourceLocation(file: file, line: mark?.line ?? 0, column: mark?.column ?? 0)
  }

  /// Puts a stand-in for a repeated key where it first stands, so that Yams reads on and the other errors are found too.
  private mutating func replaceKey(_ key: String, at mark: Mark, in text: String) -> String? {
    guard standIns.count < Self.repeatedKeysMax, let first = key.unicodeScalars.first,
      let offset = Unicode.Scalar(Self.marker.value + UInt32(standIns.count))
    else { return nil }
    var scalars = Array(text.unicodeScalars)
    guard var index = Self.index(of: mark, in: scalars) else { return nil }
    if index < scalars.count, scalars[index] == "\"" || scalars[index] == "'" { index += 1 }
    guard index < scalars.count, scalars[index] == first else { return nil }
    scalars[index] = offset
    var standIn = String.UnicodeScalarView()
    standIn.append(offset)
    standIn.append(contentsOf: key.unicodeScalars.dropFirst())
    standIns[String(standIn)] = key
    var result = String.UnicodeScalarView()
    result.append(contentsOf: scalars)
    return String(result)
  }

  private static func index(of mark: Mark, in scalars: [Unicode.Scalar]) -> Int? {
    var line = 1
    var index = 0
    while line < mark.line {
      guard let newline = scalars[index...].firstIndex(of: "\n") else { return nil }
      index = newline + 1
      line += 1
    }
    let result = index + mark.column - 1
    return result < scalars.count ? result : nil
  }

  private mutating func convert(_ node: Node, depth: Int) -> Tree {
    let location = place(node.mark)
    nodeCount += 1
    guard nodeCount <= nodesMax, depth <= Self.depthMax else {
      if nodeCount == nodesMax + 1 { findings.error("file has more than \(nodesMax) values", at: location) }
      if nodeCount <= nodesMax { findings.error("nested more than \(Self.depthMax) deep", at: location) }
      return Tree(content: .null, location: location)
    }
    switch node {
    case .scalar(let scalar):
      let isPlain = scalar.style == .plain || scalar.style == .any
      let isNull = isPlain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
      return Tree(content: isNull ? .null : .scalar(scalar.string, isPlain: isPlain), location: location)
    case .sequence(let sequence):
      return Tree(content: .list(sequence.map { convert($0, depth: depth + 1) }), location: location)
    case .mapping(let mapping):
      return Tree(content: .mapping(fields(of: mapping, depth: depth)), location: location)
    case .alias:
      findings.error("alias without anchor", at: location)
      return Tree(content: .null, location: location)
    }
  }

  private mutating func fields(of mapping: Node.Mapping, depth: Int) -> [Tree.Field] {
    var fields: [Tree.Field] = []
    var merged: [Tree.Field] = []
    var repeated: [String] = []
    for (key, value) in mapping {
      let keyLocation = place(key.mark)
      guard case .scalar(let scalar) = key else {
        findings.error("a key must be a single word", at: keyLocation)
        continue
      }
      let tree = convert(value, depth: depth + 1)
      if scalar.string == "<<", case .mapping(let more) = tree.content {
        merged += more
      } else if let real = standIns[scalar.string] {
        // The first of the repeated ones is kept; the later ones are reported.
        repeated.append(real)
        if !fields.contains(where: { $0.key == real }) {
          fields.append(Tree.Field(key: real, keyLocation: keyLocation, value: tree))
        } else {
          findings.error("key \"\(real)\" stands twice", mend: "remove one", at: keyLocation)
        }
      } else if repeated.contains(scalar.string) {
        findings.error("key \"\(scalar.string)\" stands twice", mend: "remove one", at: keyLocation)
      } else {
        fields.append(Tree.Field(key: scalar.string, keyLocation: keyLocation, value: tree))
      }
    }
    for field in merged where !fields.contains(where: { $0.key == field.key }) { fields.append(field) }
    return fields
  }

  private func report(_ error: YamlError) {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _):
      findings.error("not YAML: \(problem)", mend: "check indentation, quotes and brackets here", at: place(mark))
    case .composer(_, let problem, let mark, _):
      findings.error("not YAML: \(problem)", at: place(mark))
    case .reader(let problem, _, _, _):
      findings.error("not YAML: \(problem)", at: SourceLocation(file: file, line: 1, column: 1))
    default:
      findings.error("not YAML", at: SourceLocation(file: file, line: 1, column: 1))
    }
  }
}
