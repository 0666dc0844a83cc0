internal import HTTPMessage
internal import Topology

/// Which pool of a relay a name leads to that a client's TLS asks for (SNI, RFC 6066 section 3): an exact name before a wildcard, the
/// longer wildcard before the shorter, and the pool without names for all that is left.
struct ServerNames {
  private struct Entry {
    /// Lower case; of a wildcard what follows its star, dot first.
    var text: ByteView
    var application: Int32
  }
  private var exact: [Entry] = []
  /// The longest first.
  private var wildcards: [Entry] = []
  /// The pool for every other name, and for none.
  private var rest: Int32?
  /// Connections must say what they ask for before a server can be chosen.
  var areNeeded: Bool { !exact.isEmpty || !wildcards.isEmpty }

  /// Of the applications of a relay's plan.
  init(_ applications: [ApplicationPlan]) { self.init(pools: applications.map(\.hosts)) }

  /// Of the names of each pool; without any, it is for all that is left.
  init(pools: [[String]]) {
    for (position, names) in pools.enumerated() {
      if names.isEmpty { rest = rest ?? Int32(position) }
      for name in names {
        let isWildcard = name.hasPrefix("*.")
        let text = immortal((isWildcard ? String(name.dropFirst()) : name).lowercased())
        let entry = Entry(text: text, application: Int32(position))
        if isWildcard { wildcards.append(entry) } else { exact.append(entry) }
      }
    }
    wildcards.sort { $0.text.count > $1.text.count }
  }

  /// The position of the pool; nil: there is none for it.
  /// - Parameter name: in any case, perhaps with a dot at the end; nil: none was asked for.
  func application(for name: ByteView?) -> Int32? {
    guard var name, name.count > 0 else { return rest }
    // Not allowed by RFC 6066, but sent.
    if name[name.count - 1] == 0x2E { name = name.slice(0, name.count - 1) }
    for entry in exact where name.equalsIgnoringCase(entry.text) { return entry.application }
    for entry in wildcards {
      let cut = name.count - entry.text.count
      if cut > 0, name.slice(cut, name.count).equalsIgnoringCase(entry.text) { return entry.application }
    }
    return rest
  }
}
