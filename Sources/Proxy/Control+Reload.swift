internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// Another plan takes the place of the one in use, in the same process.
///
/// It is prepared beside what serves (`ChangeThread`). Then the workers in use leave it the listeners that both have and tell where
/// their pools stand; its own workers go on from there. Those before finish what they have (`Former`).
extension Control {
  /// Former plans that are served at once at most: each has threads as long as it has connections.
  static let formerMax = 100
  /// How long the workers may take to leave their listeners: they do it between two events.
  private static let leavingTime: Int64 = 1_000_000_000

  /// Why the topology cannot be read again now; nil: it can.
  private var reloadHindrance: String? {
    mutating get {
      let name = shared.plan.name
      if isStopping { return "\(name) is not reloaded: it stops" }
      if isHandingOver { return "\(name) is not reloaded: it is being handed over; try again" }
      if pause != .listening { return "\(name) is not reloaded: it has stopped listening; SIGTTIN first" }
      if former.count >= Self.formerMax {
        return
          "\(name) is not reloaded: connections of \(former.count) former plans are open still; wait for their end, or "
          + "restart it"
      }
      return nil
    }
  }

  /// Has the topology read again. `ticket`: who wants to know what came of it.
  mutating func reload(for ticket: AdminMailbox.Ticket? = nil) {
    if let why = reloadHindrance {
      logger.warning("\(why)")
      ticket?.answer(.refused(why))
      for ticket in waitingTickets { ticket.answer(.refused(why)) }
      waitingTickets = []
      return
    }
    if let ticket { waitingTickets.append(ticket) }
    if isPreparing || pending != nil {
      // The file may have been read before it was what it is now.
      reloadsAgain = true
      return
    }
    tickets = waitingTickets
    waitingTickets = []
    // Only another process can read the topology there.
    if shared.plan.chroot != nil { return handOver() }
    isPreparing = true
    notifier?.reloading()
    shared.process.changes.ask(.reload(from: generation))
  }

  /// What came of preparing.
  mutating func takeOutcomes() {
    for outcome in shared.process.changes.takeOutcomes() {
      if case .wantsState = outcome {
      } else {
        isPreparing = false
        isHandingOver = false
        hasToldState = false
      }
      let name = shared.plan.name
      switch outcome {
      case .wantsState: beginTelling()
      case .handedOver(let taken): leaveTo(taken)
      case .notHandedOver(let why): goOnByItself(why)
      case .same(let digest):
        shared.take(digest: digest)
        shared.geography?.reload()
        shared.secrets?.reload()
        let text = "\(name): the topology was read again: nothing of it has changed for this node"
        logger.notice("\(text)")
        endReload(.done(text))
      case .refused(let why):
        let text = "\(name) goes on with the topology it has: \(why)"
        logger.error("\(text)")
        endReload(.refused(text))
      case .prepared(let next):
        if isStopping || pause != .listening || Self.checks(next.plan) > checksMax {
          let text = "\(name) goes on with the topology it has: it stops, or a restart is needed for so many checks"
          if !isStopping { logger.error("\(text)") }
          shared.process.changes.ask(.end(next))
          endReload(.refused(text))
        } else {
          begin(next)
        }
      }
    }
  }

  mutating func endReload(_ answer: AdminReply) {
    settles = now + Self.settling
    for ticket in tickets { ticket.answer(answer) }
    tickets = []
    if !isStopping { notifier?.ready("\(shared.plan.name) serves") }
    guard reloadsAgain else { return }
    reloadsAgain = false
    reload()
  }

  /// Workers leave what the other plan has, too: connections wait in the queues for a moment.
  private mutating func begin(_ next: Generation) {
    pending = (next, now + Self.leavingTime)
    shared.retire(kept: generation.listeners.map { next.has($0) })
  }

  mutating func takeOverIfDue() {
    guard let pending else { return }
    let told = shared.memoriesTold.load(ordering: .acquiring)
    if told >= generation.workers || now >= pending.ends { finishTakeOver() }
  }

  /// The plan that is ready comes into use. Nothing if there is none.
  mutating func finishTakeOver() {
    guard let next = pending?.generation else { return }
    pending = nil
    let before = generation
    let difference = PlanDifference(from: before.plan, to: next.plan)
    carry(to: next)
    next.shared.inherited.withLock { $0 = before.shared.toldMemories }
    generation = next
    shared = next.shared
    reactor.leave(from: next.plan.sources.flatMap(AddressBook.fixed))
    shared.process.connections.limit = next.plan.limits.connectionsMax
    retire(before)
    settleLimits()
    do throws(NodeError) {
      try next.takeCommands()
    } catch {
      logger.error("\(next.plan.name): \(error.description)")
    }
    next.line.open()
    takeMonitor(of: next, before)
    if next.lock != before.lock { _ = cr_close(before.lock) }
    if next.admin !== before.admin { before.admin?.retire() }
    if let page = before.page, next.page !== page { page.retire(socketGoesOn: next.has(page.descriptor)) }
    before.retireWatchers()
    shared.process.changes.ask(.begin(next))
    if notices?.serves(next.plan) != true {
      retireNotices()
      notices = ChangeNotices(next.plan, logger: logger)
    }
    strainLog = StrainLog(next.plan)
    digestsWarned = []
    var text = "\(next.plan.name) serves by the topology read again: \(difference)"
    logger.notice("\(text)")
    if !difference.needsRestart.isEmpty {
      let rest = "\(next.plan.name): needs a restart to take effect: \(difference.needsRestart.joined(separator: ", "))"
      logger.warning("\(rest)")
      text += "\n" + rest
    }
    endReload(.done(text))
  }

  /// The monitor is another, or none, or one where there was none.
  private mutating func takeMonitor(of next: Generation, _ before: Generation) {
    guard next.monitor != before.monitor else { return }
    if let old = before.monitor {
      // Who is in its queue is answered still.
      var peer = cr_address()
      while case let descriptor = cr_accept(old, &peer), descriptor >= 0 { monitorAccepted(Int(descriptor)) }
      reactor.close(monitorSocket)
      monitorSocket = .none
      if !next.has(old) { _ = cr_close(old) }
    }
    monitorDescriptor = next.monitor
    listenForMonitor()
  }

  // MARK: What is known goes on

  /// Health, drains, checks under way, trials and hints, by the names of applications and servers.
  private mutating func carry(to next: Generation) {
    let old = shared.plan
    let plan = next.plan
    let places = PlanPlaces(old)
    var newHealth: [[ServerHealth]] = []
    var newHistories: [[ServerHistory]] = []
    for application in plan.applications {
      var ofServers: [ServerHealth] = []
      var ofHistories: [ServerHistory] = []
      for server in application.pool.servers {
        guard let place = places.place(application.name, server.name) else {
          ofServers.append(ServerHealth(plan: server))
          ofHistories.append(ServerHistory(since: cr_realtime()))
          continue
        }
        let known = health[place.application][place.server]
        let isSame = old.applications[place.application].pool.servers[place.server].address == server.address
        ofServers.append(
          ServerHealth(plan: server, memory: isSame ? known.memory : known.memory.ofOperator, now: now))
        ofHistories.append(histories[place.application][place.server])
      }
      newHealth.append(ofServers)
      newHistories.append(ofHistories)
    }
    carryHints(old, plan, next)
    health = newHealth
    histories = newHistories
    carryProbes(places, next)
    publishAll(in: next.shared)
  }

  /// Everything that is believed of the servers, for workers that have read nothing yet.
  mutating func publishAll(in shared: NodeShared) {
    growing = []
    for (application, planned) in shared.plan.applications.enumerated() {
      for server in planned.pool.servers.indices {
        let seed = StableHash.combine(StableHash.hash(shared.plan.name), UInt64(server))
        let snapshot = HealthSnapshot(health[application][server], now: now, jitterSeed: seed)
        shared.applications[application].publish(Int32(server), snapshot)
        if health[application][server].isStartingSlowly(now: now, jitterSeed: seed) {
          growing.append((application, server))
        }
      }
    }
  }

  private mutating func carryHints(_ old: NodePlan, _ plan: NodePlan, _ next: Generation) {
    let newSites = Self.siteTable(plan)
    var times: [[Int64]] = newSites.map { Array(repeating: 0, count: ($0.max() ?? 0) + 1) }
    for (application, planned) in plan.applications.enumerated() {
      guard let known = old.applications.firstIndex(where: { $0.name == planned.name }) else { continue }
      let before = old.applications[known].pool
      next.shared.applications[application].take(from: shared.applications[known], of: before, plan: planned.pool)
      for (server, entry) in planned.pool.servers.enumerated() {
        guard let other = before.servers.firstIndex(where: { $0.site == entry.site }) else { continue }
        times[application][newSites[application][server]] = hintedAt[known][sites[known][other]]
      }
    }
    sites = newSites
    hintedAt = times
  }

  /// Checks that both plans have go on where they are, also in the middle; the others end or begin.
  private mutating func carryProbes(_ places: PlanPlaces, _ next: Generation) {
    let plan = next.plan
    let before = probes
    let due = before.indices.map { wheel.deadline(of: $0) }
    let monitorDue = (0...Self.monitorClientsMax).map { wheel.deadline(of: before.count + $0) }
    var left = Set(before.indices)
    wheel = TimerWheel(
      capacity: Self.checks(plan) + Self.monitorClientsMax + 1, now: now, tickNanoseconds: 1_000_000)
    probes = []
    probesOf = plan.applications.map { $0.pool.servers.map { _ in [] } }
    for (application, planned) in plan.applications.enumerated() {
      for (server, entry) in planned.pool.servers.enumerated() {
        let place = places.place(planned.name, entry.name)
        for (check, wanted) in [(HealthCheck.liveness, entry.liveness), (.admission, entry.admission)] {
          guard let wanted else { continue }
          let known = before.indices.first {
            before[$0].application == place?.application && before[$0].server == place?.server
              && before[$0].check == check
          }
          guard let known, before[known].plan == wanted else {
            addProbe(application, server, check, wanted, of: next.shared, memory: known.map { before[$0].state.memory })
            continue
          }
          left.remove(known)
          var probe = before[known]
          probe.application = application
          probe.server = server
          probe.tls = next.shared.secrets?.check(check, application: application, server: server)
          reactor.setToken(probe.socket, Kind.probe.rawValue << 56 | UInt64(probes.count))
          wheel.arm(probes.count, at: due[known] ?? now)
          probesOf[application][server].append(probes.count)
          probes.append(probe)
        }
      }
    }
    for index in left.sorted() {
      if before[index].socket != .none { reactor.close(before[index].socket, reset: true) }
      before[index].memory?.deallocate()
    }
    for (slot, deadline) in monitorDue.enumerated() {
      if let deadline { wheel.arm(probes.count + slot, at: deadline) }
    }
  }
}
