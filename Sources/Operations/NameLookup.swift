internal import CReactor
internal import Glibc
internal import Synchronization

/// Looks a host name up in bounded time: the system's own function has no bound but that of the name servers' configuration, half a minute
/// and more.
enum NameLookup {
  /// What came of it.
  enum Result: @unchecked Sendable {
    case found(cr_address)
    case nothing
    /// No answer in time.
    case silence
  }

  /// A question, which outlives who waits for its answer.
  private final class Question: Sendable {
    let answer = Mutex<Result?>(nil)
    let event = cr_eventfd()
    let ask: @Sendable () -> Result

    init(_ ask: @escaping @Sendable () -> Result) { self.ask = ask }
    deinit { if event >= 0 { _ = cr_close(event) } }
  }

  /// The first address of a name.
  static func first(of name: String, port: UInt16, within milliseconds: Int32) -> Result {
    answer(within: milliseconds) {
      var result = cr_address()
      return cr_resolve(name, port, &result, 1) > 0 ? .found(result) : .nothing
    }
  }

  /// What `ask` says, unless that takes longer. It goes on, then, on a thread of its own, and nobody hears of it.
  static func answer(within milliseconds: Int32, _ ask: @escaping @Sendable () -> Result) -> Result {
    let question = Question(ask)
    guard question.event >= 0 else { return .silence }
    do throws(ThreadFailure) {
      try ServiceThread.start("lookup") {
        let result = question.ask()
        question.answer.withLock { $0 = result }
        cr_eventfd_wake(question.event)
      }
    } catch {
      return .silence
    }
    _ = UnixSocket.wait(question.event, for: POLLIN, milliseconds: milliseconds)
    return question.answer.withLock { $0 } ?? .silence
  }
}
