internal import CReactor
internal import HTTPMessage
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// To the client: heads with the first bytes of their bodies, bodies, and what it does not take at once.
extension Worker {
  /// Bytes of a body that are copied behind their head rather than sent as a part of their own.
  private static let gatherMax = 8_192

  /// Sends a head that lies in the scratch memory, and the body behind it. True: all of it left at once.
  @discardableResult
  mutating func sendFromScratch(_ client: Int32, _ headCount: Int) -> Bool {
    let pointer = clients + Int(client)
    var count = headCount
    if pointer.pointee.outputBodyCount > 0 && pointer.pointee.outputBodyCount <= Self.gatherMax,
      !pointer.pointee.flags.contains(.sending)
    {
      // One run of bytes costs the kernel less than two, and this copy less than the difference.
      (scratch + count).copyMemory(from: pointer.pointee.outputBody!, byteCount: pointer.pointee.outputBodyCount)
      count += pointer.pointee.outputBodyCount
      pointer.pointee.outputBodyCount = 0
    }
    if pointer.pointee.stash.count > 0 || pointer.pointee.flags.contains(.sending) {
      // Something is before it: it waits behind.
      guard pointer.pointee.stash.room >= count else {
        abort(client, termination: "PH")
        return false
      }
      pointer.pointee.stash.free.copyMemory(from: scratch, byteCount: count)
      pointer.pointee.stash.end += count
      return false
    }
    var parts: (iovec, iovec) = (
      iovec(iov_base: scratch, iov_len: count),
      iovec(
        iov_base: UnsafeMutableRawPointer(mutating: pointer.pointee.outputBody),
        iov_len: pointer.pointee.outputBodyCount)
    )
    let total = count + pointer.pointee.outputBodyCount
    let partCount = pointer.pointee.outputBodyCount > 0 ? 2 : 1
    let result =
      partCount == 1
      ? reactor.send(pointer.pointee.socket, scratch, count: count)
      : withUnsafePointer(to: &parts) {
        reactor.sendParts(
          pointer.pointee.socket, UnsafeRawPointer($0).assumingMemoryBound(to: iovec.self), count: partCount)
      }
    if result == total {
      pointer.pointee.bytesOut += UInt64(total)
      pointer.pointee.outputBodyCount = 0
      return true
    }
    if result < 0 && result != Reactor.pending {
      clientLost(client)
      return false
    }
    let sent = max(0, result)
    pointer.pointee.bytesOut += UInt64(sent)
    if sent < count {
      guard count - sent <= Buffer.Size.large.capacity else {
        // A head of a great many fields made longer, and a client that takes nothing of it.
        abort(client, termination: "PH")
        return false
      }
      // Behind an interim response that has to wait an answer of our own may come, with the fields of its page.
      let isInterim = pointer.pointee.state == .exchange && !pointer.pointee.flags.contains(.responseBegun)
      pointer.pointee.stash = isInterim ? buffers.takeLarge() : buffers.take(for: count - sent)
      pointer.pointee.stash.free.copyMemory(from: scratch + sent, byteCount: count - sent)
      pointer.pointee.stash.end = count - sent
    } else {
      pointer.pointee.outputBody = pointer.pointee.outputBody! + (sent - count)
      pointer.pointee.outputBodyCount -= sent - count
    }
    return sendOutput(client)
  }

  /// Sends what is waiting for the client. False: it has to wait, or the client is gone.
  mutating func sendOutput(_ client: Int32) -> Bool {
    let pointer = clients + Int(client)
    while pointer.pointee.stash.count > 0 || pointer.pointee.outputBodyCount > 0 {
      var parts: (iovec, iovec) = (iovec(), iovec())
      var partCount = 0
      if pointer.pointee.stash.count > 0 {
        parts.0 = iovec(iov_base: pointer.pointee.stash.first, iov_len: pointer.pointee.stash.count)
        partCount = 1
      }
      if pointer.pointee.outputBodyCount > 0 {
        let body = iovec(
          iov_base: UnsafeMutableRawPointer(mutating: pointer.pointee.outputBody),
          iov_len: pointer.pointee.outputBodyCount)
        if partCount == 0 { parts.0 = body } else { parts.1 = body }
        partCount += 1
      }
      let result = withUnsafePointer(to: &parts) {
        reactor.sendParts(
          pointer.pointee.socket, UnsafeRawPointer($0).assumingMemoryBound(to: iovec.self), count: partCount)
      }
      if result == Reactor.pending {
        if pointer.pointee.outputBodyCount > 0 && pointer.pointee.outputBody! >= UnsafeRawPointer(relay)
          && pointer.pointee.outputBody! < UnsafeRawPointer(relay + Self.relayBytes)
        {
          // Others need that memory: submitted again from the place where it is kept. The kernel is not asked again.
          keepRelayed(client)
          continue
        }
        pointer.pointee.flags.insert(.sending)
        if pointer.pointee.state != .tunnel { awaitTaking(client) }
        return false
      }
      guard outputSent(client, result) else { return false }
    }
    return true
  }

  /// The client does not take what was received for it: that is kept in a buffer that just holds it, and less is received at a time, so
  /// that one who reads slowly holds little.
  mutating func keepRelayed(_ client: Int32) {
    let pointer = clients + Int(client)
    let count = pointer.pointee.outputBodyCount
    precondition(!pointer.pointee.stash.isHeld, "what was to be sent before has left")
    var kept = buffers.take(for: count)
    kept.free.copyMemory(from: pointer.pointee.outputBody!, byteCount: count)
    kept.end = count
    pointer.pointee.stash = kept
    pointer.pointee.outputBodyCount = 0
    pointer.pointee.pieceBytes = Buffer.Size.middle.capacity
  }

  mutating func outputSent(_ client: Int32, _ result: Int) -> Bool {
    let pointer = clients + Int(client)
    guard result >= 0 else {
      clientLost(client)
      return false
    }
    pointer.pointee.bytesOut += UInt64(result)
    clientTook(client, result)
    let fromStash = min(result, pointer.pointee.stash.count)
    pointer.pointee.stash.start += fromStash
    if pointer.pointee.stash.isHeld && pointer.pointee.stash.count == 0 { buffers.giveBack(&pointer.pointee.stash) }
    if result > fromStash {
      pointer.pointee.outputBody = pointer.pointee.outputBody! + (result - fromStash)
      pointer.pointee.outputBodyCount -= result - fromStash
    }
    return true
  }

  /// A send to the client has completed.
  mutating func clientSent(_ client: Int32, _ result: Int) {
    let pointer = clients + Int(client)
    pointer.pointee.flags.remove(.sending)
    if pointer.pointee.state == .relay { return relaySentToClient(client, result) }
    if pointer.pointee.state == .parting { return }
    if pointer.pointee.state == .lingering {
      // TLS's own last words, which had to wait for room.
      if result < 0 { closeClient(client) }
      return
    }
    guard outputSent(client, result) else { return }
    switch pointer.pointee.state {
    case .exchange, .tunnel:
      if pointer.pointee.state == .tunnel {
        setDeadline(client, .tunnel, applications[Int(pointer.pointee.application)].timeouts.tunnel)
      } else if pointer.pointee.flags.contains(.responseBegun) {
        awaitNext(client)
      }
      if pointer.pointee.flags.contains(.responseBegun) {
        pumpResponse(client)
      } else if sendOutput(client) && pointer.pointee.state == .exchange {
        // An interim response had to wait for the client, and what the server sent behind it for that.
        awaitNext(client)
        let upstream = pointer.pointee.upstream
        if upstream >= 0, upstreams[Int(upstream)].state == .busy, upstreams[Int(upstream)].input.count > 0 {
          parseResponse(client, upstream)
        }
      }
    case .answering: if sendOutput(client) { answerSent(client) }
    case .free, .idle, .head, .lingering, .relay, .parting: break
    }
  }
}
