internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// SIGUSR2: another process of the program takes the sockets over, and goes on from what this one knows.
extension Control {
  /// How long the workers may take to tell where they stand.
  private static let tellingTime: Int64 = 500_000_000

  mutating func handOver() {
    let name = shared.plan.name
    guard !isStopping else { return logger.notice("\(name) is not handed over: it stops") }
    guard pause == .listening else {
      return logger.warning("\(name) is not handed over: it has stopped listening; SIGTTIN first")
    }
    guard !isPreparing && pending == nil else {
      return logger.warning("\(name) is not handed over: it is being reloaded, or handed over already; try again")
    }
    isPreparing = true
    isHandingOver = true
    notifier?.reloading()
    logger.notice("\(name) starts another process to hand over to")
    shared.process.changes.ask(.handOver(generation))
  }

  /// How many processes that have handed over still finish what they have. On the control thread.
  func countProcessesBefore() -> Int {
    // Another thread hands the lines over at the moment.
    let mayClose = !isHandingOver
    return shared.process.linesBefore.withLock { lines in
      let open = lines.filter { line in
        var entry = pollfd(fd: line, events: 0, revents: 0)
        return poll(&entry, 1, 0) == 0
      }
      if mayClose {
        for line in lines where !open.contains(line) { _ = cr_close(line) }
        lines = open
      }
      return open.count
    }
  }

  /// The other process is prepared: it is told everything as soon as the workers have told where they stand.
  mutating func beginTelling() {
    // Orders given from here on would be lost.
    generation.admin?.isHandingOver = true
    shared.askForMemory()
    tellingEnds = now + Self.tellingTime
  }

  mutating func tellIfDue() {
    guard let ends = tellingEnds else { return }
    guard isStopping || now >= ends || shared.memoriesTold.load(ordering: .acquiring) >= generation.workers else {
      return
    }
    tellingEnds = nil
    if isStopping {
      shared.process.changes.ask(.state(nil))
    } else {
      hasToldState = true
      shared.process.changes.ask(.state(handOverState().bytes ?? []))
    }
  }

  /// It came to nothing: all goes on as before.
  mutating func goOnByItself(_ why: String) {
    generation.admin?.isHandingOver = false
    tellingEnds = nil
    let text = "\(shared.plan.name) goes on in this process: \(why)"
    logger.error("\(text)")
    takeBack()
    endReload(.refused(text))
    let held = heldSignals
    heldSignals = []
    for signal in held { take(signal) }
  }

  /// What the other process may have taken already is this one's again.
  private mutating func takeBack() {
    do throws(NodeError) {
      try shared.process.pidFile.withLock { (file) throws(NodeError) in try file?.write() }
      try generation.takeCommandsAgain()
    } catch {
      logger.error("\(shared.plan.name): \(error.description)")
    }
    tellHeld()
  }

  /// The other process serves: this one finishes what it has, and ends.
  mutating func leaveTo(_ taken: HandOver.Taken) {
    let name = shared.plan.name
    let text = "\(name) is served by process \(taken.process) from here on: this one finishes what it has"
    for ticket in tickets { ticket.answer(isStopping ? .refused("\(name) stops") : .done(text)) }
    tickets = []
    guard !isStopping else {
      // A stop is for the node, whoever serves it.
      kill(taken.process, SIGTERM)
      return
    }
    notifier?.replaced(by: taken.process, "\(name) serves")
    logger.notice("\(text)")
    isHandedOver = true
    endChecks()
    retireNotices()
    heldNotices = []
    successor = (
      taken.line, reactor.watch(taken.line.descriptor, token: Kind.successor.rawValue << 56)
    )
    generation.admin?.leave()
    generation.page?.retire(socketGoesOn: false)
    if let monitorDescriptor {
      monitorClosed = true
      reactor.close(monitorSocket)
      monitorSocket = .none
      _ = cr_close(monitorDescriptor)
    }
    let gone = generation.plan.listeners.map { taken.unused.contains("\($0.address)") }
    for (descriptor, isGone) in zip(generation.listeners, gone) where isGone { _ = cr_listener_mute(descriptor) }
    shared.retire(kept: gone.map { !$0 })
    graceEnds = nil
    shouldMute = true
    listenersMuted = true
    handshakesEnd = gone.contains(true) ? handshakesOver : now
    _ = cr_close(generation.lock)
    generation.lock = -1
    generation.retireWatchers()
    shared.secrets?.follow(nil)
    // A stop is for the node, whoever serves it.
    for signal in heldSignals { kill(taken.process, signal) }
    if heldSignals.contains(where: { $0 != SIGUSR1 && $0 != SIGHUP }) {
      shutdownEnds = now + shared.plan.shutdown.nanosecondsClamped
    }
    heldSignals = []
  }
}
