internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// Signals, and the stages of a stop.
extension Control {
  mutating func takeSignals() {
    while true {
      let signal = cr_signal_next(signals)
      guard signal >= 0 else { return }
      // Two processes have the same sockets for a moment: to stop one of them would silence the other.
      if hasToldState, [SIGTERM, SIGINT, SIGUSR1].contains(signal) {
        heldSignals.append(signal)
      } else if isHandingOver && signal == SIGHUP {
        // The other process may have read the topology before it was what it is now.
        if !heldSignals.contains(signal) { heldSignals.append(signal) }
      } else {
        take(signal)
      }
    }
  }

  mutating func take(_ signal: Int32) {
    switch signal {
    case SIGUSR1: softStop()
    case SIGHUP:
      if hadTerminal && isatty(0) != 1 {
        logger.notice("\(shared.plan.name): its terminal is gone")
        stop(bounded: true)
      } else {
        reload()
      }
    case SIGUSR2: handOver()
    case SIGTTOU: pauseListening()
    case SIGTTIN: resumeListening()
    default:
      if shared.phase == .stopping && shutdownEnds != nil && !isToldToStop {
        logger.warning("\(shared.plan.name) stops at once: a second signal came")
        tellProcessesBefore(.stop, "0")
        exit(1)
      }
      isToldToStop = false
      stop(bounded: true)
    }
  }

  /// The monitor closes at once, so that nobody sends new users; service goes on until the grace is over (rule F3).
  private mutating func softStop() {
    finishTakeOver()
    guard shared.phase == .running && !isHandedOver else { return }
    // Nobody can come, so nobody has to be led elsewhere.
    if pause != .listening { return stop(bounded: false) }
    shared.process.isStopping.store(true, ordering: .relaxed)
    logger.notice("\(shared.plan.name) stops softly: the monitor is closed, service goes on for \(shared.plan.grace)")
    notifier?.status("\(shared.plan.name) stops softly")
    closeMonitor()
    graceEnds = now + shared.plan.grace.nanosecondsClamped
    shared.advance(to: .draining)
  }

  mutating func stop(bounded: Bool) {
    finishTakeOver()
    shared.process.isStopping.store(true, ordering: .relaxed)
    if bounded {
      shutdownEnds = now + shared.plan.shutdown.nanosecondsClamped
      // A service manager ends with the node's process whatever is left of it.
      if !isHandedOver { tellProcessesBefore(.stop, "\(Int(shared.plan.shutdown.inMilliseconds))") }
    }
    guard shared.phase != .stopping && !isHandedOver else { return }
    logger.notice("\(shared.plan.name) stops: requests in flight are finished")
    answerResume(.refused("\(shared.plan.name) stops"))
    notifier?.stopping()
    closeMonitor()
    graceEnds = nil
    shouldMute = true
  }
  var isStopping: Bool { shouldMute || shared.phase == .draining || shared.phase == .stopping }

  /// The next stage of a stop, when it is due. True: the process may end.
  mutating func advanceStop() -> Bool {
    if let ends = graceEnds, now >= ends { stop(bounded: false) }
    return finishStop()
  }

  private mutating func finishStop() -> Bool {
    let listeners = generation.listeners
    if shouldMute && !listenersMuted {
      // From here on the kernel drops arrivals, so that the workers can empty the queue before it is closed: a client
      // that comes now sends again, finds nobody, and tries elsewhere.
      listenersMuted = true
      for descriptor in listeners { _ = cr_listener_mute(descriptor) }
      if shared.phase == .running { shared.advance(to: .draining) }
      handshakesEnd = handshakesOver
    }
    // Handshakes under way have a round trip to finish, their connections are taken still.
    if listenersMuted && shared.phase != .stopping && now >= handshakesEnd { shared.advance(to: .stopping) }
    guard shared.phase == .stopping else { return false }
    if listenersMuted && shared.listening.load(ordering: .acquiring) == 0 && !listenersClosed {
      listenersClosed = true
      for descriptor in listeners { _ = cr_close(descriptor) }
    }
    // Who was taken by the page before another process took that over is answered here.
    let isAnswered = !isHandedOver || generation.page?.hasEnded ?? true
    if shared.working.load(ordering: .acquiring) == 0 && former.isEmpty && isAnswered {
      // Whoever took over waits for those before as well.
      if isHandedOver || countProcessesBefore() == 0 { return true }
      if let ends = shutdownEnds, now >= ends + Self.endingTime {
        logger.warning("\(shared.plan.name) ends before processes that handed over to it")
        return true
      }
      return false
    }
    if let ends = shutdownEnds, now >= ends {
      logger.warning("\(shared.plan.name) ends with connections left: \(shared.connections.count)")
      return true
    }
    return false
  }
  /// How long processes before may take to end after what is left to them is cut: 1 s.
  private static let endingTime: Int64 = 1_000_000_000

  /// Longer than a round trip to the other side of the world: 300 ms.
  private static let handshakeTime: Int64 = 300_000_000

  /// When the handshakes that are under way now have ended.
  var handshakesOver: Int64 { now + Int64(Double(Self.handshakeTime) * shared.plan.timeScale) }

  mutating func listenForMonitor() {
    guard let monitorDescriptor, !isStopping, pause == .listening else { return }
    monitorSocket = reactor.accept(from: monitorDescriptor, token: Kind.monitorListener.rawValue << 56) ?? .none
  }

  private mutating func closeMonitor() {
    guard let monitorDescriptor, !monitorClosed else { return }
    monitorClosed = true
    reactor.close(monitorSocket)
    monitorSocket = .none
    _ = cr_close(monitorDescriptor)
  }

  /// The socket of commands goes with the node.
  mutating func removeAdmin() { if !isHandedOver { generation.admin?.listener.remove() } }

  /// What the workers ran out of, in the log.
  mutating func tellStrains() {
    guard shared.strains.takeMark() || strainLog.isActive else { return }
    let name = shared.plan.name
    strainLog.update(shared.strains, now: now) { line, isOver in
      if isOver { logger.notice("\(name): \(line)") } else { logger.warning("\(name): \(line)") }
    }
  }
}
