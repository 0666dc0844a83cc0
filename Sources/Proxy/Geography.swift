internal import CReactor
internal import Geo
internal import GeoDatabase
internal import Logging
internal import Operations
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
  /// Shared with the geography of the plan before, if that had the same places and sites.
  private let source: SharedSource
  private let published: Mutex<ClientOrders>
  private let generationValue = Atomic<Int>(1)
  private let waker = OnceWaker()
  private let isAsked = Atomic<Bool>(false)
  private let isRetired = Atomic<Bool>(false)
  /// That nothing could be read yet, as the file is being written to, was said.
  private let isAwaited = Atomic<Bool>(false)
  private let logger: Logger

  /// A source, used by one thread at a time.
  private final class SharedSource: Sendable {
    let sites: ClientSitesSource
    private let turn = Mutex(())

    init(_ sites: ClientSitesSource) { self.sites = sites }
    func check() -> WatchedDatabase.Outcome { turn.withLock { _ in sites.check() } }
    func reload() -> WatchedDatabase.Outcome { turn.withLock { _ in sites.reload() } }
  }

  /// Nil: the node has one order for all. Reads nothing yet. `before`: that of the plan before, whose database goes on to be used.
  init?(plan: NodePlan, continuing before: Geography? = nil, logger: Logger) {
    guard let geo = plan.geo else { return nil }
    self.plan = plan
    self.logger = logger
    path = geo.databasePath
    interval = max(50_000_000, geo.checkInterval.nanosecondsClamped)
    if let before, before.plan.geo == geo {
      source = before.source
      isAwaited.store(before.isAwaited.load(ordering: .relaxed), ordering: .relaxed)
    } else {
      source = SharedSource(ClientSitesSource(SitePreference(geo), path: geo.databasePath))
    }
    published = Mutex(ClientOrders(source.sites.current, plan: plan))
  }

  /// How often there was something new, from 1 on.
  var generation: Int { generationValue.load(ordering: .acquiring) }

  /// What is in use.
  var current: ClientOrders { published.withLock { $0 } }

  /// Reads the database, unless one is in use already: before anybody can connect.
  func load() { if source.sites.current.database == nil { take(source.check()) } }

  /// Watches the file no more: another plan is in use.
  func retire() {
    isRetired.store(true, ordering: .releasing)
    waker.wake()
  }

  /// Has the database read again, changed or not; it takes effect a moment later.
  func reload() {
    isAsked.store(true, ordering: .releasing)
    waker.wake()
  }

  private func take(_ outcome: WatchedDatabase.Outcome) {
    switch outcome {
    case .unchanged: break
    case .settling:
      if source.sites.current.database == nil, !isAwaited.exchange(true, ordering: .relaxed) {
        logger.notice(
          "\(plan.name): \(path ?? "-") is being written to, clients get the configured order until it is at rest")
      }
    case .replaced(let database):
      let orders = ClientOrders(source.sites.current, plan: plan)
      published.withLock { $0 = orders }
      generationValue.wrappingAdd(1, ordering: .releasing)
      logger.notice(
        "\(plan.name): clients are placed by \(path ?? "-")",
        metadata: [
          "type": "\(database.metadata.type)", "built": "\(UTCDate(unixSeconds: database.metadata.buildSeconds))",
          "orders": "\(source.sites.current.compiled.lists.count)",
        ])
    case .refused(let error):
      let use =
        source.sites.current.database == nil ? "clients get the configured order" : "the one read before stays in use"
      logger.error("\(plan.name): the database of clients' places cannot be used, \(use): \(error)")
    }
  }

  // MARK: The thread

  /// Watches the file from now on.
  ///
  /// - Parameter tell: called when there is something new: who sleeps holds the database before it, which is large.
  func start(tell: @escaping @Sendable () -> Void) {
    guard path != nil else { return }
    do throws(ThreadFailure) {
      try ServiceThread.start("geography") { self.watch(tell: tell) }
    } catch {
      logger.error("\(plan.name): changes of \(path ?? "-") are not seen: \(error)")
    }
  }

  private func watch(tell: @Sendable () -> Void) {
    // Users come first: nobody waits for a new database.
    cr_thread_yield_to_others(10)
    do throws(SystemError) {
      var reactor = try Reactor(capacity: 1)
      waker.set(reactor.waker)
      while !isRetired.load(ordering: .acquiring) {
        // Asked before the waker was known: not to be missed.
        if !isAsked.load(ordering: .acquiring) { reactor.wait(milliseconds: Int32(clamping: interval / 1_000_000)) }
        while reactor.next() != nil {}
        if isRetired.load(ordering: .acquiring) { break }
        let isAsked = isAsked.exchange(false, ordering: .acquiringAndReleasing)
        let before = generation
        take(isAsked ? source.reload() : source.check())
        if generation != before { tell() }
      }
      waker.set(nil)
    } catch {
      logger.error("\(plan.name): \(path ?? "-") cannot be watched, changes of it are not seen: \(error)")
    }
  }
}
