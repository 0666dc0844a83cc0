public import CReactor
internal import Glibc

/// One thread's sockets, completion-shaped: operations are submitted, and completions come back with the token their
/// socket was registered with.
///
/// This is the epoll driver. A socket is registered once, edge-triggered. An operation is tried at submission and
/// answers at once when it can; otherwise it stays submitted and is carried out when the kernel reports readiness. A
/// socket has at most one receive (or connect) and one send under way. A short read or write is taken as the end of what
/// is there, so no second call asks for it.
public struct Reactor: ~Copyable {
  /// Result of an operation that stays submitted: its completion comes later.
  public static let pending = -Int(EAGAIN)
  /// Parts of one gathered send at most.
  public static let sendPartsMax = 4
  private static let eventsMax = 256

  /// What a pending send still has to send: kept apart, so that a slot is less than a cache line, and touched only by such a send.
  private typealias Parts = InlineArray<4, iovec>

  private let epoll: Int32
  // Never set again; but what is changed in place through a `let` does not compile under ThreadSanitizer (Swift 6.3.1).
  var slots: UnsafeMutablePointer<Slot>
  private let parts: UnsafeMutablePointer<Parts>
  private let capacity: Int
  private var freeHead: UInt32
  /// Slots that were ever used: memory beyond them is not touched.
  private var used = 0
  private let events: UnsafeMutablePointer<cr_event>
  private let scratch: UnsafeMutableRawPointer
  private var eventCount = 0
  private var eventIndex = 0
  private var acceptsLeft = 0
  private let wakeDescriptor: Int32
  /// Sockets registered now, the reactor's own wake descriptor not counted.
  public private(set) var socketCount = 0
  /// The peer of the `accept` completion given last. Set it to hand in a connection accepted elsewhere.
  public var acceptedPeer = SocketAddress(raw: cr_address())
  /// Where connections leave from; without a length: the kernel chooses.
  private var sourceIPv4 = cr_address()
  private var sourceIPv6 = cr_address()

  /// A reactor for at most `capacity` sockets. Fails with the kernel's error code.
  public init(capacity: Int) throws(SystemError) {
    let epoll = cr_epoll_create()
    guard epoll >= 0 else { throw SystemError(code: epoll) }
    let wakeDescriptor = cr_eventfd()
    guard wakeDescriptor >= 0 else {
      _ = cr_close(epoll)
      throw SystemError(code: wakeDescriptor)
    }
    self.epoll = epoll
    self.wakeDescriptor = wakeDescriptor
    self.capacity = capacity + 1
    slots = .allocate(capacity: capacity + 1)
    parts = .allocate(capacity: capacity + 1)
    freeHead = .max
    events = .allocate(capacity: Self.eventsMax)
    scratch = .allocate(byteCount: Self.eventsMax * cr_epoll_event_size(), alignment: 16)
    // The last slot is the wake descriptor's for good.
    (slots + capacity).initialize(to: Slot())
    slots[capacity].descriptor = wakeDescriptor
    slots[capacity].flags = .wake
    _ = cr_epoll_add(epoll, wakeDescriptor, UInt64(UInt32(capacity)), 1)
  }

  deinit {
    for index in 0..<used where !slots[index].flags.contains(.listener) && !slots[index].flags.contains(.watch) {
      release(slots + index, saying: false)
      if slots[index].descriptor >= 0 { _ = cr_close(slots[index].descriptor) }
    }
    _ = cr_close(wakeDescriptor)
    _ = cr_close(epoll)
    slots.deallocate()
    parts.deallocate()
    events.deallocate()
    scratch.deallocate()
  }

  /// The descriptors of the reactor itself: what it waits with, and what it is woken by. It closes them at its end, in the table of
  /// the thread that ends it.
  public var descriptors: [Int32] { [epoll, wakeDescriptor] }

  /// What other threads need to wake this reactor.
  public var waker: Waker { Waker(descriptor: wakeDescriptor) }

  // MARK: Registration

  /// Takes over a connected socket. Nil: the reactor is full or the kernel refused; the caller still owns the descriptor.
  public mutating func adopt(_ descriptor: Int32, token: UInt64) -> Socket? {
    register(descriptor, token: token, flags: [.readable, .writable], listener: 0)
  }

  /// Accepts from a listening socket for as long as it is registered: one `accept` completion a connection. The
  /// descriptor stays the caller's: it may be shared by several reactors (the kernel wakes one of them) and is not closed here.
  public mutating func accept(from descriptor: Int32, token: UInt64) -> Socket? {
    register(descriptor, token: token, flags: .listener, listener: 1)
  }

  /// Reports `readable` as long as a descriptor (a signalfd, say) has something to read. The descriptor stays the caller's.
  public mutating func watch(_ descriptor: Int32, token: UInt64) -> Socket? {
    register(descriptor, token: token, flags: .watch, listener: 1)
  }

  /// Has connections leave from these addresses from now on, one of IPv4 and one of IPv6 at most; where there is none, the kernel chooses.
  public mutating func leave(from sources: [SocketAddress]) {
    (sourceIPv4, sourceIPv6) = (cr_address(), cr_address())
    for source in sources {
      let parts = source.parts
      if parts.high == 0, parts.low >> 32 == 0xFFFF { sourceIPv4 = source.raw } else { sourceIPv6 = source.raw }
    }
  }

  /// Starts to connect. `connect` completes later, also when it succeeded or failed at once. Throws when no socket can be
  /// had for reasons of our own (descriptors, ports, memory): that is not the peer's fault.
  public mutating func connect(
    to address: SocketAddress, userTimeoutMilliseconds: Int32, token: UInt64
  ) throws(SystemError) -> Socket {
    guard freeHead != .max || used < capacity - 1 else { throw SystemError(code: -EMFILE) }
    var raw = address.raw
    var descriptor: Int32 = -1
    let status = cr_connect(&raw, &sourceIPv4, &sourceIPv6, userTimeoutMilliseconds, &descriptor)
    guard descriptor >= 0 else { throw SystemError(code: status) }
    guard
      let socket = register(descriptor, token: token, flags: [.readable, .connecting], listener: 0)
    else {
      _ = cr_close(descriptor)
      throw SystemError(code: -EMFILE)
    }
    return socket
  }

  /// Changes the token of a socket: a pooled connection that serves another exchange.
  public mutating func setToken(_ socket: Socket, _ token: UInt64) {
    if isCurrent(socket) { slots[Int(socket.index)].token = token }
  }

  /// Closes the socket; what it had under way completes no more.
  public mutating func close(_ socket: Socket, reset: Bool = false) {
    guard isCurrent(socket) else { return }
    let index = Int(socket.index)
    release(slots + index, saying: !reset)
    let slot = slots[index]
    if slot.flags.contains(.listener) || slot.flags.contains(.watch) {
      _ = cr_epoll_remove(epoll, slot.descriptor)
    } else if reset {
      _ = cr_close_reset(slot.descriptor)
    } else {
      _ = cr_close(slot.descriptor)
    }
    slots[index].descriptor = -1
    slots[index].generation &+= 1
    slots[index].flags = []
    slots[index].nextFree = freeHead
    freeHead = socket.index
    socketCount -= 1
  }

  /// Sends the end of the stream; receiving goes on. True: it is on its way. False: a transport's own last words wait for the kernel; a
  /// `send` completion tells when they are out (0), or that they never will be (-errno). Closed before, the peer sees a stream cut short.
  @discardableResult
  public mutating func shutdownSend(_ socket: Socket) -> Bool {
    guard isCurrent(socket) else { return true }
    let slot = slots + Int(socket.index)
    if let transport = slot.pointee.transport {
      transport.pointee.operations.pointee.end(transport)
      if Int(transport.pointee.operations.pointee.flush(transport)) == Self.pending {
        slot.pointee.flags.insert(.ending)
        return false
      }
    }
    _ = cr_shutdown_write(slot.pointee.descriptor)
    return true
  }

  /// Changes how long sent bytes may stay unacknowledged before the connection is given up (TCP_USER_TIMEOUT); 0: as the
  /// system does. Nothing for Unix sockets.
  public mutating func setUserTimeout(_ socket: Socket, milliseconds: Int32) {
    if isCurrent(socket) { cr_set_user_timeout(slots[Int(socket.index)].descriptor, milliseconds) }
  }

  /// Bytes sent that the peer has not acknowledged yet; 0 also when that is not known.
  public mutating func unacknowledgedBytes(_ socket: Socket) -> Int32 {
    isCurrent(socket) ? max(0, cr_unacknowledged(slots[Int(socket.index)].descriptor)) : 0
  }

  /// The descriptor of a socket, for questions the reactor does not answer (its local address); -1 when it is closed.
  public mutating func descriptor(of socket: Socket) -> Int32 {
    isCurrent(socket) ? slots[Int(socket.index)].descriptor : -1
  }

  // MARK: Operations

  /// Receives into memory that stays valid until completion: bytes, 0 at the end of the stream, -errno, or `pending`.
  public mutating func receive(_ socket: Socket, into bytes: UnsafeMutableRawPointer, count: Int) -> Int {
    guard isCurrent(socket) else { return -Int(EBADF) }
    let slot = slots + Int(socket.index)
    if slot.pointee.flags.contains(.readable) {
      let result = receiveNow(slot, bytes, count)
      if result != Self.pending { return result }
    }
    slot.pointee.bytes = bytes
    slot.pointee.byteCount = count
    slot.pointee.flags.insert(.receiving)
    return Self.pending
  }

  /// Asks to be told when something can be received, without memory held meanwhile. Completes at once (true) when that may be so now.
  public mutating func awaitInput(_ socket: Socket) -> Bool {
    guard isCurrent(socket) else { return false }
    let slot = slots + Int(socket.index)
    if slot.pointee.flags.contains(.readable) && hasInput(slot) { return true }
    slot.pointee.flags.insert(.awaiting)
    return false
  }

  /// Takes a receive or a wait for input back.
  public mutating func cancelReceive(_ socket: Socket) {
    guard isCurrent(socket) else { return }
    slots[Int(socket.index)].flags.subtract([.receiving, .awaiting])
  }

  /// Whether a receive would find bytes, the end of the stream or an error, as far as known. Mutating, so that no copy is made.
  public mutating func mayReceive(_ socket: Socket) -> Bool {
    guard isCurrent(socket) else { return false }
    let slot = slots + Int(socket.index)
    return slot.pointee.flags.contains(.readable) && hasInput(slot)
  }

  /// Sends the parts (their memory stays valid until completion): bytes taken, perhaps fewer than given, -errno, or `pending`.
  public mutating func sendParts(_ socket: Socket, _ parts: UnsafePointer<iovec>, count: Int) -> Int {
    precondition(count <= Self.sendPartsMax)
    guard isCurrent(socket) else { return -Int(EBADF) }
    let slot = slots + Int(socket.index)
    if slot.pointee.flags.contains(.writable) {
      let result = sendNow(slot, parts, Int32(count))
      if result != Self.pending { return result }
    }
    return wait(slot, toSend: parts, count: count)
  }

  /// The kernel takes nothing for now: what is to be sent is kept until it does.
  private func wait(_ slot: UnsafeMutablePointer<Slot>, toSend parts: UnsafePointer<iovec>, count: Int) -> Int {
    slot.pointee.flags.remove(.writable)
    let kept = UnsafeMutableRawPointer(self.parts + (slot - slots)).assumingMemoryBound(to: iovec.self)
    kept.initialize(from: parts, count: count)
    slot.pointee.partCount = UInt8(count)
    slot.pointee.flags.insert(.sending)
    return Self.pending
  }

  /// Sends one run of bytes, as `sendParts`.
  public mutating func send(_ socket: Socket, _ bytes: UnsafeRawPointer, count: Int) -> Int {
    guard isCurrent(socket) else { return -Int(EBADF) }
    let slot = slots + Int(socket.index)
    if slot.pointee.transport != nil {
      var part = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes), iov_len: count)
      return sendParts(socket, &part, count: 1)
    }
    if slot.pointee.flags.contains(.writable) {
      let result = cr_send_bytes(slot.pointee.descriptor, bytes, count)
      if result != Self.pending { return result }
    }
    var part = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes), iov_len: count)
    return wait(slot, toSend: &part, count: 1)
  }

  // MARK: Completions

  /// Waits for readiness, at most this long (milliseconds; -1 without end), and starts a batch of completions.
  public mutating func wait(milliseconds: Int32) {
    eventIndex = 0
    let count = cr_epoll_wait(epoll, scratch, events, Int32(Self.eventsMax), milliseconds)
    eventCount = max(0, Int(count))
    acceptsLeft = 0
    markReady()
  }

  /// Of the whole batch, before the first is handed out: what one completion leads to may ask for the state of a socket whose event
  /// comes later (`mayReceive`). A socket that has taken the place of the one an event is of is tried once in vain, no more.
  @inline(__always)
  private func markReady() {
    for index in 0..<eventCount {
      let event = events[index]
      let slot = slots + Int(UInt32(truncatingIfNeeded: event.data))
      let mask = event.events
      slot.pointee.flags.formUnion(Flags(rawValue: UInt16(truncatingIfNeeded: mask & UInt32(CR_IN | CR_OUT))))
      if mask & UInt32(CR_RDHUP | CR_HUP | CR_ERR) != 0 {
        slot.pointee.flags.formUnion([.readable, .closing])
        if mask & UInt32(CR_HUP | CR_ERR) != 0 { slot.pointee.flags.insert(.writable) }
      }
    }
  }

  /// The next completion of the batch; nil at its end.
  public mutating func next() -> Completion? {
    while eventIndex < eventCount {
      let event = events[eventIndex]
      let index = Int(UInt32(truncatingIfNeeded: event.data))
      let generation = UInt32(truncatingIfNeeded: event.data >> 32)
      let slot = slots + index
      guard slot.pointee.descriptor >= 0, slot.pointee.generation == generation else {
        eventIndex += 1
        continue
      }
      let flags = slot.pointee.flags
      if !flags.isDisjoint(with: [.listener, .wake, .watch]) {
        if let completion = special(slot, flags) { return completion }
        continue
      }
      let mask = event.events
      if let transport = slot.pointee.transport { refresh(slot, transport) }
      if let completion = completeConnected(slot, mask) { return completion }
      eventIndex += 1
    }
    return nil
  }

  /// One completion of a connected or connecting socket; the same event is looked at again until it has none left.
  private mutating func completeConnected(_ slot: UnsafeMutablePointer<Slot>, _ mask: UInt32) -> Completion? {
    let flags = slot.pointee.flags
    if flags.contains(.connecting) {
      guard flags.contains(.writable) else { return nil }
      slot.pointee.flags.remove(.connecting)
      let error = cr_connect_error(slot.pointee.descriptor)
      // A socket just connected has nothing to read until the kernel says so.
      if error == 0 && mask & UInt32(CR_IN) == 0 { slot.pointee.flags.remove(.readable) }
      eventIndex += 1
      return completion(slot, .connect, Int(error))
    }
    if flags.contains(.establishing), let transport = slot.pointee.transport {
      let result = Int(transport.pointee.operations.pointee.establish(transport))
      if result != Self.pending {
        slot.pointee.flags.remove(.establishing)
        return completion(slot, .connect, result)
      }
    }
    if flags.contains(.ending), let transport = slot.pointee.transport {
      let result = Int(transport.pointee.operations.pointee.flush(transport))
      if result != Self.pending {
        slot.pointee.flags.remove(.ending)
        if result >= 0 { _ = cr_shutdown_write(slot.pointee.descriptor) }
        return completion(slot, .send, min(0, result))
      }
    }
    if flags.contains(.sending) && flags.contains(.writable) {
      let result = sendNow(
        slot, UnsafeRawPointer(parts + (slot - slots)).assumingMemoryBound(to: iovec.self),
        Int32(slot.pointee.partCount))
      if result != Self.pending {
        slot.pointee.flags.remove(.sending)
        return completion(slot, .send, result)
      }
      slot.pointee.flags.remove(.writable)
    }
    if flags.contains(.receiving) && flags.contains(.readable) {
      let result = receiveNow(slot, slot.pointee.bytes!, slot.pointee.byteCount)
      if result != Self.pending {
        slot.pointee.flags.remove(.receiving)
        eventIndex += 1
        return completion(slot, .receive, result)
      }
    } else if flags.contains(.awaiting) && flags.contains(.readable) && hasInput(slot) {
      slot.pointee.flags.remove(.awaiting)
      eventIndex += 1
      return completion(slot, .input, 0)
    } else if mask & UInt32(CR_HUP | CR_ERR) != 0 && !flags.contains(.ended) {
      slot.pointee.flags.insert(.ended)
      eventIndex += 1
      return completion(slot, .hangup, 0)
    }
    return nil
  }

  /// Completions of listeners, the wake descriptor and watched descriptors.
  private mutating func special(_ slot: UnsafeMutablePointer<Slot>, _ flags: Flags) -> Completion? {
    if flags.contains(.listener) {
      // A few at a time: the rest of the queue is left for the other reactors and for the next round.
      if acceptsLeft == 0 { acceptsLeft = 16 }
      acceptsLeft -= 1
      if acceptsLeft == 0 { eventIndex += 1 }
      let accepted = cr_accept(slot.pointee.descriptor, &acceptedPeer.raw)
      if accepted == -EAGAIN {
        if acceptsLeft > 0 { eventIndex += 1 }
        acceptsLeft = 0
        return nil
      }
      if accepted < 0 && acceptsLeft > 0 {
        eventIndex += 1
        acceptsLeft = 0
      }
      return Completion(token: slot.pointee.token, operation: .accept, result: Int(accepted))
    }
    eventIndex += 1
    if flags.contains(.wake) {
      cr_eventfd_clear(wakeDescriptor)
      return completion(slot, .wake, 0)
    }
    return completion(slot, .readable, 0)
  }

  private func completion(_ slot: UnsafeMutablePointer<Slot>, _ operation: Operation, _ result: Int) -> Completion {
    Completion(token: slot.pointee.token, operation: operation, result: result)
  }

  @inline(__always)
  private func sendNow(_ slot: UnsafeMutablePointer<Slot>, _ parts: UnsafePointer<iovec>, _ count: Int32) -> Int {
    if let transport = slot.pointee.transport {
      return transport.pointee.operations.pointee.send(transport, parts, count)
    }
    return cr_send(slot.pointee.descriptor, parts, count)
  }

  @inline(__always)
  private func receiveNow(_ slot: UnsafeMutablePointer<Slot>, _ bytes: UnsafeMutableRawPointer, _ count: Int) -> Int {
    if let transport = slot.pointee.transport { return receiveNow(slot, through: transport, bytes, count) }
    let result = cr_receive(slot.pointee.descriptor, bytes, count)
    // Fewer than asked for: the socket is empty, and a new edge will tell of more; but the end of the stream, once told, is
    // not told again.
    if result == Self.pending || (result > 0 && result < count && !slot.pointee.flags.contains(.closing)) {
      slot.pointee.flags.remove(.readable)
    }
    return result
  }

  @inline(__always)
  func isCurrent(_ socket: Socket) -> Bool {
    socket.index < UInt32(used) && slots[Int(socket.index)].generation == socket.generation
      && slots[Int(socket.index)].descriptor >= 0
  }

  private mutating func register(_ descriptor: Int32, token: UInt64, flags: Flags, listener: Int32) -> Socket? {
    let isNew = freeHead == .max
    let index = isNew ? UInt32(used) : freeHead
    guard index < UInt32(capacity - 1) else { return nil }
    if isNew { (slots + used).initialize(to: Slot()) }
    let generation = slots[Int(index)].generation
    guard cr_epoll_add(epoll, descriptor, UInt64(generation) << 32 | UInt64(index), listener) >= 0 else { return nil }
    if isNew { used += 1 } else { freeHead = slots[Int(index)].nextFree }
    slots[Int(index)].descriptor = descriptor
    slots[Int(index)].token = token
    slots[Int(index)].flags = flags
    socketCount += 1
    return Socket(index: index, generation: generation)
  }
}
