internal import Operations
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// What a worker holds at the moment, published by it once a round and told by the monitor: when everything is closed, what is
/// left here has leaked.
final class WorkerUsage: Sendable {
  /// Slots of the slab of clients: connections that are open.
  let clients = Atomic<Int>(0)
  /// Slots of the slab of connections to servers, idle ones included.
  let upstreams = Atomic<Int>(0)
  /// Buffers handed out by the pool.
  let buffers = Atomic<Int>(0)
  /// Records of requests handed out by their slab.
  let records = Atomic<Int>(0)
  /// Timers armed.
  let timers = Atomic<Int>(0)
  /// Requests that wait for a slot of a server, a trial or the retry budget.
  let waiting = Atomic<Int>(0)
}

extension Worker {
  /// Lets the monitor know what is held.
  mutating func publishUsage() {
    usage._withUnsafeGuaranteedRef { usage in
      usage.clients.store(clientCount, ordering: .relaxed)
      usage.upstreams.store(upstreamCount, ordering: .relaxed)
      usage.buffers.store(buffers.inUse, ordering: .relaxed)
      usage.records.store(flights.inUse, ordering: .relaxed)
      usage.timers.store(wheel.count, ordering: .relaxed)
      usage.waiting.store(waitingTotal, ordering: .relaxed)
    }
  }
}

extension NodeShared {
  /// Lines `NAME COUNT` of the whole process, for the monitor.
  var countsText: String {
    "cookies-not-written \(counters.cookieNotWritten.load(ordering: .relaxed))\n"
      + "cookies-forged \(counters.cookiesForged.load(ordering: .relaxed))\n"
      + "cookies-unsigned \(counters.cookiesUnsigned.load(ordering: .relaxed))\n"
      + "redirects \(counters.redirects.load(ordering: .relaxed))\n"
      + "log-lines-dropped \(counters.logLinesDropped.load(ordering: .relaxed))\n"
      + usageText
  }

  /// The same as names and numbers.
  var counts: [NodeStatus.Counter] {
    countsText.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: " ")
      guard parts.count == 2, let value = Int(parts[1]) else { return nil }
      return NodeStatus.Counter(name: String(parts[0]), value: value)
    }
  }

  /// Lines `NAME COUNT` of what the whole process holds, for the monitor.
  var usageText: String {
    // Those that serve former plans still, too.
    let all = [self] + former.withLock { $0 }
    func sum(_ part: (WorkerUsage) -> Int) -> Int { all.reduce(0) { $1.usage.reduce($0) { $0 + part($1) } } }
    // What several plans count together is counted once.
    var tables: [LoadTable] = []
    for table in all.flatMap(\.applications).map(\.loads) where !tables.contains(where: { $0.hasTotal(of: table) }) {
      tables.append(table)
    }
    let inFlight = tables.reduce(0) { $0 + Int($1.totalInFlight) }
    return "clients \(sum { $0.clients.load(ordering: .relaxed) })\n"
      + "counted-connections \(connections.count)\n"
      + "server-connections \(sum { $0.upstreams.load(ordering: .relaxed) })\n"
      + "in-flight \(inFlight)\n"
      + "waiting \(sum { $0.waiting.load(ordering: .relaxed) })\n"
      + "buffers \(sum { $0.buffers.load(ordering: .relaxed) })\n"
      + "request-records \(sum { $0.records.load(ordering: .relaxed) })\n"
      + "timers \(sum { $0.timers.load(ordering: .relaxed) })\n"
  }
}
