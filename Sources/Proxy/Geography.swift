internal import CReactor
internal import Geo
internal import GeoDatabase
internal import Logging
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// The orders of all clients as of one database. Never changed; all workers read it at once.
final class ClientOrders: Sendable {
  private let sites: ClientSites
  /// By application.
  let orders: [TierOrders]

  init(_ sites: ClientSites, plan: NodePlan) {
    self.sites = sites
    let lists = sites.compiled.lists
    let names = sites.compiled.preference.sites.map(\.name)
    orders = plan.applications.map { application in
      TierOrders(application.pool, sites: names, count: lists.count) { rank, list in
        lists.site(rank, of: lists.list(list))
      }
    }
  }

  /// The order for an address in the 128-bit form: a number for every application's pool.
  func order(_ high: UInt64, _ low: UInt64) -> Int32 {
    Int32(truncatingIfNeeded: sites.list(high: high, low: low).number)
  }
}

/// Which sites each client gets, at a node that goes by it: made for the database file, and anew when that changes, on a thread
/// of its own, as compiling takes a second or two.
final class Geography: Sendable {
  private let plan: NodePlan
  private let path: String?
  private let interval: Int64
  private let source: ClientSitesSource
  private let published: Mutex<ClientOrders>
  private let generationValue = Atomic<Int>(1)
  private let waker = OnceWaker()
  private let isAsked = Atomic<Bool>(false)
  private let logger: Logger

  /// Nil: the node has one order for all. Reads nothing yet.
  init?(plan: NodePlan, logger: Logger) {
    guard let geo = plan.geo else { return nil }
    self.plan = plan
    self.logger = logger
    path = geo.databasePath
    interval = max(50_000_000, geo.checkInterval.nanosecondsClamped)
    source = ClientSitesSource(SitePreference(geo), path: geo.databasePath)
    published = Mutex(ClientOrders(source.current, plan: plan))
  }

  /// How often there was something new, from 1 on.
  var generation: Int { generationValue.load(ordering: .acquiring) }

  /// What is in use.
  var current: ClientOrders { published.withLock { $0 } }

  /// Reads the database: before anybody can connect.
  func load() { take(source.check()) }

  /// Has the database read again, changed or not; it takes effect a moment later.
  func reload() {
    isAsked.store(true, ordering: .releasing)
    waker.wake()
  }

  private func take(_ outcome: WatchedDatabase.Outcome) {
    switch outcome {
    case .unchanged, .settling: break
    case .replaced(let database):
      let orders = ClientOrders(source.current, plan: plan)
      published.withLock { $0 = orders }
      generationValue.wrappingAdd(1, ordering: .releasing)
      logger.notice(
        "\(plan.name): clients are placed by \(path ?? "-")",
        metadata: ["type": "\(database.metadata.type)", "orders": "\(source.current.compiled.lists.count)"])
    case .refused(let error):
      let use = source.current.database == nil ? "clients get the configured order" : "the one read before stays in use"
      logger.error("\(plan.name): the database of clients' places cannot be used, \(use): \(error)")
    }
  }

  // MARK: The thread

  /// Watches the file from now on.
  func start() {
    guard path != nil else { return }
    let unmanaged = Unmanaged.passRetained(self)
    let status = cr_thread_start(
      { argument in
        Unmanaged<Geography>.fromOpaque(argument!).takeRetainedValue().watch()
        return nil
      }, unmanaged.toOpaque(), "geography")
    if status < 0 {
      unmanaged.release()
      logger.error("\(plan.name): no thread could be started to watch \(path ?? "-"): changes of it are not seen")
    }
  }

  private func watch() {
    // Users come first: nobody waits for a new database.
    cr_thread_yield_to_others(10)
    do throws(SystemError) {
      var reactor = try Reactor(capacity: 1)
      waker.set(reactor.waker)
      while true {
        // Asked before the waker was known: not to be missed.
        if !isAsked.load(ordering: .acquiring) { reactor.wait(milliseconds: Int32(clamping: interval / 1_000_000)) }
        while reactor.next() != nil {}
        let isAsked = isAsked.exchange(false, ordering: .acquiringAndReleasing)
        take(isAsked ? source.reload() : source.check())
      }
    } catch {
      logger.error("\(plan.name): \(path ?? "-") cannot be watched, changes of it are not seen: \(error)")
    }
  }
}
