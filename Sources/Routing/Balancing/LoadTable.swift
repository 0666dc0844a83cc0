import Synchronization

/// Requests in flight by server, for the whole process: the counters all workers share (rule G).
///
/// A handle that is copied freely and costs no retain; the memory lives from `allocate` to `deallocate`, and whoever
/// allocated it frees it once no worker uses it. Server indices outside `0..<serverCount` are programming errors.
///
/// A request that waits for a slot is counted, then `reserve` is tried once more for the first in the queue; who has released
/// a slot looks at the count and does the same. As all four are sequentially consistent, no slot stays free beside a queue.
/// The queues themselves are in `SlotQueues`.
public struct LoadTable: @unchecked Sendable {
  /// What a server is given, by all tables that count it: of a plan and of those before it that are served still. One cache line, so that
  /// workers busy with different servers do not slow each other down.
  private struct Counts: ~Copyable {
    let inFlight = Atomic<Int32>(0)
    /// Tables that count here: the last one frees it.
    let tables = Atomic<Int32>(1)
    /// Slots that were ever taken.
    let taken = Atomic<UInt64>(0)
    private let padding = InlineArray<6, UInt64>(repeating: 0)
  }

  /// What one table has of a server. Workers read it at each request, and it changes seldom.
  private struct Cell: ~Copyable {
    let counts: UnsafeMutablePointer<Counts>
    let limit = Atomic<Int32>(0)
    /// Requests in its queue.
    let waiting = Atomic<Int32>(0)
    /// Up to how many requests in flight it takes a request of a user who is new to it.
    let open = Atomic<Int32>(.max)

    init(_ counts: UnsafeMutablePointer<Counts>) { self.counts = counts }
  }

  /// A limit that no request is within: all slots are for who waits by a plan before.
  public static let closed: Int32 = -1

  /// The header's cell counts the total, and those who wait for several servers at once.
  private let header: UnsafeMutablePointer<Cell>
  private let cells: UnsafeMutablePointer<Cell>
  /// One bit a server: set while it has no free slot. Kept at the changes, so that `First` need not read every server.
  private let full: UnsafeMutablePointer<Atomic<UInt64>>
  /// One bit for each word of `full`: set while all servers of that word are full.
  private let fullWords: UnsafeMutablePointer<Atomic<UInt64>>
  /// The number of servers.
  public let serverCount: Int

  /// The most workers whose requests can wait for a server: one bit each.
  public static let workersMax = 64

  /// Several threads count: each change is one step that cannot be divided.
  private let isShared: Bool

  /// Allocates the counters for servers with these limits of requests at once; 0: unlimited. `isShared`: more than one thread
  /// will reserve and release; one alone is spared the cost of that.
  ///
  /// `known`: another table, whose requests count here, too, as those of this one do there; and by server, which it is there, nil: none.
  public static func allocate(
    limits: [Int32], isShared: Bool = true, counting known: (table: LoadTable, servers: [Int?])? = nil
  ) -> LoadTable {
    precondition(known == nil || isShared, "requests of two tables are counted by several threads")
    let table = LoadTable(serverCount: limits.count, isShared: isShared, known)
    for (server, limit) in limits.enumerated() {
      precondition(limit >= 0)
      table.cells[server].limit.store(limit, ordering: .relaxed)
    }
    if known != nil { table.settle() }
    return table
  }

  private init(serverCount: Int, isShared: Bool, _ known: (table: LoadTable, servers: [Int?])?) {
    self.serverCount = serverCount
    self.isShared = isShared
    let words = (serverCount + 63) / 64
    let summaries = (words + 63) / 64
    let cellBytes = MemoryLayout<Cell>.stride * (serverCount + 1)
    let wordBytes = MemoryLayout<Atomic<UInt64>>.stride * words
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: cellBytes + wordBytes + MemoryLayout<Atomic<UInt64>>.stride * summaries, alignment: 64)
    header = memory.bindMemory(to: Cell.self, capacity: serverCount + 1)
    header.initialize(to: Cell(Self.counts(known.map { $0.table.header })))
    for server in 0..<serverCount {
      let other = known.flatMap { known in known.servers[server].map { known.table.cells + $0 } }
      (header + 1 + server).initialize(to: Cell(Self.counts(other)))
    }
    cells = header + 1
    full = (memory + cellBytes).bindMemory(to: Atomic<UInt64>.self, capacity: words)
    for word in 0..<words { (full + word).initialize(to: Atomic(0)) }
    fullWords = (memory + cellBytes + wordBytes).bindMemory(to: Atomic<UInt64>.self, capacity: summaries)
    for summary in 0..<summaries { (fullWords + summary).initialize(to: Atomic(0)) }
  }

  /// Those of another table's cell, counted on, or new ones.
  private static func counts(_ other: UnsafeMutablePointer<Cell>?) -> UnsafeMutablePointer<Counts> {
    if let other {
      other.pointee.counts.pointee.tables.wrappingAdd(1, ordering: .relaxed)
      return other.pointee.counts
    }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: MemoryLayout<Counts>.stride, alignment: 64)
      .bindMemory(to: Counts.self, capacity: 1)
    memory.initialize(to: Counts())
    return memory
  }

  /// Whether the same requests are counted in both tables' totals.
  public func hasTotal(of other: LoadTable) -> Bool { header.pointee.counts == other.header.pointee.counts }

  /// Whether a server's requests are counted in another table as that table's.
  public func counts(_ server: Int32, as otherServer: Int32, of other: LoadTable) -> Bool {
    cells[checked(server)].counts == other.cells[other.checked(otherServer)].counts
  }

  /// Frees the counters, but for those that other tables count in, too. No copy of the handle may be used afterwards.
  public func deallocate() {
    for position in 0...serverCount {
      let counts = header[position].counts
      if counts.pointee.tables.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
        counts.deinitialize(count: 1)
        counts.deallocate()
      }
    }
    UnsafeMutableRawPointer(header).deallocate()
  }

  /// Takes a slot of a server for a request that has not waited; false: the server is at its limit, or others wait for a slot: who of
  /// them and this one is next, the queue decides.
  @inline(__always)
  func reserveForNewcomer(_ server: Int32) -> Bool {
    waiting(server) == 0 && waitingForSeveral == 0 && reserve(server)
  }

  /// Takes a slot of a server; false: the server is at its limit, and nothing was taken.
  @inline(__always)
  public func reserve(_ server: Int32) -> Bool {
    let position = checked(server)
    let counts = cells[position].counts
    var seen = counts.pointee.inFlight.load(ordering: .relaxed)
    if !isShared { return reserveAlone(position, seen) }
    while true {
      let limit = cells[position].limit.load(ordering: .relaxed)
      if limit != 0 && seen >= limit {
        // The count may be an old one: look again in full order with `waits` before turning the request away.
        let now = counts.pointee.inFlight.load(ordering: .sequentiallyConsistent)
        if now >= limit { return false }
        seen = now
        continue
      }
      let (exchanged, original) = counts.pointee.inFlight.weakCompareExchange(
        expected: seen, desired: seen + 1, successOrdering: .sequentiallyConsistent, failureOrdering: .relaxed)
      if exchanged {
        if limit != 0 && seen + 1 >= limit { settleFullBit(position) }
        break
      }
      seen = original
    }
    header.pointee.counts.pointee.inFlight.wrappingAdd(1, ordering: .relaxed)
    counts.pointee.taken.wrappingAdd(1, ordering: .relaxed)
    return true
  }

  @inline(__always)
  private func reserveAlone(_ position: Int, _ seen: Int32) -> Bool {
    let limit = cells[position].limit.load(ordering: .relaxed)
    if limit != 0 && seen >= limit { return false }
    let (counts, total) = (cells[position].counts, header.pointee.counts)
    counts.pointee.inFlight.store(seen + 1, ordering: .relaxed)
    counts.pointee.taken.store(counts.pointee.taken.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    total.pointee.inFlight.store(total.pointee.inFlight.load(ordering: .relaxed) + 1, ordering: .relaxed)
    if limit != 0 && seen + 1 >= limit { settleFullBit(position) }
    return true
  }

  @inline(__always)
  private func releaseAlone(_ position: Int) -> Int32 {
    let (counts, total) = (cells[position].counts, header.pointee.counts)
    let before = counts.pointee.inFlight.load(ordering: .relaxed)
    counts.pointee.inFlight.store(before - 1, ordering: .relaxed)
    total.pointee.inFlight.store(total.pointee.inFlight.load(ordering: .relaxed) - 1, ordering: .relaxed)
    return before
  }

  /// Gives a slot back that `reserve` gave.
  @inline(__always)
  public func release(_ server: Int32) {
    let position = checked(server)
    if !isShared {
      let before = releaseAlone(position)
      precondition(before > 0, "a slot was released that nobody had reserved")
      let limit = cells[position].limit.load(ordering: .relaxed)
      if limit != 0 && before >= limit { settleFullBit(position) }
      return
    }
    let before = cells[position].counts.pointee.inFlight.wrappingSubtract(1, ordering: .sequentiallyConsistent).oldValue
    precondition(before > 0, "a slot was released that nobody had reserved")
    header.pointee.counts.pointee.inFlight.wrappingSubtract(1, ordering: .relaxed)
    let limit = cells[position].limit.load(ordering: .relaxed)
    if limit != 0 && before >= limit { settleFullBit(position) }
  }

  /// Requests that hold a slot of the server now, those of tables before that are counted here, too.
  @inline(__always)
  public func inFlight(_ server: Int32) -> Int32 {
    cells[checked(server)].counts.pointee.inFlight.load(ordering: .relaxed)
  }

  /// Requests that were ever given a slot of the server, repeats counted again.
  public func taken(_ server: Int32) -> UInt64 {
    cells[checked(server)].counts.pointee.taken.load(ordering: .relaxed)
  }

  /// Counts a server's requests on from those that another process has counted.
  public func goOn(_ server: Int32, taken: UInt64) {
    cells[checked(server)].counts.pointee.taken.wrappingAdd(taken, ordering: .relaxed)
  }

  /// Requests the server takes at once; 0: unlimited; `closed`: none of this table.
  @inline(__always)
  public func limit(_ server: Int32) -> Int32 {
    cells[checked(server)].limit.load(ordering: .relaxed)
  }

  /// From now on only so many of the server's slots are for users who are new to it: while fewer requests than that are in flight, such
  /// a one is taken. Its own users have all.
  func open(_ server: Int32, for slots: Int32) {
    cells[checked(server)].open.store(slots, ordering: .sequentiallyConsistent)
  }

  /// Whether a user who is new to the server may have a slot of it, if there is a free one.
  @inline(__always)
  func isOpen(_ server: Int32) -> Bool {
    let position = checked(server)
    return cells[position].counts.pointee.inFlight.load(ordering: .relaxed)
      < cells[position].open.load(ordering: .relaxed)
  }

  /// Changes how many requests the server takes at once. Who waits for a slot looks now and then, and finds what has become free.
  public func setLimit(_ server: Int32, _ limit: Int32) {
    precondition(limit >= Self.closed)
    let position = checked(server)
    if cells[position].limit.exchange(limit, ordering: .sequentiallyConsistent) != limit { settleFullBit(position) }
  }

  /// Requests that hold a slot of any server now.
  @inline(__always)
  public var totalInFlight: Int32 {
    header.pointee.counts.pointee.inFlight.load(ordering: .relaxed)
  }

  /// Counts a request that waits in a line (1), or no longer does (-1).
  func count(_ line: SlotQueues.Line, _ change: Int32) {
    switch line {
    case .server(let server, _): cells[checked(server)].waiting.wrappingAdd(change, ordering: .sequentiallyConsistent)
    case .tier, .group, .pool: header.pointee.waiting.wrappingAdd(change, ordering: .sequentiallyConsistent)
    }
  }

  /// Requests that wait for a slot of this server alone, at all workers.
  @inline(__always)
  public func waiting(_ server: Int32) -> Int32 {
    cells[checked(server)].waiting.load(ordering: .relaxed)
  }

  /// Requests that wait for a slot of any of several servers, at all workers.
  @inline(__always)
  public var waitingForSeveral: Int32 {
    header.pointee.waiting.load(ordering: .relaxed)
  }

  /// Whether somebody may wait for a slot of the server. To be asked after a slot was released.
  @inline(__always)
  func isAwaited(_ server: Int32) -> Bool {
    cells[checked(server)].waiting.load(ordering: .sequentiallyConsistent) != 0
      || header.pointee.waiting.load(ordering: .sequentiallyConsistent) != 0
  }

  /// Of the 64 servers from `64 * word`: a bit is set for each that may have a free slot. To be asked after a request was counted that
  /// waits: who gives a slot back clears the server's bit in `full` first and looks at the count then. A bit that another worker is just
  /// setting by an older count may hide a slot for a moment: so those who wait look now and then.
  @inline(__always)
  func slotBits(word: Int) -> UInt64 {
    precondition(word >= 0 && word * 64 < serverCount)
    return ~full[word].load(ordering: .sequentiallyConsistent) & UInt64.max
      >> UInt64(64 - min(64, serverCount - word * 64))
  }

  /// For the 64 servers from `64 * word`: a bit is set while that server has no free slot.
  @inline(__always)
  func fullBits(word: Int) -> UInt64 {
    precondition(word >= 0 && word * 64 < serverCount)
    return full[word].load(ordering: .relaxed)
  }

  /// For the 64 words from `64 * summary` of `fullBits`: a bit is set while all servers of that word are full.
  @inline(__always)
  func fullWordBits(summary: Int) -> UInt64 {
    precondition(summary >= 0 && summary * 4096 < serverCount)
    return fullWords[summary].load(ordering: .relaxed)
  }

  /// Whether the server has no slot for a user who is new to it: all that are open to such users are taken, or others wait.
  @inline(__always)
  func isFullForNewUsers(_ server: Int32) -> Bool { isFull(server) || !isOpen(server) }

  /// Whether the server has no slot for a request that has not waited: all are taken, or others wait for one of this server.
  @inline(__always)
  func isFull(_ server: Int32) -> Bool {
    let limit = limit(server)
    return limit != 0 && (inFlight(server) >= limit || waiting(server) != 0)
  }

  /// Sets all marks of full servers to what is counted. To be called now and then while another table counts requests here: it sets its own
  /// marks only.
  public func settle() {
    for position in 0..<serverCount where cells[position].limit.load(ordering: .relaxed) != 0 {
      settleFullBit(position)
    }
  }

  /// Sets the bit to what the counter says, and again until the counter has not changed sides meanwhile: two workers
  /// that cross here leave the right bit, as the later of them sees the other's count.
  private func settleFullBit(_ position: Int) {
    var isFull = countedFull(position)
    while true {
      put(isFull, position, in: full)
      let again = countedFull(position)
      if again == isFull { break }
      isFull = again
    }
    settleFullWord(position >> 6)
  }

  /// The same for the word's own bit.
  private func settleFullWord(_ word: Int) {
    // Places of the last word that have no server count as full.
    let servers = min(64, serverCount - word * 64)
    let all = UInt64.max >> UInt64(64 - servers)
    var isFull = full[word].load(ordering: .sequentiallyConsistent) == all
    while true {
      put(isFull, word, in: fullWords)
      let again = full[word].load(ordering: .sequentiallyConsistent) == all
      if again == isFull { return }
      isFull = again
    }
  }

  private func put(_ isSet: Bool, _ bit: Int, in words: UnsafeMutablePointer<Atomic<UInt64>>) {
    let mask: UInt64 = 1 << UInt64(bit & 63)
    if isSet {
      words[bit >> 6].bitwiseOr(mask, ordering: .sequentiallyConsistent)
    } else {
      words[bit >> 6].bitwiseAnd(~mask, ordering: .sequentiallyConsistent)
    }
  }

  private func countedFull(_ position: Int) -> Bool {
    let limit = cells[position].limit.load(ordering: .sequentiallyConsistent)
    return limit != 0 && cells[position].counts.pointee.inFlight.load(ordering: .sequentiallyConsistent) >= limit
  }

  @inline(__always)
  private func checked(_ server: Int32) -> Int {
    let position = Int(server)
    precondition(position >= 0 && position < serverCount, "no such server")
    return position
  }
}
