internal import COpenSSL

/// How many handshakes were finished, in full or by resuming a session, and how many failed, by reason. Any thread counts and reads.
public final class HandshakeCounts: Sendable {
  /// Why handshakes fail.
  public enum Failure: Int32, Sendable, CaseIterable {
    /// The client spoke plain HTTP.
    case plainHTTP = 2
    /// The connection was closed, or broke, in the middle.
    case cutShort = 3
    /// The other side said by an alert that it does not go on, such as for our certificate.
    case alert = 4
    /// The other side's certificate was missing, or not accepted.
    case certificate = 5
    /// A name was asked for that is not served, or no protocol agreed on.
    case name = 6
    /// No version or suite is common to both.
    case version = 7
    /// Anything else, such as bytes that are no TLS.
    case malformed = 8
    /// It was not finished in time.
    case unfinished = 9

    /// Its name in statuses.
    public var name: String {
      switch self {
      case .plainHTTP: "plain-http"
      case .cutShort: "cut-short"
      case .alert: "alert"
      case .certificate: "certificate"
      case .name: "name"
      case .version: "version"
      case .malformed: "malformed"
      case .unfinished: "unfinished"
      }
    }
  }

  private struct Holder: @unchecked Sendable { let pointer: OpaquePointer }
  private let holder: Holder
  var pointer: OpaquePointer { holder.pointer }

  /// All zero.
  public init() throws(TLSError) {
    guard let pointer = co_counts_new() else { throw .library("no memory for counts") }
    holder = Holder(pointer: pointer)
  }

  deinit { co_counts_free(holder.pointer) }

  /// Full handshakes.
  public var full: Int { Int(co_counts_get(pointer, Int32(CO_COUNT_FULL))) }
  /// Sessions that were resumed.
  public var resumed: Int { Int(co_counts_get(pointer, Int32(CO_COUNT_RESUMED))) }

  /// Failed ones of a kind.
  public func failed(_ failure: Failure) -> Int { Int(co_counts_get(pointer, failure.rawValue)) }

  /// Counts on from what another process has come to. Negative numbers count for nothing.
  public func goOn(full: Int, resumed: Int, failed: [Failure: Int]) {
    co_counts_go_on(pointer, Int32(CO_COUNT_FULL), UInt(max(0, full)))
    co_counts_go_on(pointer, Int32(CO_COUNT_RESUMED), UInt(max(0, resumed)))
    for (failure, count) in failed { co_counts_go_on(pointer, failure.rawValue, UInt(max(0, count))) }
  }

  /// Counts one that was given up by who waited for it.
  public func noteUnfinished() { co_counts_add(pointer, Failure.unfinished.rawValue) }
}
