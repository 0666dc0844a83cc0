internal import Foundation
public import Topology

/// Reads population files: YAML (or JSON, which is YAML too) in, the users of a simulation out.
public enum PopulationLoader {
  /// Bytes of a file at most.
  public static let fileBytesMax = 256 << 20
  /// Values in a file at most: a user takes five or more, a request one or more.
  public static let valuesMax = 10_000_000

  /// Reads a population of a network's users.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - topology: the network they use.
  /// - Returns: the users, nil when there is any error; and every error found, in the order of the file.
  public static func load(_ path: String, for topology: Topology) -> (roll: UserRoll?, diagnostics: [Diagnostic]) {
    let findings = Findings()
    guard let text = contents(of: path, findings) else { return (nil, findings.all) }
    return load(text: text, file: path, for: topology, findings)
  }

  /// Reads a text as if it stood in a file of a name.
  public static func load(
    text: String, file: String, for topology: Topology
  ) -> (roll: UserRoll?, diagnostics: [Diagnostic]) {
    load(text: text, file: file, for: topology, Findings())
  }

  private static func load(
    text: String, file: String, for topology: Topology, _ findings: Findings
  ) -> (roll: UserRoll?, diagnostics: [Diagnostic]) {
    var yaml = YAMLReader(file: file, findings: findings, nodesMax: valuesMax)
    let tree = yaml.read(text)
    if tree == nil, findings.all.isEmpty {
      findings.error(
        "the file is empty", mend: "begin with \"population: 1\"", at: SourceLocation(file: file, line: 1, column: 1))
    }
    let roll = tree.flatMap { PopulationReader(topology: topology, findings: findings).roll($0) }
    let found = findings.all.enumerated().sorted {
      let (first, second) = ($0.element.location, $1.element.location)
      return (first.line, first.column, $0.offset) < (second.line, second.column, $1.offset)
    }.map(\.element)
    return (found.isEmpty ? roll : nil, found)
  }

  private static func contents(of path: String, _ findings: Findings) -> String? {
    let place = SourceLocation(file: path, line: 0, column: 0)
    guard let data = FileManager.default.contents(atPath: path) else {
      let exists = FileManager.default.fileExists(atPath: path)
      findings.error(exists ? "\"\(path)\" cannot be read" : "no such file: \"\(path)\"", at: place)
      return nil
    }
    guard data.count <= fileBytesMax else {
      findings.error("\"\(path)\" is larger than \(formatSize(fileBytesMax))", at: place)
      return nil
    }
    guard let text = String(data: data, encoding: .utf8) else {
      findings.error("\"\(path)\" is not UTF-8 text", at: place)
      return nil
    }
    return text
  }
}
