internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Synchronization

/// Lines of all workers on their way to a descriptor: a worker fills memory of its own and hands it over; one thread
/// writes. A slow reader of the log never stops a worker: lines that find no room are given up and counted.
final class AccessLog: Sendable {
  /// Bytes a worker gathers before the next piece is handed over.
  static let bufferBytes = 256 * 1024

  /// A piece of memory on its way from a worker to the writer or back: owned by whoever took it last.
  struct Piece: @unchecked Sendable {
    var memory: UnsafeMutableRawPointer
    var count: Int
  }
  private struct State {
    var pending: [Piece] = []
    var free: [Piece] = []
    var isClosed = false
  }
  private let state = Mutex(State())
  /// Where lines go.
  let descriptor: Int32
  /// What a worker wakes the writer by: it has to have it in its descriptor table.
  let wakeDescriptor: Int32
  private let done = Atomic<Bool>(false)
  /// Lines that could not be written, not yet told.
  private let lost = Atomic<Int>(0)
  /// Pieces that may wait to be written.
  private static let pendingMax = 16
  /// Written pieces that are kept for the next lines: a log that was behind once gives the rest back.
  private static let freeMax = 4

  init?(descriptor: Int32) {
    self.descriptor = descriptor
    wakeDescriptor = cr_blocking_eventfd()
    guard wakeDescriptor >= 0 else { return nil }
    do throws(ThreadFailure) {
      try ServiceThread.start("access-log", stackBytes: ServiceThread.smallStack) { self.write() }
    } catch {
      Logger(label: "geodirector").error("the access log is not written: \(error)")
    }
  }

  deinit {
    state.withLock { state in
      for piece in state.pending + state.free { piece.memory.deallocate() }
    }
    if wakeDescriptor >= 0 { _ = cr_close(wakeDescriptor) }
  }

  /// Memory to write lines to: a used piece, or new memory.
  func takeMemory() -> UnsafeMutableRawPointer {
    state.withLock { $0.free.popLast() }?.memory ?? .allocate(byteCount: Self.bufferBytes, alignment: 64)
  }

  /// Hands over a filled piece. False: too many wait already, the caller keeps the memory.
  func hand(_ memory: UnsafeMutableRawPointer, count: Int) -> Bool {
    let piece = Piece(memory: memory, count: count)
    let taken = state.withLock { state in
      guard state.pending.count < Self.pendingMax else { return false }
      state.pending.append(piece)
      return true
    }
    if taken { cr_eventfd_wake(wakeDescriptor) }
    return taken
  }

  /// Writes what is pending and ends the thread; returns when that is done, or after two seconds.
  func close() {
    state.withLock { $0.isClosed = true }
    cr_eventfd_wake(wakeDescriptor)
    let limit = cr_monotonic() + 2_000_000_000
    while !done.load(ordering: .acquiring) && cr_monotonic() < limit { cr_pause(1) }
  }

  /// Lines that could not be written since the last asking.
  @inline(__always)
  func takeLost() -> Int {
    lost.load(ordering: .relaxed) == 0 ? 0 : lost.exchange(0, ordering: .relaxed)
  }

  private static let lineFeed: UInt8 = 0x0A

  /// Writes all of it, however slowly it is taken; how much could be.
  private func write(_ bytes: UnsafeRawBufferPointer) -> Int {
    var offset = 0
    while offset < bytes.count {
      let written = cr_write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
      switch Int32(-written) {
      case EINTR: continue
      // Whoever gave us the descriptor, or has it besides us, has made it one that does not block.
      case EAGAIN: cr_await_output(descriptor, 100)
      case _ where written <= 0: return offset
      default: offset += written
      }
    }
    return offset
  }

  private func write() {
    // What was written last is the beginning of a line.
    var isWithinLine = false
    while true {
      cr_eventfd_clear(wakeDescriptor)
      while let piece = state.withLock({ $0.pending.isEmpty ? nil : $0.pending.removeFirst() }) {
        let bytes = UnsafeRawBufferPointer(start: piece.memory, count: piece.count)
        // A line that was cut short is no part of the next one.
        if isWithinLine { isWithinLine = withUnsafeBytes(of: Self.lineFeed) { write($0) } == 0 }
        let written = isWithinLine ? 0 : write(bytes)
        // A closed or full log is no reason to stop serving.
        if written < bytes.count {
          lost.wrappingAdd(bytes[written...].count { $0 == Self.lineFeed }, ordering: .relaxed)
          if written > 0 { isWithinLine = bytes[written - 1] != Self.lineFeed }
        }
        let isKept = state.withLock { state in
          guard state.free.count < Self.freeMax else { return false }
          state.free.append(piece)
          return true
        }
        if !isKept { piece.memory.deallocate() }
      }
      if state.withLock({ $0.isClosed && $0.pending.isEmpty }) {
        done.store(true, ordering: .releasing)
        return
      }
    }
  }
}

/// One worker's end of the access log.
struct LogBuffer: ~Copyable {
  private let log: AccessLog?
  private var memory: UnsafeMutableRawPointer
  private(set) var count = 0
  private var handedOver: Int64 = 0
  private var dropped = 0

  /// Longest line; longer ones are cut by their writer.
  static let lineMax = 2_048
  private static let delay: Int64 = 50_000_000

  init(log: AccessLog?) {
    self.log = log
    memory = log?.takeMemory() ?? .allocate(byteCount: 64, alignment: 64)
  }

  deinit { memory.deallocate() }

  var isOn: Bool { log != nil }

  /// Room for one line; nil: the writer is behind, the line is given up.
  @inline(__always)
  mutating func line() -> UnsafeMutableRawBufferPointer? {
    if AccessLog.bufferBytes - count < Self.lineMax {
      flush(now: handedOver)
      if AccessLog.bufferBytes - count < Self.lineMax {
        dropped += 1
        return nil
      }
    }
    return UnsafeMutableRawBufferPointer(start: memory + count, count: Self.lineMax)
  }

  @inline(__always)
  mutating func commit(_ bytes: Int) { count += bytes }

  /// Lines given up since the last asking.
  @inline(__always)
  mutating func takeDropped() -> Int {
    defer { dropped = 0 }
    return dropped + (log?.takeLost() ?? 0)
  }

  /// Hands lines over when there are many, or when they have waited for 50 ms.
  @inline(__always)
  mutating func flushIfDue(now: Int64) {
    if count > 32_768 || (count > 0 && now - handedOver > Self.delay) { flush(now: now) }
  }

  mutating func flush(now: Int64) {
    handedOver = now
    guard let log, count > 0, log.hand(memory, count: count) else { return }
    memory = log.takeMemory()
    count = 0
  }
}
