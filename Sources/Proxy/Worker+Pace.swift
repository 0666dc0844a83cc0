internal import Reactor

/// The least pace of clients: who sends a body, or takes an answer, a byte at a time is given up, not only who falls silent.
///
/// A client has patience of up to `timeouts.client`. The time for which it is waited for uses the patience up, each byte gives
/// some of it back: as much as a byte takes at the least rate (`limits.upload-rate`, `limits.download-rate`). So an average over
/// the time-out is held to the rate, while a pause is forgiven to who was fast before and after. Time in which the server alone
/// is waited for costs nothing.
///
/// One wait at a time: who has to take some of an answer is waited for to do that, whatever else it sends meanwhile; else who
/// owes the rest of a body is waited for to send it, also when the server has begun its answer; else the server is.
extension Worker {
  /// Nanoseconds of patience that a byte gives back; 0: any byte gives back all of it.
  static func patiencePerByte(bytesPerSecondMin rate: Int) -> Int64 {
    rate > 0 ? max(1, 1_000_000_000 / Int64(rate)) : 0
  }

  /// A request or an answer begins: all patience is there.
  @inline(__always)
  mutating func resetPatience(_ client: Int32) {
    let pointer = clients + Int(client)
    pointer.pointee.patience = applications[Int(pointer.pointee.application)].timeouts.client
    pointer.pointee.waitedSince = 0
  }

  /// The rest of the body is waited for, as long as the client's patience lasts; a wait for it that is under way goes on.
  mutating func awaitBody(_ client: Int32) {
    let pointer = clients + Int(client)
    if pointer.pointee.flags.contains(.sending) { return }
    chargeWait(client)
    setDeadline(client, .body, pointer.pointee.patience)
  }

  /// The client has to take some of the answer before more can be sent.
  mutating func awaitTaking(_ client: Int32) {
    let pointer = clients + Int(client)
    chargeWait(client)
    pointer.pointee.untaken = reactor.unacknowledgedBytes(pointer.pointee.socket)
    setDeadline(client, .client, pointer.pointee.patience)
  }

  /// A step of the answer is done: waits for whose turn it is.
  @inline(__always)
  mutating func awaitNext(_ client: Int32) {
    let pointer = clients + Int(client)
    if pointer.pointee.flags.isDisjoint(with: [.sending, .receiving]) {
      setDeadline(client, .server, applications[Int(pointer.pointee.application)].timeouts.server)
    } else if pointer.pointee.flags.contains(.sending) {
      awaitTaking(client)
    } else {
      awaitBody(client)
    }
  }

  /// Begins a wait for the client; one that was under way has cost its time.
  private mutating func chargeWait(_ client: Int32) {
    let pointer = clients + Int(client)
    if pointer.pointee.waitedSince > 0 {
      pointer.pointee.patience = max(0, pointer.pointee.patience - (now - pointer.pointee.waitedSince))
    }
    pointer.pointee.waitedSince = now
  }

  /// The patience is used up, and the kernel has not yet asked for more of the answer. It keeps megabytes: a client that is
  /// slow but not too slow takes them over minutes. True: it goes on.
  mutating func isTaking(_ client: Int32) -> Bool {
    let pointer = clients + Int(client)
    guard pointer.pointee.waitedSince > 0 else { return false }
    let taken = Int(pointer.pointee.untaken) - Int(reactor.unacknowledgedBytes(pointer.pointee.socket))
    guard taken > 0 else { return false }
    let waited = now - pointer.pointee.waitedSince
    earnPatience(client, taken, perByte: downloadPatience)
    // Who took as much as the time was worth goes on, however short it was; else less than this is not worth another look.
    let leastLook = applications[Int(pointer.pointee.application)].timeouts.client / 64
    guard pointer.pointee.patience > min(leastLook, waited) else { return false }
    pointer.pointee.patience = max(leastLook, pointer.pointee.patience)
    awaitTaking(client)
    return true
  }

  /// One who lingers has so many bytes of the answer left to take. False: it has taken none for as long as it is waited for, or too few.
  mutating func goesOnTaking(_ client: Int32, _ left: Int32) -> Bool {
    let pointer = clients + Int(client)
    let taken = Int(pointer.pointee.untaken) - Int(left)
    if taken > 0 {
      earnPatience(client, taken, perByte: downloadPatience)
      pointer.pointee.untaken = left
      pointer.pointee.waitedSince = now
    }
    return now - pointer.pointee.waitedSince < pointer.pointee.patience
  }

  /// Bytes of a body came from the client. While it is waited for to take some of an answer, that alone counts.
  @inline(__always)
  mutating func clientMoved(_ client: Int32, _ bytes: Int) {
    if clients[Int(client)].flags.contains(.sending) { return }
    earnPatience(client, bytes, perByte: uploadPatience)
  }

  /// The kernel has taken bytes for the client.
  @inline(__always)
  mutating func clientTook(_ client: Int32, _ bytes: Int) {
    if clients[Int(client)].waitedSince > 0 { tookAfterWait(client, bytes) }
  }

  private mutating func tookAfterWait(_ client: Int32, _ bytes: Int) {
    let pointer = clients + Int(client)
    let all = applications[Int(pointer.pointee.application)].timeouts.client
    var taken = bytes
    if downloadPatience > 0 && Int64(bytes) < all / downloadPatience {
      // The kernel asks for more only when a good part of its buffer is free: what left meanwhile counts, not what it takes at a time.
      taken += Int(pointer.pointee.untaken) - Int(reactor.unacknowledgedBytes(pointer.pointee.socket))
    }
    earnPatience(client, max(bytes, taken), perByte: downloadPatience)
  }

  private mutating func earnPatience(_ client: Int32, _ bytes: Int, perByte: Int64) {
    let pointer = clients + Int(client)
    let all = applications[Int(pointer.pointee.application)].timeouts.client
    let waited = pointer.pointee.waitedSince > 0 ? now - pointer.pointee.waitedSince : 0
    pointer.pointee.waitedSince = 0
    guard perByte > 0, Int64(bytes) < all / perByte else {
      pointer.pointee.patience = all
      return
    }
    pointer.pointee.patience = min(all, max(0, pointer.pointee.patience - waited) + Int64(bytes) * perByte)
  }
}
