internal import COpenSSL
internal import Glibc
internal import Synchronization

/// The keys that session tickets are made with, shared by all workers of a node; by several nodes when they come from a file.
///
/// A ticket of the newest key resumes a session; one of an older key does too and is replaced; one of a key that is gone
/// leads to a full handshake.
public final class TicketKeys: Sendable {
  /// Bytes of a key.
  public static let keyBytes = Int(CO_TICKET_KEY_BYTES)
  /// Keys at once at most: the one in use and those before it.
  public static let keysMax = 4

  private let holder: Holder
  private let rotation: Duration
  /// When the key in use was made, on the caller's clock.
  private let madeAt: Mutex<Duration>

  private struct Holder: @unchecked Sendable { let pointer: OpaquePointer }
  var pointer: OpaquePointer { holder.pointer }

  /// Random keys, replaced every `rotation`. Throws when there are no random numbers.
  public init(rotation: Duration, now: Duration) throws(TLSError) {
    guard let pointer = co_ticket_keys_new() else { throw .library("no memory for ticket keys") }
    guard co_ticket_keys_rotate(pointer, 0) == 1 else {
      co_ticket_keys_free(pointer)
      throw .library("no random numbers")
    }
    holder = Holder(pointer: pointer)
    self.rotation = rotation
    madeAt = Mutex(now)
  }

  deinit { co_ticket_keys_free(pointer) }

  /// Makes a new key when the one in use is old enough. True: it did.
  public func rotateIfDue(now: Duration) -> Bool {
    madeAt.withLock { madeAt in
      guard now - madeAt >= rotation else { return false }
      madeAt = now
      return co_ticket_keys_rotate(pointer, 2) == 1
    }
  }

  /// Makes a new key now.
  /// - Parameter kept: how many of the keys before it still open their tickets, 0 to 3.
  public func rotate(kept: Int = 2) { _ = co_ticket_keys_rotate(pointer, Int32(kept)) }

  /// Takes the keys of a file, 80 bytes each, the first of which makes tickets.
  public func take(file path: String) throws(TLSError) {
    let bytes = try FileBytes.readSecret(path)
    guard !bytes.isEmpty, bytes.count % Self.keyBytes == 0, bytes.count <= Self.keysMax * Self.keyBytes else {
      throw .badTicketKeys(path: path, bytes: bytes.count)
    }
    co_ticket_keys_set(pointer, bytes, Int32(bytes.count / Self.keyBytes))
  }
}
