internal import Topology

/// What is different between two plans of a node, in words for its log.
struct PlanDifference: CustomStringConvertible {
  private var words: [String] = []
  /// What a running process does not take over.
  private(set) var needsRestart: [String] = []

  /// Entries told one by one; of more, their number is.
  private static let toldMax = 12

  init(from old: NodePlan, to new: NodePlan) {
    var settled = old
    settled.digest = new.digest
    settled.listeners = new.listeners
    settled.monitor = new.monitor
    settled.statusPage = new.statusPage
    settled.applications = new.applications
    compare(old.listeners.map { "\($0.address)" }, new.listeners.map { "\($0.address)" }, what: "listener")
    let isChanged = zip(old.listeners, new.listeners).contains { $0.address == $1.address && $0 != $1 }
    if isChanged { words.append("listeners changed") }
    if old.monitor != new.monitor { words.append("monitor \(new.monitor.map { "\($0)" } ?? "gone")") }
    if old.statusPage != new.statusPage {
      words.append("status page \(new.statusPage.map { "\($0.address)" } ?? "gone")")
    }
    compare(old.applications.map(\.name), new.applications.map(\.name), what: "application")
    for application in new.applications {
      if let before = old.applications.first(where: { $0.name == application.name }) {
        compare(before, application)
      }
    }
    if old.user != new.user || old.group != new.group { needsRestart.append("user and group") }
    if old.chroot != new.chroot { needsRestart.append("chroot") }
    if old.pidPath != new.pidPath { needsRestart.append("pidfile") }
    if settled != new { words.append("settings changed") }
  }

  private mutating func compare(_ old: ApplicationPlan, _ new: ApplicationPlan) {
    let (before, now) = (old.pool.servers, new.pool.servers)
    compare(before.map(\.name), now.map(\.name), what: "server")
    for server in now {
      guard let known = before.first(where: { $0.name == server.name }), known != server else { continue }
      var rest = known
      rest.weight = server.weight
      if rest == server {
        words.append("weight of \(server.name) \(known.weight) -> \(server.weight)")
      } else {
        words.append("server \(server.name) changed")
      }
    }
    var settled = old
    settled.pool.servers = now
    if settled != new { words.append("settings of \(new.name) changed") }
  }

  private mutating func compare(_ old: [String], _ new: [String], what: String) {
    for name in new where !old.contains(name) { words.append("new \(what) \(name)") }
    for name in old where !new.contains(name) { words.append("\(what) \(name) gone") }
  }

  var description: String {
    if words.isEmpty { return "nothing that shows" }
    let told = words.prefix(Self.toldMax).joined(separator: ", ")
    return words.count > Self.toldMax ? "\(told) and \(words.count - Self.toldMax) more" : told
  }
}
