internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Reactor
internal import Synchronization
internal import Topology

/// Whether the node listens.
enum Pause: Equatable {
  case listening
  /// The kernel drops arrivals; handshakes under way end by then.
  case muting(until: Int64)
  /// The workers take what is queued.
  case leaving
  /// Nobody listens: others may take the addresses.
  case paused
  /// As before, but it is to listen again, and tries then: somebody else had an address.
  case resuming(next: Int64)

  /// Something is due soon.
  var isMoving: Bool { self != .listening && self != .paused }
}

/// SIGTTOU and SIGTTIN: the addresses are left to another process for a while, connections go on.
///
/// The sockets, the status page's among them, stay bound and listen no more. Others may take such an address if they allow its reuse, as servers do (SO_REUSEADDR);
/// to listen again needs no privilege.
extension Control {
  /// By SIGTTOU, or by a command, to which the reply is.
  @discardableResult
  mutating func pauseListening() -> AdminReply {
    let name = shared.plan.name
    finishTakeOver()
    guard !isStopping else {
      logger.notice("\(name) stops: SIGTTOU changes nothing")
      return .refused("\(name) stops")
    }
    guard !isHandingOver else {
      logger.warning("\(name) is being handed over: SIGTTOU changes nothing; try again")
      return .refused("\(name) is being handed over: try again")
    }
    switch pause {
    case .listening: break
    case .resuming:
      logger.notice("\(name) does not try to listen any more")
      pause = .paused
      answerResume(.refused("\(name) was paused again"))
      return .done("\(name) does not try to listen any more")
    case .muting, .leaving, .paused:
      logger.notice("\(name) has stopped listening already")
      return .done("\(name) has stopped listening already")
    }
    logger.notice(
      "\(name) stops listening: connections go on; SIGTTIN resumes, SIGUSR1 ends it with its last connection")
    notifier?.status("\(name) has stopped listening")
    for socket in generation.allSockets { _ = cr_listener_mute(socket.descriptor) }
    pause = .muting(until: handshakesOver)
    return .done("\(name) stops listening: connections go on")
  }

  /// By SIGTTIN, or by a command, whose ticket is answered when it is known what came of it.
  mutating func resumeListening(for ticket: AdminMailbox.Ticket? = nil) {
    let name = shared.plan.name
    guard !isStopping else {
      ticket?.answer(.refused("\(name) stops"))
      return logger.notice("\(name) stops: SIGTTIN changes nothing")
    }
    if let ticket { resumeTickets.append(ticket) }
    switch pause {
    case .listening:
      logger.notice("\(name) listens: SIGTTIN changes nothing")
      answerResume(.done("\(name) listens"))
    case .resuming: break
    // Nobody has left the queues yet: the kernel takes arrivals again.
    case .muting:
      for socket in generation.allSockets { _ = cr_listener_unmute(socket.descriptor) }
      pause = .listening
      tellHeld()
      logger.notice("\(name) listens again")
      answerResume(.done("\(name) listens again"))
    case .leaving, .paused: pause = .resuming(next: now)
    }
  }

  /// Tells those who asked for it what came of listening again.
  mutating func answerResume(_ reply: AdminReply) {
    for ticket in resumeTickets { ticket.answer(reply) }
    resumeTickets = []
  }

  mutating func advancePause() {
    switch pause {
    case .listening, .paused: break
    case .muting(let until):
      guard now >= until else { return }
      shared.pause(true)
      pause = .leaving
    case .leaving: if shared.listening.load(ordering: .acquiring) == 0 { leave() }
    case .resuming(let next):
      // The workers have to be gone first.
      guard now >= next, shared.listening.load(ordering: .acquiring) == 0 else { return }
      if generation.lock >= 0 { leave() }
      resume()
    }
  }

  /// The queues are empty: the sockets listen no more, and the node's name and its pid file are free.
  private mutating func leave() {
    if let monitorDescriptor {
      var peer = cr_address()
      while case let descriptor = cr_accept(monitorDescriptor, &peer), descriptor >= 0 {
        monitorAccepted(Int(descriptor))
      }
      reactor.close(monitorSocket)
      monitorSocket = .none
    }
    for socket in generation.allSockets { socket.stopListening() }
    _ = cr_close(generation.lock)
    generation.lock = -1
    shared.process.pidFile.withLock { $0?.release() }
    if case .leaving = pause { pause = .paused }
    logger.notice("\(shared.plan.name) has stopped listening")
  }

  private mutating func resume() {
    var listening: [NodeSocket] = []
    do throws(NodeError) {
      let lock = try generation.acquireLock()
      do throws(NodeError) {
        for socket in generation.allSockets {
          try socket.listenAgain(for: shared.plan.name)
          listening.append(socket)
        }
      } catch {
        for socket in listening { socket.stopListening() }
        _ = cr_close(lock)
        throw error
      }
      generation.lock = lock
    } catch {
      if !isResumeToldInVain {
        logger.error(
          "\(shared.plan.name) cannot listen again: \(error.description); it tries every second until SIGTTOU or SIGUSR1"
        )
        isResumeToldInVain = true
      }
      answerResume(.refused("\(shared.plan.name) cannot listen again: \(error.description); it tries every second"))
      pause = .resuming(next: now + 1_000_000_000)
      return
    }
    isResumeToldInVain = false
    for socket in listening { _ = cr_listener_unmute(socket.descriptor) }
    pause = .listening
    shared.pause(false)
    listenForMonitor()
    takePidFile()
    do throws(NodeError) {
      // Another process may have taken the path meanwhile.
      try generation.takeCommandsAgain()
    } catch {
      logger.error("\(shared.plan.name): \(error.description)")
    }
    tellHeld()
    logger.notice("\(shared.plan.name) listens again")
    answerResume(.done("\(shared.plan.name) listens again"))
    notifier?.status("\(shared.plan.name) serves")
  }

  /// The pid file is the node's again, unless somebody has it.
  private func takePidFile() {
    let plan = shared.plan
    var failure: NodeError?
    shared.process.pidFile.withLock { file in
      do throws(NodeError) {
        file = try file?.takeAgain(isOutOfSight: plan.chroot != nil)
      } catch {
        failure = error
      }
    }
    if let failure { logger.error("\(plan.name) goes on without its pid file: \(failure.description)") }
  }
}

extension NodeSocket {
  /// Others may have the address; a Unix socket is moved aside.
  fileprivate func stopListening() {
    if case .unix(let path) = address {
      if !path.hasPrefix("@") { rename(path, path + Self.aside) }
      return
    }
    _ = cr_listener_pause(descriptor)
  }

  private static let aside = ".paused"

  fileprivate func listenAgain(for node: String) throws(NodeError) {
    var status: Int32 = 0
    if case .unix(let path) = address {
      // Not over what somebody else has put there.
      if !path.hasPrefix("@"), link(path + Self.aside, path) != 0 { status = errno == EEXIST ? EADDRINUSE : errno }
      if status == 0 { unlink(path + Self.aside) }
    } else {
      status = -cr_listener_resume(descriptor, Self.backlog)
    }
    if status != 0 { throw Self.failure(status, at: address, for: node) }
  }
}
