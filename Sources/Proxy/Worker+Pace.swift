internal import Reactor

/// The least pace of clients: who sends a body, or takes an answer, a byte at a time is given up, not only who falls silent.
///
/// A client has patience of up to `timeouts.client`. The time for which it is waited for uses the patience up, each byte gives
/// some of it back: as much as a byte takes at the least rate (`limits.upload-rate`, `limits.download-rate`). So an average over
/// the time-out is held to the rate, while a pause is forgiven to who was fast before and after. Time in which the server is
/// waited for costs nothing.
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

  /// The rest of the body is waited for, as long as the client's patience lasts.
  mutating func awaitBody(_ client: Int32) {
    clients[Int(client)].waitedSince = now
    setDeadline(client, .body, clients[Int(client)].patience)
  }

  /// The client has to take some of the answer before more can be sent.
  mutating func awaitTaking(_ client: Int32) {
    let pointer = clients + Int(client)
    pointer.pointee.waitedSince = now
    pointer.pointee.untaken = reactor.unacknowledgedBytes(pointer.pointee.socket)
    setDeadline(client, .client, pointer.pointee.patience)
  }

  /// The patience is used up, and the kernel has not yet asked for more of the answer. It keeps megabytes: a client that is
  /// slow but not too slow takes them over minutes. True: it goes on.
  mutating func isTaking(_ client: Int32) -> Bool {
    let pointer = clients + Int(client)
    guard pointer.pointee.waitedSince > 0 else { return false }
    let taken = Int(pointer.pointee.untaken) - Int(reactor.unacknowledgedBytes(pointer.pointee.socket))
    guard taken > 0 else { return false }
    earnPatience(client, taken, perByte: downloadPatience)
    // Less than this is not worth another look.
    guard pointer.pointee.patience > applications[Int(pointer.pointee.application)].timeouts.client / 64 else {
      return false
    }
    awaitTaking(client)
    return true
  }

  /// Bytes came from the client, or went to it.
  @inline(__always)
  mutating func clientMoved(_ client: Int32, _ bytes: Int, perByte: Int64) {
    if clients[Int(client)].waitedSince > 0 { earnPatience(client, bytes, perByte: perByte) }
  }

  private mutating func earnPatience(_ client: Int32, _ bytes: Int, perByte: Int64) {
    let pointer = clients + Int(client)
    let all = applications[Int(pointer.pointee.application)].timeouts.client
    let waited = now - pointer.pointee.waitedSince
    pointer.pointee.waitedSince = 0
    guard perByte > 0, Int64(bytes) < all / perByte else {
      pointer.pointee.patience = all
      return
    }
    pointer.pointee.patience = min(all, max(0, pointer.pointee.patience - waited) + Int64(bytes) * perByte)
  }
}
