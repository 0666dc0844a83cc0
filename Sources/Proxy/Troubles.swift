internal import HTTPMessage
internal import Logging
internal import Synchronization
internal import Topology

/// Connections on which TLS failed, and cookies that were not believed: counted by where and why, told in at most one line of each kind in ten seconds. They blame nobody:
/// whoever finds a port sends it garbage. Failures towards servers count as failed connects beside this.
final class Troubles: Sendable {
  /// Where.
  enum Place: Equatable {
    /// A client of a listener.
    case listener(Int)
    /// Somebody who asks the monitor.
    case monitor
    /// A server, by application and position.
    case server(Int, Int)
    /// Cookies of an application.
    case cookies(Int)
  }

  struct Line: Equatable {
    var place: Place
    var reason: String
    var count: Int
    /// The client of the last one.
    var lastHigh: UInt64
    var lastLow: UInt64
    /// The name it asked for, where that is the reason: printable, without spaces.
    var lastName: String?
  }

  private struct Entry {
    var line: Line
    var nextLine: Int64
  }
  private let entries = Mutex<[Entry]>([])
  private let isMarked = Atomic<Bool>(false)

  /// Kinds kept at once; what is beyond is counted as the last of them.
  static let kindsMax = 64
  /// Between lines of one kind, in nanoseconds.
  static let interval: Int64 = 10_000_000_000

  /// Counts one. True: there was none for a while, so the control thread has to be woken.
  func note(_ place: Place, _ reason: String, _ high: UInt64 = 0, _ low: UInt64 = 0, name: String? = nil) -> Bool {
    let name = name.map(Self.printable)
    return note(place, reason, high, low, printable: name)
  }

  /// What came in a handshake may hold anything: bytes that are no visible ASCII become question marks.
  private static func printable(_ name: String) -> String {
    String(decoding: name.utf8.map { $0 > 0x20 && $0 < 0x7F ? $0 : 0x3F }, as: UTF8.self)
  }

  private func note(_ place: Place, _ reason: String, _ high: UInt64, _ low: UInt64, printable name: String?) -> Bool {
    entries.withLock { entries in
      let known = entries.firstIndex { $0.line.place == place && $0.line.reason == reason }
      if let position = known ?? (entries.count < Self.kindsMax ? nil : entries.count - 1) {
        entries[position].line.count += 1
        entries[position].line.lastHigh = high
        entries[position].line.lastLow = low
        entries[position].line.lastName = name
      } else {
        let line = Line(place: place, reason: reason, count: 1, lastHigh: high, lastLow: low, lastName: name)
        entries.append(Entry(line: line, nextLine: 0))
      }
    }
    return !isMarked.exchange(true, ordering: .releasing)
  }

  /// Whether there is, or soon will be, something to tell.
  var isActive: Bool { isMarked.load(ordering: .acquiring) }

  /// The lines that are due.
  func take(now: Int64) -> [Line] {
    guard isActive else { return [] }
    return entries.withLock { entries in
      var due: [Line] = []
      for position in entries.indices where now >= entries[position].nextLine && entries[position].line.count > 0 {
        due.append(entries[position].line)
        entries[position].line.count = 0
        entries[position].nextLine = now + Self.interval
      }
      entries.removeAll { $0.line.count == 0 && now >= $0.nextLine }
      if entries.isEmpty { isMarked.store(false, ordering: .releasing) }
      return due
    }
  }
}

extension Control {
  /// What TLS failed with, in the log.
  mutating func tellTroubles() {
    for line in shared.troubles.take(now: now) {
      let times = line.count == 1 ? "once" : "\(line.count) times"
      switch line.place {
      case .listener(let position):
        let address = shared.plan.listeners[position].address
        let last = AddressText(high: line.lastHigh, low: line.lastLow)
        let name = line.lastName.map { " for \($0)" } ?? ""
        logger.notice(
          "\(shared.plan.name): TLS with clients of \(address) failed: \(line.reason) (\(times), last \(last)\(name))")
      case .monitor:
        logger.notice("\(shared.plan.name): TLS with clients of the monitor failed: \(line.reason) (\(times))")
      case .cookies(let application):
        let plan = shared.plan.applications[application]
        let last = AddressText(high: line.lastHigh, low: line.lastLow)
        logger.notice(
          "\(shared.plan.name): cookie \(plan.cookie?.name ?? "-") of \(plan.name) counted as none: \(line.reason) (\(times), last \(last))"
        )
      case .server(let application, let server):
        let name = shared.plan.applications[application].pool.servers[server].name
        logger.warning("\(shared.plan.name): TLS to \(name) failed: \(line.reason) (\(times))")
      }
    }
  }
}

/// An address in 128-bit form, as text.
private struct AddressText: CustomStringConvertible {
  let description: String

  init(high: UInt64, low: UInt64) {
    description = withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { memory in
      var writer = ByteWriter(memory)
      writer.append(addressHigh: high, low: low)
      return String(decoding: UnsafeRawBufferPointer(rebasing: memory[0..<writer.position]), as: UTF8.self)
    }
  }
}
