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
  /// Tells the processes before; one that has ended, or does not know the word, does nothing. Nobody waits for one that does not read: what
  /// it would be told is lost, which is said once of each.
  mutating func tellProcessesBefore(_ kind: HandOverLine.Kind, _ text: String) {
    for descriptor in shared.process.linesBefore.withLock({ $0 }) {
      let line = HandOverLine(descriptor: descriptor)
      // Lines come at the start alone, so no other one gets its number.
      if line.offer(kind, text) || !unreadLines.insert(descriptor).inserted { continue }
      let process = line.maker.map { "process \($0)" } ?? "a process"
      let mend = line.maker.map { "; if it hangs, end it (kill -KILL \($0))" } ?? ""
      logger.warning(
        "\(shared.plan.name): \(process), which has handed over, does not read what it is told: it learns of no further orders\(mend)"
      )
    }
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
