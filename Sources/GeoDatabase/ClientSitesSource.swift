public import Geo
internal import Synchronization

/// The sites of every client, from a database file that may be replaced at any time.
///
/// One thread calls `check()` and `reload()`; all others look up through a `ClientSitesReader` of their own. A new database is
/// compiled first and then put in place at once, between two look-ups. Lists keep their numbers.
public final class ClientSitesSource: Sendable {
  private let preference: SitePreference
  private let file: WatchedDatabase?
  /// Held while another database is put in place, and by readers that take it over; by no look-up else.
  let published: Mutex<ClientSites>
  private let generation = Atomic<UInt64>(0)

  /// Without a database, until the first `check()` or `reload()`.
  ///
  /// - Parameter path: the database file. Nil: there is none, the topology's networks decide.
  public init(_ preference: SitePreference, path: String?) {
    self.preference = preference
    file = path.map(WatchedDatabase.init)
    published = Mutex(ClientSites(preference, database: nil))
  }

  /// What is in use.
  public var current: ClientSites { published.withLock { $0 } }

  /// Looks whether the file changed, and puts the new database to use if it did. Takes as long as reading and compiling do.
  public func check() -> WatchedDatabase.Outcome { publish(file?.check() ?? .unchanged) }

  /// Reads the file, changed or not (SIGHUP).
  public func reload() -> WatchedDatabase.Outcome { publish(file?.reload() ?? .unchanged) }

  private func publish(_ outcome: WatchedDatabase.Outcome) -> WatchedDatabase.Outcome {
    if case .replaced(let database) = outcome {
      let sites = ClientSites(preference, database: database, after: current)
      published.withLock { $0 = sites }
      generation.add(1, ordering: .releasing)
    }
    return outcome
  }

  /// How often there was something new.
  var version: UInt64 { generation.load(ordering: .acquiring) }
}

/// One thread's view of a source: an atomic load a look-up, and a lock only when there is something new.
public struct ClientSitesReader: ~Copyable {
  private let source: ClientSitesSource
  private var version: UInt64
  /// What is in use, as of the last look-up.
  public private(set) var current: ClientSites

  /// A view of a source.
  public init(_ source: ClientSitesSource) {
    self.source = source
    // The version first: what is published in between is taken over with the next look-up once more.
    version = source.version
    current = source.current
  }

  /// The order of sites for an address, in the 128-bit form (`current.compiled.lists` has its sites).
  @inline(__always)
  public mutating func list(high: UInt64, low: UInt64) -> SiteList {
    let newest = source.version
    if newest != version {
      version = newest
      current = source.current
    }
    return current.list(high: high, low: low)
  }
}
