internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Reactor
internal import Synchronization
internal import Topology

/// What holds for the node holds for each of its processes: those that have handed over to this one are told, and this one listens to
/// the one that has taken over from it.
extension Control {
  /// Tells the processes before; one that has ended, or does not know the word, does nothing.
  func tellProcessesBefore(_ kind: HandOverLine.Kind, _ text: String) {
    for line in shared.process.linesBefore.withLock({ $0 }) { HandOverLine(descriptor: line).send(kind, text) }
  }

  /// Takes what the process says that has taken over, or one after it.
  mutating func takeWords() {
    while let message = nextWord() {
      for descriptor in message.descriptors { _ = cr_close(descriptor) }
      switch message.kind {
      case .stop:
        guard let milliseconds = Int64(message.text), milliseconds >= 0 else { continue }
        if milliseconds == 0 {
          logger.warning("\(shared.plan.name) stops at once: the process that has taken over was told to")
          exit(1)
        }
        let ends = now + min(milliseconds, Self.stopMillisecondsMax) * 1_000_000
        // Its own signal may have come before, or come still: a terminal's goes to all.
        if shutdownEnds == nil { isToldToStop = true }
        shutdownEnds = min(shutdownEnds ?? ends, ends)
      case .order:
        guard case .order(let order)? = try? AdminCommand(parsing: message.text) else { continue }
        perform(order, isToldAlready: true)
      default: continue
      }
    }
  }

  /// The next message; nil: there is none now, or none any more.
  private mutating func nextWord() -> HandOverLine.Message? {
    guard let (line, socket) = successor else { return nil }
    do throws(HandOverLine.Failure) {
      return try line.receive(milliseconds: 0)
    } catch {
      if case .silent = error { return nil }
      // It has ended, and with it all that could be said.
      if let socket { reactor.close(socket) }
      successor = nil
      return nil
    }
  }

  /// Longer than any plan's `shutdown` has to be: a year.
  private static let stopMillisecondsMax: Int64 = 366 * 86_400 * 1_000
}
