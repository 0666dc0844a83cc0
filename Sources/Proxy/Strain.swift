internal import Logging
internal import Synchronization
internal import Topology

/// What a node has run out of. Workers count it, the control thread tells of it: at most one line a kind in ten seconds.
enum Strain: Equatable {
  case connections
  case source
  case acceptShortage
  case acceptError
  case connectDescriptors
  case connectPorts
  /// By the position of the listener.
  case listener(Int)

  static let fixedCount = 6

  var position: Int {
    switch self {
    case .connections: 0
    case .source: 1
    case .acceptShortage: 2
    case .acceptError: 3
    case .connectDescriptors: 4
    case .connectPorts: 5
    case .listener(let index): Self.fixedCount + index
    }
  }
}

/// Counts of strains by kind. Counting costs one atomic addition, and nothing at all while all is well.
final class StrainBoard: @unchecked Sendable {
  private let counts: UnsafeMutablePointer<Atomic<Int>>
  private let isMarked = Atomic<Bool>(false)
  /// Kinds counted.
  let count: Int

  init(listeners: Int) {
    count = Strain.fixedCount + listeners
    counts = .allocate(capacity: count)
    for position in 0..<count { (counts + position).initialize(to: Atomic(0)) }
  }

  deinit {
    counts.deinitialize(count: count)
    counts.deallocate()
  }

  /// Counts one case. True: the first since the control thread looked, so it has to be woken.
  func note(_ strain: Strain) -> Bool {
    counts[strain.position].wrappingAdd(1, ordering: .relaxed)
    return !isMarked.exchange(true, ordering: .releasing)
  }

  /// Whether anything was counted since the last call.
  func takeMark() -> Bool { isMarked.exchange(false, ordering: .acquiring) }

  func take(_ position: Int) -> Int {
    if counts[position].load(ordering: .relaxed) == 0 { return 0 }
    return counts[position].exchange(0, ordering: .relaxed)
  }
}

/// Turns counts into log lines: one when a strain begins, one every ten seconds while it lasts, one when it is over.
struct StrainLog {
  /// Between lines of one kind, in nanoseconds.
  static let interval: Int64 = 10_000_000_000

  private struct Kind {
    var isActive = false
    var nextLine: Int64 = 0
    var untold = 0
  }
  private var kinds: [Kind]
  private let words: [String]

  init(_ plan: NodePlan) {
    self.init(
      listeners: plan.listeners.map { "\($0.address)" }, connectionsMax: plan.limits.connectionsMax,
      perSourceMax: plan.limits.connectionsPerSourceMax)
  }

  init(listeners: [String], connectionsMax: Int, perSourceMax: Int) {
    words =
      [
        "\(connectionsMax) client connections are open, the limit: further ones wait in the kernel's queue",
        "a source address has \(perSourceMax) connections open, its limit: its further ones are closed",
        "no descriptor or memory for client connections: none is taken for 100 ms",
        "connections of clients failed before they were taken",
        "no descriptor or memory for a connection to a server: 503, no server is blamed",
        "no local port for a connection to a server: 503, no server is blamed",
      ] + listeners.map { "listener \($0) is at its limit of connections: further ones wait in the kernel's queue" }
    kinds = Array(repeating: Kind(), count: words.count)
  }

  /// A kind has occurred and is not yet told to be over.
  private(set) var isActive = false

  /// Takes the counts in; `say` gets each line that is due and whether it tells of an end.
  mutating func update(_ board: StrainBoard, now: Int64, say: (String, Bool) -> Void) {
    isActive = false
    for position in kinds.indices {
      kinds[position].untold += board.take(position)
      if now >= kinds[position].nextLine {
        let untold = kinds[position].untold
        if untold > 0 {
          say("\(words[position]) (\(untold) times)", false)
          kinds[position] = Kind(isActive: true, nextLine: now + Self.interval, untold: 0)
        } else if kinds[position].isActive {
          say("over: \(words[position])", true)
          kinds[position].isActive = false
        }
      }
      if kinds[position].isActive || kinds[position].untold > 0 { isActive = true }
    }
  }
}
