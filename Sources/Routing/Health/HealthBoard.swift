import Synchronization

/// Where the prober publishes the health of all servers, and the workers read it (rule G).
///
/// A handle that is copied freely and costs no retain; the memory lives from `allocate` to `deallocate`, and whoever
/// allocated it frees it once nobody uses it. A worker compares `generation` with the one it has read last, and copies
/// the snapshots only when it differs. Server indices outside `0..<serverCount` are programming errors.
public struct HealthBoard: @unchecked Sendable {
  private let counter: UnsafeMutablePointer<Atomic<UInt64>>
  private let snapshots: UnsafeMutablePointer<Atomic<UInt64>>
  /// The number of servers.
  public let serverCount: Int

  /// Allocates a board that shows these facts.
  public static func allocate(_ initial: [HealthSnapshot]) -> HealthBoard {
    let board = HealthBoard(serverCount: initial.count)
    for (server, snapshot) in initial.enumerated() {
      board.snapshots[server].store(snapshot.rawValue, ordering: .relaxed)
    }
    return board
  }

  private init(serverCount: Int) {
    self.serverCount = serverCount
    // The generation has a cache line of its own: every worker reads it for every request.
    let line = 64
    let array = serverCount * MemoryLayout<Atomic<UInt64>>.stride
    let memory = UnsafeMutableRawPointer.allocate(byteCount: line + array, alignment: line)
    counter = memory.bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    counter.initialize(to: Atomic(1))
    snapshots = (memory + line).bindMemory(to: Atomic<UInt64>.self, capacity: serverCount)
    for server in 0..<serverCount { (snapshots + server).initialize(to: Atomic(0)) }
  }

  /// Frees the board. No copy of the handle may be used afterwards.
  public func deallocate() {
    UnsafeMutableRawPointer(counter).deallocate()
  }

  /// Grows with every change of a snapshot; begins at 1, so 0 says "not read yet".
  @inline(__always)
  public var generation: UInt64 { counter.pointee.load(ordering: .acquiring) }

  /// Shows new facts of a server. False: they are the ones shown already, and the generation stays. Of a pool: `PoolShared.publish`.
  @discardableResult
  func publish(_ server: Int32, _ snapshot: HealthSnapshot) -> Bool {
    let old = snapshots[checked(server)].exchange(snapshot.rawValue, ordering: .acquiringAndReleasing)
    if old == snapshot.rawValue { return false }
    counter.pointee.wrappingAdd(1, ordering: .acquiringAndReleasing)
    return true
  }

  /// The facts shown of a server.
  @inline(__always)
  public func snapshot(_ server: Int32) -> HealthSnapshot {
    HealthSnapshot(rawValue: snapshots[checked(server)].load(ordering: .acquiring))
  }

  /// Copies all snapshots, which must be as many as there are servers, if the board has changed since `seen`.
  ///
  /// The generation is read first: a change while copying is seen by the next call.
  /// - Returns: whether anything was copied.
  @discardableResult
  public func copy(to snapshots: inout [HealthSnapshot], seen: inout UInt64) -> Bool {
    let current = generation
    if current == seen { return false }
    precondition(snapshots.count == serverCount)
    for server in 0..<serverCount { snapshots[server] = snapshot(Int32(server)) }
    seen = current
    return true
  }

  @inline(__always)
  private func checked(_ server: Int32) -> Int {
    let position = Int(server)
    precondition(position >= 0 && position < serverCount, "no such server")
    return position
  }
}
