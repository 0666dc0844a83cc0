internal import CReactor
internal import Logging
internal import Operations
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// Looks up host names at an interval, on a thread of its own: a slow name server delays nobody.
final class Resolver: Sendable {
  private let plan: NodePlan
  private let book: AddressBook
  private let logger: Logger
  private let waker = OnceWaker()
  private let isRetired = Atomic<Bool>(false)

  /// Nil: there is no name to look up.
  init?(_ plan: NodePlan, _ book: AddressBook, _ logger: Logger) {
    let isNamed = plan.applications.contains {
      $0.pool.servers.contains { if case .host = $0.address { true } else { false } }
    }
    guard isNamed else { return nil }
    self.plan = plan
    self.book = book
    self.logger = logger
  }

  /// Looks up all names, or those that nothing is known of. A name server that is silent holds up who calls this.
  func resolve(unknownOnly: Bool = false) {
    let known = unknownOnly ? book.all() : []
    for (application, planned) in plan.applications.enumerated() {
      for (server, entry) in planned.pool.servers.enumerated() {
        guard case .host(let name, let port) = entry.address else { continue }
        if unknownOnly, !known[application][server].isEmpty { continue }
        let found = SocketAddress.resolve(name: name, port: port)
        if found.isEmpty {
          logger.warning("\(entry.name): \(name) does not resolve; what was known of it stays in use")
        }
        book.update(application: application, server: server, found)
      }
    }
  }

  /// Looks them up again and again, from now on.
  func start() {
    do throws(ThreadFailure) {
      try ServiceThread.start("resolver") { self.run() }
    } catch {
      logger.error("\(plan.name): names of servers are not looked up again: \(error)")
    }
  }

  /// Another plan is in use: the thread ends.
  func retire() {
    isRetired.store(true, ordering: .releasing)
    waker.wake()
  }

  private func run() {
    let pause = max(1_000_000_000, plan.resolveInterval.nanosecondsClamped)
    do throws(SystemError) {
      var reactor = try Reactor(capacity: 1)
      waker.set(reactor.waker)
      while !isRetired.load(ordering: .acquiring) {
        reactor.wait(milliseconds: Int32(clamping: pause / 1_000_000))
        while reactor.next() != nil {}
        if !isRetired.load(ordering: .acquiring) { resolve() }
      }
      waker.set(nil)
    } catch {
      logger.error("\(plan.name): names are looked up no more: \(error)")
    }
  }
}
