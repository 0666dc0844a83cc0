internal import Foundation
public import Topology

/// Reads topology files: YAML in, a checked `Topology` out.
public enum TopologyLoader {
  /// Bytes of one file at most.
  public static let fileBytesMax = 16 << 20
  /// Files of one network at most.
  public static let filesMax = 1000

  /// Reads a file and all it includes, and checks the whole.
  ///
  /// - Parameter path: the main file, relative to the working directory or absolute.
  /// - Returns: the topology, nil when there is any error; and everything found, errors and warnings, in the order of the
  ///   files and of the places in them.
  public static func load(_ path: String) -> (topology: Topology?, diagnostics: [Diagnostic]) {
    var run = LoadRun()
    return run.load(path)
  }

  /// Reads a text as if it stood in a file of a name; what it includes is read from disk, relative to that name.
  public static func load(text: String, file: String) -> (topology: Topology?, diagnostics: [Diagnostic]) {
    var run = LoadRun()
    return run.load(text: text, file: file)
  }
}

/// One run of the loader.
private struct LoadRun {
  private let findings = Findings()
  /// Files in the order in which they were read, by the name used in messages.
  private var files: [String] = []
  /// Their absolute, standardized paths.
  private var paths: [String] = []
  private var digest = FNV1a()

  mutating func load(_ path: String) -> (topology: Topology?, diagnostics: [Diagnostic]) {
    guard let text = contents(of: path, from: SourceLocation(file: path, line: 0, column: 0)) else {
      return (nil, findings.all)
    }
    return load(text: text, file: path)
  }

  mutating func load(text: String, file: String) -> (topology: Topology?, diagnostics: [Diagnostic]) {
    let start = SourceLocation(file: file, line: 1, column: 1)
    enter(text, file)
    let base = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
    var reader = TopologyReader(name: isName(base) ? base : "network", location: start, findings: findings)
    var yaml = YAMLReader(file: file, findings: findings)
    guard let tree = yaml.read(text) else {
      if findings.all.isEmpty {
        findings.error("the file is empty", mend: "begin with \"geodirector: 1\"", at: start)
      }
      return (nil, sorted())
    }
    guard let main = reader.readMain(tree) else { return (nil, sorted()) }
    include(from: main, file: file, chain: [absolute(file)], into: &reader)
    var topology = reader.finish()
    topology.digest = digest.text
    let isReadable = !findings.all.contains { $0.severity == .error }
    let all = sorted(with: topology.validate(readCleanly: isReadable))
    return (all.contains { $0.severity == .error } ? nil : topology, all)
  }

  private mutating func enter(_ text: String, _ file: String) {
    files.append(file)
    paths.append(absolute(file))
    digest.add(text.utf8)
  }

  private func absolute(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }

  private mutating func include(from object: Object, file: String, chain: [String], into reader: inout TopologyReader) {
    for item in object.list("include", orSingle: true) ?? [] {
      guard let pattern = item.scalarText else {
        findings.error("include must be a file name or pattern, not \(item.kindName)", at: item.location)
        continue
      }
      let folder = file.contains("/") ? String(file[..<(file.lastIndex(of: "/") ?? file.startIndex)]) + "/" : ""
      let found = filesMatching(pattern.hasPrefix("/") ? pattern : folder + pattern)
      if found.isEmpty {
        findings.error(
          "include: no file matches \"\(pattern)\"", mend: "names are relative to this file", at: item.location)
      }
      for path in found { readIncluded(path, at: item.location, chain: chain, into: &reader) }
    }
  }

  private mutating func readIncluded(
    _ path: String, at place: SourceLocation, chain: [String], into reader: inout TopologyReader
  ) {
    let absolutePath = absolute(path)
    if chain.contains(absolutePath) {
      findings.error("include: \"\(path)\" includes itself", mend: "remove it from the pattern", at: place)
    } else if paths.contains(absolutePath) {
      findings.error("include: \"\(path)\" is included twice", mend: "include it once", at: place)
    } else if files.count >= TopologyLoader.filesMax {
      findings.error("more than \(TopologyLoader.filesMax) files", at: place)
    } else if let text = contents(of: path, from: place) {
      enter(text, path)
      var yaml = YAMLReader(file: path, findings: findings)
      guard let tree = yaml.read(text), let object = reader.readIncluded(tree) else { return }
      include(from: object, file: path, chain: chain + [absolutePath], into: &reader)
    }
  }

  private func contents(of path: String, from place: SourceLocation) -> String? {
    guard let data = FileManager.default.contents(atPath: path) else {
      var isFolder: ObjCBool = false
      let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      findings.error(
        isFolder.boolValue
          ? "\"\(path)\" is a folder" : exists ? "\"\(path)\" cannot be read" : "no such file: \"\(path)\"",
        at: place)
      return nil
    }
    guard data.count <= TopologyLoader.fileBytesMax else {
      findings.error("\"\(path)\" is larger than \(formatSize(TopologyLoader.fileBytesMax))", at: place)
      return nil
    }
    guard let text = String(data: data, encoding: .utf8) else {
      findings.error("\"\(path)\" is not UTF-8 text", at: place)
      return nil
    }
    return text
  }

  private func sorted(with more: [Diagnostic] = []) -> [Diagnostic] {
    func key(_ diagnostic: Diagnostic) -> (Int, Int, Int) {
      let place = diagnostic.location
      return (files.firstIndex(of: place.file) ?? -1, place.line, place.column)
    }
    var result: [Diagnostic] = []
    for (_, diagnostic) in (findings.all + more).enumerated().sorted(by: {
      let (a, b) = (key($0.element), key($1.element))
      return a == b ? $0.offset < $1.offset : a < b
    }) where !result.contains(diagnostic) {
      result.append(diagnostic)
    }
    return result
  }
}

/// The hash FNV-1a with 64 bits: tells different files apart, keeps no secret.
struct FNV1a {
  private var state: UInt64 = 0xCBF2_9CE4_8422_2325

  mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
  }

  /// 16 hexadecimal digits.
  var text: String {
    let digits = String(state, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
