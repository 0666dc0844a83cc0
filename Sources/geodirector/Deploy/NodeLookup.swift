import Topology

/// What can be deployed.
enum DeployRole: String, CaseIterable, Sendable {
  case officeProxy = "office-proxy"
  case siteDirector = "site-director"
  case siteBalancer = "site-balancer"
  case relay
  case demoServer = "demo-server"

  init(_ role: NodeRole) {
    switch role {
    case .officeProxy: self = .officeProxy
    case .siteDirector: self = .siteDirector
    case .siteBalancer: self = .siteBalancer
    case .relay: self = .relay
    }
  }

  /// As a sentence names one.
  var noun: String {
    switch self {
    case .officeProxy: "office proxy"
    case .siteDirector: "site director"
    case .siteBalancer: "site balancer"
    case .relay: "relay"
    case .demoServer: "application server"
    }
  }

  /// As a sentence names several.
  var plural: String {
    switch self {
    case .officeProxy: "office proxies"
    case .siteDirector: "site directors"
    case .siteBalancer: "site balancers"
    case .relay: "relays"
    case .demoServer: "application servers"
    }
  }

  /// With its article.
  var withArticle: String { (self == .officeProxy || self == .demoServer ? "an " : "a ") + noun }
}

/// Names of everything that can be deployed, with roles, in the order of a topology.
struct NodeLookup {
  /// Every name with its role.
  var entries: [(name: String, role: DeployRole)]

  init(_ topology: Topology) {
    entries =
      topology.nodes.map { ($0.name, DeployRole($0.role)) } + topology.servers.map { ($0.name, .demoServer) }
  }

  init(entries: [(name: String, role: DeployRole)]) {
    self.entries = entries
  }

  /// Nil when `name` has the role; else why not, and what to do.
  func problem(name: String, role: DeployRole, topologyPath: String) -> String? {
    if let entry = entries.first(where: { $0.name == name }) {
      if entry.role == role { return nil }
      return "\(name) is \(entry.role.withArticle): run `geodirector deploy \(entry.role.rawValue) \(name) "
        + "--topology \(ShellQuoting.quoted(topologyPath))`"
    }
    let names = entries.filter { $0.role == role }.map(\.name)
    var text = "there is no \(role.noun) \"\(name)\" in \(topologyPath)"
    if let nearest = nearestSpelling(of: name, among: names) { text += "; did you mean \(nearest)?" }
    if names.isEmpty { return text + "; it has no \(role.plural)" }
    // A network may have thousands; a line must stay readable.
    let shown = names.prefix(30).joined(separator: ", ") + (names.count > 30 ? " and \(names.count - 30) more" : "")
    return text + (text.hasSuffix("?") ? " (" : " (") + "\(role.plural): \(shown))"
  }
}

/// Words for a POSIX shell.
enum ShellQuoting {
  /// The word as it is when that is safe, else in single quotes.
  static func quoted(_ word: String) -> String {
    let safe = word.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "_-./:=@%+,".utf8.contains(byte)
      }
    }
    if safe && !word.isEmpty { return word }
    return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
