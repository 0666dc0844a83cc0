import DemoServer
import Glibc
import Topology

/// What happened to a node.
enum DeployEvent: String {
  case started
  case ready
  case external
  case stopped
  case back
  case gone
  case killed
  /// It was handed over: another process of it goes on.
  case replaced
  /// Events of the whole network.
  case running
  case reloading
  case handingOver = "handing-over"
  case stopping
  case done
}

/// Tells what happens: a table and lines for people, or one JSON object per event for programs.
struct DeployReport {
  /// The form of the output.
  enum Format: String, CaseIterable {
    case text
    case json
  }

  var format: Format

  /// Tells one event; `text` is the sentence for people (nil: nothing to say to them).
  func event(_ event: DeployEvent, node: SupervisedNode?, text: String?, details: [(String, String?)] = []) {
    switch format {
    case .text:
      if let text { Self.write("\(WallClock.timestamp().dropFirst(11).prefix(8)) \(text)\n") }
    case .json:
      var object = JSONText()
      object.member("time", WallClock.timestamp())
      object.member("event", event.rawValue)
      if let node {
        object.member("node", node.name)
        object.member("role", node.role.rawValue)
        object.member("address", node.addresses.first?.description)
        object.member("pid", literal: event == .back ? "null" : node.pid.map(String.init) ?? "null")
        object.member("state", node.state.text)
      }
      for (name, value) in details { object.member(name, value) }
      Self.write(object.object + "\n")
    }
  }

  /// Writes at once: standard output may be a pipe, and a reader waits for each event.
  static func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(1, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return }
      bytes = bytes.dropFirst(count)
    }
  }

  /// The table of all nodes, columns aligned.
  static func table(_ nodes: [SupervisedNode]) -> String {
    var rows = [["NODE", "ROLE", "ADDRESS", "PID", "STATE"]]
    for node in nodes {
      let role = node.role == .demoServer && node.state == .external ? "server" : node.role.rawValue
      let pid = node.child.map { String($0.pid) } ?? "-"
      rows.append([node.name, role, node.addresses.isEmpty ? "-" : node.addressText, pid, node.state.text])
    }
    return aligned(rows)
  }

  /// Rows with each column as wide as its widest cell, two spaces apart, nothing behind the last.
  static func aligned(_ rows: [[String]]) -> String {
    var widths: [Int] = []
    for row in rows {
      for (index, cell) in row.enumerated() {
        if index == widths.count { widths.append(0) }
        widths[index] = max(widths[index], cell.count)
      }
    }
    return rows.map { row in
      row.enumerated().map { index, cell in
        index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] + 2 - cell.count)
      }.joined() + "\n"
    }.joined()
  }
}
